"""Train the bundled CLIP on renders that no generator saw: contrastive loss, near-miss captions for every image.

python -m evalsuite.encoders.training.train_scorer --sprites artwork/sprites.npy --out runs/scorer
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import torch
from open_clip import CLIP
from torch import Tensor
from torch.nn import functional as F

from backbones.training.data import SIZES, Example, World, random_for
from backbones.training.loop import Average, Progress, Saver, descend, set_rates, trapezoid
from backbones.training.muon import optimisers
from backbones.training.names import NAMES
from backbones.training.options import recipe_facts, recipe_options
from backbones.training.scene import sample_scene
from evalsuite.encoders.bpe import BYTE_TOKENS, SPECIAL_TOKENS, learn_bpe, write_bpe
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.preprocess import letterbox
from evalsuite.encoders.scenes import build_model, build_tokenizer, read_config
from evalsuite.encoders.training.lessons import lessons

EVERY = 50
SIDE = 128


def roughen(images: Tensor, random: Random) -> Tensor:
    """Blur by a random down- and upscaling, then add faint noise: no generator is as crisp as a render."""
    side, noise = random.choice((64, 80, 96, 128, 128)), random.choice((0.0, 0.05, 0.15))
    x = images
    if side < SIDE:
        x = F.interpolate(x, side, mode="bilinear", antialias=True)
        x = F.interpolate(x, SIDE, mode="bilinear")
    source = torch.Generator(x.device).manual_seed(random.getrandbits(32))
    return x + noise * torch.randn(x.shape, generator=source, device=x.device) if noise else x


def to_inputs(pixels: Tensor) -> Tensor:
    """Letterboxed, normalised pictures (B, 3, SIDE, SIDE) of uint8 (B, H, W, 3)."""
    return letterbox(pixels.permute(0, 3, 1, 2), SIDE)


def contrastive_loss(image: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric loss (arXiv:2103.00020); each image also meets the near-miss captions of the whole batch.

    Args:
        image: (B, d) unit length.
        texts: (B, K, d) unit length, the images' own captions first.
        scale: logit scale, a scalar.
    """
    truth = torch.arange(len(image), device=image.device)
    text = texts[:, 0]
    over_texts = scale * image @ texts.transpose(0, 1).flatten(0, 1).T  # (B, K * B), own captions first
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
    saver = Saver(args.out / "state.pt", args.steps, **parts)
    world = World(
        args.sprites, "scorer", "train", args.seed, args.steps * args.batch, tuple(SIZES.values()), args.batch
    )
    progress = Progress(args.steps, EVERY)
    weights = list(model.parameters())
    for step, lesson in enumerate(lessons(world, tokenizer, args.workers, saver.first), start=saver.first):
        set_rates(rules, args.lr * trapezoid(step, args.steps, 100, 0.5))
        pixels, ids = lesson.pixels.to(args.device), lesson.ids.to(args.device)
        images = roughen(to_inputs(pixels), random_for("roughen", args.seed, step))
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            image = model.encode_image(images, normalize=True)  # (B, d)
            texts = model.encode_text(ids.flatten(0, 1), normalize=True)  # (B * K, d)
        near = texts.float().unflatten(0, ids.shape[:2])  # (B, K, d)
        loss = contrastive_loss(image.float(), near, model.logit_scale.exp().clamp(max=100))
        descend(loss, rules, weights)
        average.update(model, step)
        progress(step, loss, len(image))
        saver(step)
    return average.module.cpu()


@torch.inference_mode()
def retrieval(model: CLIP, args: argparse.Namespace, among: int = 100, groups: int = 5) -> float:
    """Share of held-out renders whose own caption scores best among `among` captions of held-out scenes."""
    tokenizer = build_tokenizer(args.out / "scenes_bpe.txt.gz")
    right = 0
    for group in range(groups):
        world = World(args.sprites, "scorer-test", "held-out", args.seed + group, among, tuple(SIZES.values()))
        examples = [world[index] for index in range(among)]
        image = features(model, examples)
        text = model.encode_text(tokenizer([example.scene.caption for example in examples]), normalize=True)
        right += int(((image @ text.T).argmax(dim=1) == torch.arange(among)).sum())
    return right / (among * groups)


@torch.inference_mode()
def naming(model: CLIP, args: argparse.Namespace, among: int = 100, renders: int = 200) -> float:
    """Share of held-out renders of a single object whose caption scores best among itself with other names."""
    tokenizer = build_tokenizer(args.out / "scenes_bpe.txt.gz")
    world = World(args.sprites, "scorer-names", "held-out", args.seed, 40 * renders, tuple(SIZES.values()))
    single = (example for example in (world[index] for index in range(len(world))) if example.scene.layout == "single")
    right = 0
    for example in islice(single, renders):
        (subject,) = example.scene.subjects
        others = random_for(f"other names {subject.name}", args.seed, 0).sample(
            sorted(NAMES.keys() - {subject.name}), among - 1
        )
        scenes = [replace(example.scene, subjects=(replace(subject, name=name),)) for name in (subject.name, *others)]
        text = model.encode_text(tokenizer([scene.caption for scene in scenes]), normalize=True)  # (among, d)
        right += int((features(model, [example]) @ text.T).argmax() == 0)
    return right / renders


def features(model: CLIP, examples: Sequence[Example]) -> Tensor:
    """Unit-length features (n, d) of examples of any sizes."""
    inputs = torch.cat([to_inputs(torch.from_numpy(example.pixels)[None]) for example in examples])
    image: Tensor = model.encode_image(inputs, normalize=True)
    return image


def main() -> None:
    """Learn the vocabulary, train, measure on held-out renders, write vocabulary, weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    recipe_options(parser, steps=6000, batch=256, lr=1e-3)
    parser.add_argument("--ema", type=float, default=0.998, help="decay of the averaged weights")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    learn_vocabulary(args.out / "scenes_bpe.txt.gz", args.seed)
    model = train(args).eval()
    measured = {
        "caption_among_100_held_out_renders": retrieval(model, args),
        "renders": 500,
        "name_among_100_single_objects_held_out_renders": naming(model, args),
        "single_objects": 200,
    }
    print(measured)
    facts = {"measured": measured, **recipe_facts(args, "evalsuite.encoders.training.train_scorer")}
    save_tensors(args.out / "scorer.safetensors", model.state_dict(), facts)


if __name__ == "__main__":
    main()
