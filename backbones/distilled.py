"""What a distilled generator's predictions stand for, as its card says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backbones.checkpoint import CheckpointError


@dataclass(frozen=True, kw_only=True, slots=True)
class Distilled:
    """A generator of few steps and of one scale of guidance (arXiv:2210.03142).

    Attributes:
        guidance: scale of the classifier-free guidance that every prediction carries.
        steps: Euler steps from noise to data; a prediction is the mean velocity over one of them.
        shift: time shift of these steps, see `backbones.sampler.timesteps`.
    """

    guidance: float
    steps: int
    shift: float

    def __str__(self) -> str:
        return f"guidance {self.guidance:g} in every prediction, {self.steps} Euler steps of shift {self.shift:g}"


def of_card(card: Mapping[str, Any]) -> Distilled | None:
    """Read "distilled" of a card; None where a model is not.

    Raises:
        CheckpointError: it lacks a number, or one is out of range.
    """
    said = card.get("distilled")
    if said is None:
        return None
    try:
        guidance, steps, shift = (said[key] for key in ("guidance", "steps", "shift"))
        sound = math.isfinite(guidance) and 0 < shift < math.inf and isinstance(steps, int) and 1 <= steps <= 1000
    except (KeyError, TypeError):
        sound = False
    if not sound:
        raise CheckpointError(f"card of {card.get('name')}: distilled is {said!r}: wants guidance, steps and shift")
    return Distilled(guidance=float(guidance), steps=steps, shift=float(shift))
