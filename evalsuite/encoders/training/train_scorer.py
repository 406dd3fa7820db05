"""Train the bundled CLIP on renders that no generator saw: contrastive loss, a near-miss caption for every image.

python -m evalsuite.encoders.training.train_scorer --sprites artwork/sprites.npy --out runs/scorer
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from open_clip import CLIP
from torch import Tensor
from torch.nn import functional as F

from backbones.training.data import SIZES, Example, World, batches, random_for
from backbones.training.loop import Average, Progress, descend, load_state, save_state, set_rates, trapezoid
from backbones.training.muon import optimisers
from backbones.training.options import recipe_facts, recipe_options
from backbones.training.scene import sample_scene
from evalsuite.encoders.bpe import BYTE_TOKENS, SPECIAL_TOKENS, learn_bpe, write_bpe
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.preprocess import letterbox
from evalsuite.encoders.scenes import build_model, build_tokenizer, read_config
from evalsuite.encoders.training.negatives import near_miss

EVERY = 50
SIDE = 128


def roughen(images: Tensor, random: Random) -> Tensor:
    """Blur by a random down- and upscaling, then add faint noise: no generator is as crisp as a render."""
    side = random.choice((64, 80, 96, 128, 128))
    x = images
    if side < SIDE:
        x = F.interpolate(x, side, mode="bilinear", antialias=True)
        x = F.interpolate(x, SIDE, mode="bilinear")
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(random.getrandbits(32))).to(x.device)
    return x + random.choice((0.0, 0.05, 0.15)) * noise


def to_inputs(examples: Sequence[Example]) -> Tensor:
    """Letterboxed, normalised pictures (B, 3, SIDE, SIDE) of examples of one size."""
    pixels = torch.from_numpy(np.stack([example.pixels for example in examples])).permute(0, 3, 1, 2)
    return letterbox(pixels, SIDE)


def contrastive_loss(image: Tensor, text: Tensor, wrong: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric loss (arXiv:2103.00020); each image also meets every near-miss caption.

    Args:
        image: (B, d) unit length.
        text: (B, d) the images' captions.
        wrong: (B, d) a near miss of each caption.
        scale: logit scale, a scalar.
    """
    truth = torch.arange(len(image), device=image.device)
    over_texts = scale * image @ torch.cat([text, wrong]).T  # (B, 2B)
    over_images = scale * text @ image.T  # (B, B)
    return (F.cross_entropy(over_texts, truth) + F.cross_entropy(over_images, truth)) / 2


def learn_vocabulary(path: Path, seed: int) -> None:
    """Learn the merges from 20,000 captions and write them where the tokenizer looks."""
    random = random_for("vocabulary", seed, 0)
    captions = [sample_scene(random, "train").caption for _ in range(20_000)]
    room = read_config()["text_cfg"]["vocab_size"] - BYTE_TOKENS - SPECIAL_TOKENS  # type: ignore[index]
    write_bpe(path, learn_bpe(captions, room))


def train(args: argparse.Namespace) -> CLIP:
    """Run the recipe (or what is left of it) and return the averaged weights."""
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer(args.out / "scenes_bpe.txt.gz")
    model = build_model().to(args.device)
    average, rules = Average(model, args.ema), optimisers(model, args.lr)
    parts = {"model": model, "average": average.module, "muon": rules[0], "adamw": rules[1]}
    first = load_state(args.out / "state.pt", **parts)
    world = World(
        args.sprites, "scorer", "train", args.seed, args.steps * args.batch, tuple(SIZES.values()), args.batch
    )
    progress = Progress(args.steps, EVERY)
    weights = list(model.parameters())
    for step, examples in enumerate(batches(world, args.workers, first), start=first):
        set_rates(rules, args.lr * trapezoid(step, args.steps, 100, 0.5))
        random = random_for("near miss", args.seed, step)
        captions = [example.scene.caption for example in examples]
        captions += [near_miss(example.scene, random).caption for example in examples]
        images = roughen(to_inputs(examples), random).to(args.device)
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            image = model.encode_image(images, normalize=True)  # (B, d)
            texts = model.encode_text(tokenizer(captions).to(args.device), normalize=True)  # (2B, d)
        text, wrong = texts.float().chunk(2)
        loss = contrastive_loss(image.float(), text, wrong, model.logit_scale.exp().clamp(max=100))
        descend(loss, rules, weights)
        average.update(model, step)
        progress(step, loss, len(examples))
        if (step + 1) % EVERY == 0 or step + 1 == args.steps:
            save_state(args.out / "state.pt", step, **parts)
    return average.module.cpu()


@torch.inference_mode()
def retrieval(model: CLIP, args: argparse.Namespace, among: int = 100, groups: int = 5) -> float:
    """Share of held-out renders whose own caption scores best among `among` captions of held-out scenes."""
    tokenizer = build_tokenizer(args.out / "scenes_bpe.txt.gz")
    right = 0
    for group in range(groups):
        world = World(args.sprites, "scorer-test", "held-out", args.seed + group, among, tuple(SIZES.values()))
        examples = [world[index] for index in range(among)]
        image = torch.cat([model.encode_image(to_inputs([example]), normalize=True) for example in examples])
        text = model.encode_text(tokenizer([example.scene.caption for example in examples]), normalize=True)
        right += int(((image @ text.T).argmax(dim=1) == torch.arange(among)).sum())
    return right / (among * groups)


def main() -> None:
    """Learn the vocabulary, train, measure on held-out renders, write vocabulary, weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    recipe_options(parser, steps=8000, batch=256, lr=1e-3)
    parser.add_argument("--ema", type=float, default=0.998, help="decay of the averaged weights")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    learn_vocabulary(args.out / "scenes_bpe.txt.gz", args.seed)
    model = train(args).eval()
    measured = {"caption_among_100_held_out_renders": retrieval(model, args), "renders": 500}
    print(measured)
    facts = {"measured": measured, **recipe_facts(args, "evalsuite.encoders.training.train_scorer")}
    save_tensors(args.out / "scorer.safetensors", model.state_dict(), facts)


if __name__ == "__main__":
    main()
