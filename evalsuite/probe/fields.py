"""The velocity fields that are probed: conditional, unconditional, guided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from backbones.protocol import Condition, TextToImage


class Prompts:
    """Conditions of captions, each encoded alone, so that it does not depend on the others.

    Args:
        model: on its device.
        device: of the model.
    """

    def __init__(self, model: TextToImage, device: str) -> None:
        self._model, self._device = model, device
        self._kept: dict[str, Condition] = {}

    def of(self, captions: Sequence[str], times: int = 1) -> Condition:
        """Of captions, each so many times in a row: every tensor has len(captions) x times rows."""
        each = [self._one(caption) for caption in captions]
        rows = {key: torch.cat([condition[key] for condition in each]) for key in each[0]}
        return {key: value.repeat_interleave(times, 0) for key, value in rows.items()}

    def _one(self, caption: str) -> Condition:
        if caption not in self._kept:
            encoded: Mapping[str, Tensor] = self._model.encode([caption])
            self._kept[caption] = {key: value.to(self._device) for key, value in encoded.items()}
        return self._kept[caption]
