"""Batches of a pool's latents and captions."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from backbones.text import Tokenizer
from backbones.training.data import TRAINING_SIZES
from backbones.training.pool import Bucket


class Supply:
    """Batches of (latents, ids) from the buckets in turn, drawn without a pattern but from a seed.

    Args:
        folder: a split of the pool.
        tokenizer: of the captions.
        batch: B.
        seed: of the draws.
        device: where all latents lie.
        drop: share of captions that become the null prompt.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer, batch: int, seed: int, device: str, drop: float) -> None:
        buckets = [Bucket.load(folder, size) for size in TRAINING_SIZES]
        self.latents = [bucket.latents.to(device) for bucket in buckets]  # 180,000 scenes take 1.5 GB
        self.ids = [tokenizer(bucket.captions).to(device) for bucket in buckets]
        self.batch, self.seed, self.device, self.drop = batch, seed, device, drop

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Latents (B, C, h, w) fp32 and ids (B, L) of one bucket; the same for the same step."""
        source = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        place = step % len(self.latents)
        latents, ids = self.latents[place], self.ids[place]
        chosen = torch.randint(len(latents), (self.batch,), generator=source).to(self.device)
        dropped = torch.rand(self.batch, 1, generator=source).to(self.device) < self.drop
        return latents[chosen].float(), ids[chosen].masked_fill(dropped, 0)
