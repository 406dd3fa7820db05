"""Measure the object counter on pictures whose number of objects is known: renders of scenes it was not tuned on.

    python -m evalsuite.aspects.training.measure_counter --sprites artwork/sprites.npy

Writes ``evalsuite/aspects/counter.json``: at each aspect ratio, the share counted wrong, the share with too many, the
mean signed error, and the confusion matrix, over three kinds of pictures: renders of the held-out split as they are;
some of them through the bundled autoencoder, as generators' pictures come; and doubled ones, two renders of a single
object beside each other (above each other in portrait), which is how a generator fails outside its training ratios.
With ``--split train`` it prints the same for renders of the training split, on which the counter was tuned.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backbones.bundled import load_vae
from backbones.training.artwork import PACKS
from backbones.training.data import SIZES, World, random_for
from backbones.training.render import Renderer
from backbones.training.scene import sample_scene
from backbones.training.train_vae import to_images
from backbones.vae import VAE
from evalsuite.aspects.counter import ACCURACY, count_objects, fingerprint
from evalsuite.aspects.counting import mean_error
from evalsuite.aspects.shares import share

Picture = tuple[np.ndarray[Any, np.dtype[np.uint8]], int]
"""Pixels (H, W, 3), and how many objects they show."""
PURPOSE = "counter"
BATCH = 10
KINDS = ("renders", "decoded", "doubled")


def rendered(args: argparse.Namespace, aspect: str) -> list[Picture]:
    """Renders of one ratio, in its layouts."""
    seed = list(SIZES).index(aspect)
    world = World(args.sprites, PURPOSE, args.split, seed, args.renders, (SIZES[aspect],))
    examples = (world[index] for index in range(args.renders))
    return [(example.pixels, len(example.scene.subjects) * example.scene.count) for example in examples]


@torch.inference_mode()
def through(vae: VAE, pictures: Sequence[Picture]) -> Iterator[Picture]:
    """The same pictures as the autoencoder gives them back, in whole levels."""
    for start in range(0, len(pictures), BATCH):
        some = pictures[start : start + BATCH]
        mean, _ = vae.encode(to_images(torch.from_numpy(np.stack([pixels for pixels, _ in some]))))
        levels = ((vae.decode(mean).clamp(-1, 1) + 1) * 127.5).round().byte()  # (B, 3, H, W)
        yield from zip(levels.permute(0, 2, 3, 1).numpy(), (number for _, number in some), strict=True)


def doubled(args: argparse.Namespace, aspect: str) -> Iterator[Picture]:
    """Two renders of one object, on the same background, in the halves of a picture."""
    renderer, (width, height) = Renderer(args.sprites), SIZES[aspect]
    wide = width >= height
    size = (width // 2, height) if wide else (width, height // 2)
    for index in range(args.doubled):
        random = random_for(f"{PURPOSE} doubled {args.split}", 0, index)
        while (scene := sample_scene(random, args.split)).layout != "single":
            pass
        scene = replace(scene, gradient=scene.gradient and wide)
        halves = [np.asarray(renderer.draw(scene, *size, random)) for _ in range(2)]
        yield np.concatenate(halves, axis=1 if wide else 0), 2


def measured(pictures: Iterator[Picture] | Sequence[Picture]) -> dict[str, Any]:
    """What the counter makes of pictures."""
    found = [(number, count_objects(pixels)) for pixels, number in pictures]
    errors = [count - number for number, count in found if count is not None]
    own = [str(i) for i in range(len(errors))]
    mean = mean_error([float(error) for error in errors], own)
    confusion: dict[str, Counter[str]] = {}
    for number, count in sorted(found, key=str):
        confusion.setdefault(str(number), Counter())[str(count)] += 1
    return {
        "n": len(errors),
        "uncounted": len(found) - len(errors),
        "wrong": share([error != 0 for error in errors], own)._asdict(),
        "excess": share([error > 0 for error in errors], own)._asdict(),
        "error": {"value": mean.value, "low": mean.low, "high": mean.high},
        "confusion": confusion,
    }


def main() -> None:
    """Write the measurement, or print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--split", choices=("train", "held-out"), default="held-out")
    parser.add_argument("--renders", type=int, default=400, help="of each aspect ratio")
    parser.add_argument("--decoded", type=int, default=200, help="of them, through the autoencoder")
    parser.add_argument("--doubled", type=int, default=200, help="of each aspect ratio")
    args = parser.parse_args()
    vae = load_vae()
    aspects: dict[str, dict[str, Any]] = {}
    for aspect, (width, height) in SIZES.items():
        pictures = rendered(args, aspect)
        aspects[aspect] = {
            "width": width,
            "height": height,
            "renders": measured(pictures),
            "decoded": measured(through(vae, pictures[: args.decoded])),
            "doubled": measured(doubled(args, aspect)),
        }
        print(aspect, *(f"{kind} {100 * aspects[aspect][kind]['wrong']['value']:.2f} % wrong" for kind in KINDS))
    data = {
        "counter": fingerprint(),
        "recipe": {"module": "evalsuite.aspects.training.measure_counter"}
        | {name: getattr(args, name) for name in ("split", "renders", "decoded", "doubled")},
        "artwork": list(PACKS),
        "aspects": aspects,
    }
    if args.split == "held-out":
        ACCURACY.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
