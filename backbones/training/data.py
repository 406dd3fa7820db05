"""An endless, numbered supply of captioned scenes: example i of a split is the same on every machine.

Sizes follow the aspect-ratio buckets of the suite: constant area, sides divisible by 16. One ratio is held out of
the generators' training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from backbones.training.render import Renderer
from backbones.training.scene import Scene, Split, sample_scene

Size = tuple[int, int]  # width, height; pixels
SIZES: dict[str, Size] = {
    "1:1": (256, 256),
    "3:2": (320, 208),
    "2:3": (208, 320),
    "16:9": (336, 192),
    "9:16": (192, 336),
}
HELD_OUT_ASPECT = "16:9"
TRAINING_SIZES = tuple(size for aspect, size in SIZES.items() if aspect != HELD_OUT_ASPECT)


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered scene: pixels (height, width, 3) uint8."""

    scene: Scene
    pixels: np.ndarray


@dataclass(frozen=True, slots=True)
class Batch:
    """Rendered scenes of one size: pixels (B, H, W, 3) uint8."""

    scenes: tuple[Scene, ...]
    pixels: Tensor

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Self:
        """Stack examples; as one tensor they pass from a worker process through shared memory."""
        pixels = torch.from_numpy(np.stack([example.pixels for example in examples]))
        return cls(tuple(example.scene for example in examples), pixels)


def random_for(purpose: str, seed: int, index: int) -> Random:
    """The random source of one example; purposes (generator, scorer, reference ...) never share renders."""
    return Random(hashlib.sha256(f"{purpose}|{seed}|{index}".encode()).digest())


@dataclass(frozen=True)
class World(Dataset[Example]):
    """Examples 0, 1, 2 ... of one purpose, split and seed; `bucket` consecutive examples share a size."""

    sprites: Path
    purpose: str
    split: Split
    seed: int
    length: int
    sizes: Sequence[Size] = TRAINING_SIZES
    bucket: int = 1

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.sprites)  # opened on use, so that each worker process maps the file itself

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        random = random_for(self.purpose, self.seed, index)
        scene = sample_scene(random, self.split)
        width, height = self.sizes[(index // self.bucket) % len(self.sizes)]
        picture = self._renderer.draw(scene, width, height, random)
        return Example(scene, np.array(picture))  # PIL lends its memory read-only


def batches(world: World, workers: int, first: int = 0) -> Iterator[Batch]:
    """Batches number `first` and on, of `world.bucket` examples of one size, rendered ahead by worker processes."""
    rest = Subset(world, range(first * world.bucket, len(world)))
    yield from DataLoader(
        rest,
        batch_size=world.bucket,
        num_workers=workers,
        collate_fn=Batch.of,
        prefetch_factor=4 if workers else None,
    )
