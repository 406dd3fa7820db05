"""What the scorer is shown: renders, their captions, and captions that are nearly right, as token ids.

Letters: B batch, K captions of a picture, L context length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from backbones.training.data import Batch, Example, World, random_for
from evalsuite.encoders.training.negatives import near_miss, renamed

WRONG = (4, 4)  # captions with any one fact changed, and with a name changed: a batch differs in all else by itself


class Lesson(NamedTuple):
    """Pictures (B, H, W, 3) uint8 of one size and ids (B, K, L): the true caption first, near misses after it."""

    pixels: Tensor
    ids: Tensor


@dataclass(frozen=True)
class Lessons(Dataset[tuple[Example, Tensor]]):
    """The examples of a world, each with the ids (K, L) of its captions; the same for the same index."""

    world: World
    tokenizer: SimpleTokenizer

    def __len__(self) -> int:
        return len(self.world)

    def __getitem__(self, index: int) -> tuple[Example, Tensor]:
        example, random = self.world[index], random_for("near miss", self.world.seed, index)
        anything, names = WRONG
        wrong = [near_miss(example.scene, random) for _ in range(anything)]
        wrong += [renamed(example.scene, random) for _ in range(names)]
        return example, self.tokenizer([scene.caption for scene in (example.scene, *wrong)])


def _collate(items: Sequence[tuple[Example, Tensor]]) -> Lesson:
    examples, ids = zip(*items, strict=True)
    return Lesson(Batch.of(examples).pixels, torch.stack(ids))


def lessons(world: World, tokenizer: SimpleTokenizer, workers: int, first: int = 0) -> Iterator[Lesson]:
    """Batches number `first` and on, of `world.bucket` examples of one size, made ahead by worker processes."""
    rest = Subset(Lessons(world, tokenizer), range(first * world.bucket, len(world)))
    yield from DataLoader(
        rest,
        batch_size=world.bucket,
        num_workers=workers,
        collate_fn=_collate,
        prefetch_factor=4 if workers else None,
    )
