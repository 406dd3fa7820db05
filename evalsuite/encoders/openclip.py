"""What all encoders over an open_clip network share: one batch shape, exact fp32, and where a text is cut."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import default_bpe
from torch import Tensor

from evalsuite.encoders.assign import Network
from evalsuite.encoders.bundle import sha256
from evalsuite.encoders.precision import DTYPE, DTYPES, batch_of, exact, texts_of
from evalsuite.encoders.upload import passes
from evalsuite.errors import InputError


class OpenCLIPEncoder(ABC):
    """An Encoder; subclasses say how images are prepared.

    Args:
        network: makes the network; called when the first image or text comes, since features may all be cached.
        tokenizer: of open_clip.
        id: as in Encoder, like the next three.
        width: dimensions of a feature.
        preprocessing: in words.
        fingerprint: over all that can change a feature but the device.
        device: where to compute.
        batch: images, and texts, in every forward pass; None means what suits the device.
        precision: of precision.DTYPES; the norm of a feature is always taken in fp32.
    """

    id: str
    on_host = False
    """Whether images are prepared on the CPU, whatever the device."""

    def __init__(
        self,
        network: Callable[[], Network],
        tokenizer: Any,
        *,
        id: str,
        width: int,
        preprocessing: str,
        fingerprint: str,
        device: str | torch.device = "cpu",
        batch: int | None = None,
        precision: str = DTYPE,
    ) -> None:
        self.device, self.precision = torch.device(device), precision
        self.batch = batch or batch_of(self.device)
        self.text_batch = batch or texts_of(self.device)
        self.tokenizer = tokenizer
        self.id, self.width, self.preprocessing, self.fingerprint = id, width, preprocessing, fingerprint
        self._network = network

    @cached_property
    def model(self) -> Network:
        """The network, on the device, in evaluation mode; made on first use."""
        return self._network().to(self.device, DTYPES[self.precision]).eval().requires_grad_(False)

    def images(self, images: Tensor) -> np.ndarray:
        """Features of uint8 images (B, 3, H, W): (B, width) float32 rows of unit length."""
        return self._run(self._encode_images, images, self.batch, torch.device("cpu") if self.on_host else self.device)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts: (n, width) float32 rows of unit length; a text that comes twice is read once."""
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        rows = self._run(self._encode_tokens, self.tokenizer(list(place)), self.text_batch, self.device)
        return rows[[place[text] for text in texts]]

    def truncated(self, text: str) -> bool:
        """Whether the text, with its start and end tokens, is longer than the context."""
        return _length(self.tokenizer, text) > int(self.tokenizer.context_length)

    @abstractmethod
    def _prepare(self, images: Tensor) -> Tensor:
        """What the network sees of uint8 images (batch, 3, H, W) on any device: float32 (batch, 3, side, side)."""

    def _precision(self) -> AbstractContextManager[None]:
        """The arithmetic of a forward pass."""
        return exact(self.device, self.precision)

    def _encode_images(self, images: Tensor) -> Tensor:
        x = self._prepare(images).to(self.device, DTYPES[self.precision])
        return F.normalize(self.model.encode_image(x).float(), dim=-1)  # (batch, width)

    def _encode_tokens(self, tokens: Tensor) -> Tensor:
        return F.normalize(self.model.encode_text(tokens).float(), dim=-1)  # (batch, width)

    def _run(self, forward: Callable[[Tensor], Tensor], rows: Tensor, size: int, device: torch.device) -> np.ndarray:
        if not len(rows):
            return np.empty((0, self.width), np.float32)
        with torch.inference_mode(), self._precision():
            # Every pass has the same shape, so that a row's result never depends on how many neighbours it has.
            features = torch.cat([forward(batch)[:n] for batch, n in passes(rows, size, device)])
        found = features.cpu().numpy()
        if not np.isfinite(found).all():
            remedy = "its weights are damaged, fetch them again"
            if DTYPES[self.precision].itemsize < 4:
                remedy = f"too large for {self.precision}, or its weights are damaged: score in {DTYPE}"
            raise InputError(f"{self.id}: features that are not finite: {remedy}")
        return found


@cache
def vocabulary_sha256() -> str:
    """Hex SHA-256 of the merges file of open_clip's own tokenizer."""
    return sha256(Path(default_bpe()).read_bytes())


def _length(tokenizer: Any, text: str) -> int:
    """Tokens of a text, special ones included, before anything is cut."""
    if hasattr(tokenizer, "encode"):
        return len(tokenizer.encode(text)) + 2
    special = 3 if tokenizer.tokenizer_mode == "clips" else 0
    words = tokenizer.tokenizer(tokenizer.clean_fn(text), add_special_tokens=not special)
    return len(words["input_ids"]) + special
