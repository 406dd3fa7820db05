"""Encode scenes once with the trained VAE, so that the generators train on latents alone.

python -m backbones.training.pool --sprites artwork/sprites.npy --vae runs/vae --out runs/pool --scenes 24000
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from backbones.bundled import load_vae
from backbones.training.data import TRAINING_SIZES, Batch, Size, World, batches
from backbones.training.scene import Split
from backbones.training.train_vae import to_images
from backbones.vae import VAE

BATCH = 64
PURPOSE: dict[Split, str] = {"train": "generator", "held-out": "generator-test"}


@dataclass(frozen=True)
class Bucket:
    """Scenes of one size: normalised latents (N, C, h, w), half precision, and their captions."""

    size: Size
    latents: Tensor
    captions: Sequence[str]

    @classmethod
    def load(cls, folder: Path, size: Size) -> Self:
        """Read what `encode_bucket` wrote; the latents stay on disk until they are used."""
        stem = folder / f"{size[0]}x{size[1]}"
        latents = torch.from_numpy(np.load(stem.with_suffix(".npy")))
        return cls(size, latents, json.loads(stem.with_suffix(".json").read_text(encoding="utf-8")))


@torch.inference_mode()
def encode(vae: VAE, batch: Batch, device: str) -> Tensor:
    """Normalised posterior means (B, C, h, w) of a batch, half precision, on the CPU."""
    images = to_images(batch.pixels.to(device))
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        mean, _ = vae.encode(images.to(memory_format=torch.channels_last))
    return vae.normalise(mean.float()).half().cpu()


def encode_bucket(vae: VAE, world: World, folder: Path, args: argparse.Namespace) -> None:
    """Encode a world of one size into `WxH.npy` and `WxH.json`."""
    latents, captions = [], []
    for batch in batches(world, args.workers):
        latents.append(encode(vae, batch, args.device).numpy())
        captions += [scene.caption for scene in batch.scenes]
    stem = folder / "{}x{}".format(*world.sizes[0])
    np.save(stem.with_suffix(".npy"), np.concatenate(latents))
    stem.with_suffix(".json").write_text(json.dumps(captions), encoding="utf-8")
    print(f"{stem}: {len(captions)} scenes", flush=True)


def main() -> None:
    """Encode a training pool, and 256 held-out scenes a size for the held-out loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--vae", type=Path, required=True, help="folder of a trained VAE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=180_000, help="over all sizes together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    vae = load_vae(args.vae).to(args.device).to(memory_format=torch.channels_last)
    counts: dict[Split, int] = {"train": args.scenes // len(TRAINING_SIZES), "held-out": 256}
    for split, count in counts.items():
        (args.out / split).mkdir(parents=True, exist_ok=True)
        for place, size in enumerate(TRAINING_SIZES):
            seed = args.seed * len(TRAINING_SIZES) + place
            world = World(args.sprites, PURPOSE[split], split, seed, count - count % BATCH, (size,), BATCH)
            encode_bucket(vae, world, args.out / split, args)


if __name__ == "__main__":
    main()
