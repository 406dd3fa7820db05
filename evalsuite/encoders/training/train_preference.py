"""Train the preference head on synthetic preferences: a real render over a degraded or a wrong one (arXiv:2306.09341).

python -m evalsuite.encoders.training.train_preference --sprites artwork/sprites.npy --scorer runs/scorer
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW

from backbones.training.data import SIZES, Size, random_for
from backbones.training.loop import Progress, descend, set_rates, trapezoid
from backbones.training.options import recipe_facts, recipe_options
from backbones.training.render import Renderer
from backbones.training.scene import Split, sample_scene
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.preference import PreferenceHead, pairwise_loss
from evalsuite.encoders.scenes import ScenesEncoder
from evalsuite.encoders.training.degrade import degrade
from evalsuite.encoders.training.files import load_scorer
from evalsuite.encoders.training.negatives import near_miss

TEMPERATURE = 0.05


class Pairs(NamedTuple):
    """Frozen scorer features (n, d) of n choices: the prompt, the preferred picture, the other one."""

    text: Tensor
    preferred: Tensor
    other: Tensor


def _to_tensor(picture: object) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)  # (3, H, W)


def choose(renderer: Renderer, random: Random, split: Split, size: Size) -> tuple[str, Tensor, Tensor]:
    """A caption, its render, and a worse picture: degraded (60 %), or the render of a near miss."""
    scene = sample_scene(random, split)
    seed = random.getrandbits(64)
    real = _to_tensor(renderer.draw(scene, *size, Random(seed)))
    if random.random() < 0.6:
        return scene.caption, real, degrade(real, random)
    wrong = near_miss(scene, random)
    return scene.caption, real, _to_tensor(renderer.draw(wrong, *size, Random(seed)))


def collect(encoder: ScenesEncoder, args: argparse.Namespace, split: Split, count: int) -> Pairs:
    """Render and encode `count` pairs; sizes in turn."""
    renderer, sizes = Renderer(args.sprites), tuple(SIZES.values())
    parts: list[Pairs] = []
    for start in range(0, count, 64):
        size = sizes[(start // 64) % len(sizes)]
        made = [
            choose(renderer, random_for(f"preference-{split}", args.seed, start + i), split, size) for i in range(64)
        ]
        texts, real, worse = zip(*made, strict=True)
        features = (
            encoder.texts(texts),
            encoder.images(torch.stack(real)),
            encoder.images(torch.stack(worse)),
        )
        parts.append(Pairs(*(torch.from_numpy(f) for f in features)))
    return Pairs(*(torch.cat(column) for column in zip(*parts, strict=True)))


def train(pairs: Pairs, args: argparse.Namespace) -> PreferenceHead:
    """Fit the head to the choices; the features stay as they are."""
    torch.manual_seed(args.seed)
    head = PreferenceHead()
    rule = AdamW(head.parameters(), lr=args.lr, weight_decay=1e-2)
    progress = Progress(args.steps, 500)
    for step in range(args.steps):
        set_rates([rule], args.lr * trapezoid(step, args.steps, 50, 0.5))
        rows = torch.randint(len(pairs.text), (args.batch,))
        text = pairs.text[rows]
        loss = pairwise_loss(head(pairs.preferred[rows], text), head(pairs.other[rows], text), TEMPERATURE)
        descend(loss, [rule])
        progress(step, loss, args.batch)
    return head.eval()


@torch.inference_mode()
def accuracy(head: PreferenceHead, pairs: Pairs) -> float:
    """Share of choices in which the preferred picture scores higher."""
    return float((head(pairs.preferred, pairs.text) > head(pairs.other, pairs.text)).float().mean())


def main() -> None:
    """Collect, train, measure on held-out scenes, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--scorer", type=Path, required=True, help="folder of a trained scorer")
    parser.add_argument("--pairs", type=int, default=12_800)
    recipe_options(parser, steps=3000, batch=256, lr=1e-3)
    args = parser.parse_args()
    encoder = load_scorer(args.scorer)
    head = train(collect(encoder, args, "train", args.pairs), args)
    test = collect(encoder, args, "held-out", 1280)
    measured = {
        "preferred_scores_higher_held_out": round(accuracy(head, test), 4),
        "the_same_before_training": round(accuracy(PreferenceHead(), test), 4),
        "pairs": len(test.text),
    }
    print(measured)
    facts = {
        "measured": measured,
        "preferences": "synthetic: a real render over a degraded one (60 %) or over the render of a near miss",
        **recipe_facts(args, "evalsuite.encoders.training.train_preference"),
    }
    save_tensors(args.out / "preference.safetensors", head.state_dict(), facts)


if __name__ == "__main__":
    main()
