"""Make what FID compares with: moments of held-out renders by aspect ratio, and some of the renders themselves.

    python -m evalsuite.encoders.training.make_reference --sprites artwork/sprites.npy --scorer runs/scorer

The moments serve the bundled scorer; the pictures (lossless WebP) give any other extractor a reference. With the
captions, a prompt file in the pictures' own folder whose ids are their names, a generator can be shown them as well.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from backbones.training.data import SIZES, Example, World, batches
from evalsuite.encoders.scenes import ScenesEncoder
from evalsuite.encoders.training.files import load_scorer
from evalsuite.reference import build_reference

BATCH = 50
SEED = 7  # no training run uses it
CAPTIONS = "captions.jsonl"


def encode_aspect(
    world: World, encoder: ScenesEncoder, pictures: Path, aspect: str, kept: int
) -> tuple[np.ndarray, list[str]]:
    """Features (n, d) of a world of one size; its first `kept` renders go to `pictures`, and their captions back."""
    rows, captions = [], []
    for number, batch in enumerate(batches(world, 0)):
        rows.append(encoder.images(batch.pixels.permute(0, 3, 1, 2)))
        drawn = zip(batch.scenes, batch.pixels.numpy(), strict=True)
        for place, (scene, pixels) in enumerate(drawn, start=number * BATCH):
            if place < kept:
                captions.append(keep(Example(scene, pixels), pictures, f"{aspect.replace(':', 'x')}-{place:03d}"))
    return np.concatenate(rows), captions


def keep(example: Example, pictures: Path, name: str) -> str:
    """Write a render to `pictures`; return its line of the captions."""
    Image.fromarray(example.pixels).save(pictures / f"{name}.webp", lossless=True, method=6)
    return json.dumps({"id": name, "text": example.scene.caption})


def write_captions(lines: Sequence[str], pictures: Path) -> None:
    """Write the prompt file of the pictures, by id."""
    (pictures / CAPTIONS).write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")


def main() -> None:
    """Write `reference.npz`, `reference/*.webp` and their captions into --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--scorer", type=Path, required=True, help="folder of a trained scorer")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--renders", type=int, default=1000, help="of each aspect ratio")
    parser.add_argument("--pictures", type=int, default=60, help="of each aspect ratio, kept")
    args = parser.parse_args()
    pictures: Path = args.out / "reference"
    pictures.mkdir(parents=True, exist_ok=True)
    encoder = load_scorer(args.scorer)
    features, captions = {}, list[str]()
    for number, (aspect, size) in enumerate(SIZES.items()):
        world = World(args.sprites, "reference", "held-out", SEED + number, args.renders, (size,), BATCH)
        features[aspect], lines = encode_aspect(world, encoder, pictures, aspect, args.pictures)
        captions += lines
    write_captions(captions, pictures)
    build_reference(
        args.out / "reference.npz",
        features,
        extractor=encoder.id,
        fingerprint=encoder.fingerprint,
        preprocessing=encoder.preprocessing,
    )


if __name__ == "__main__":
    main()
