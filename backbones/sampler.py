"""Solve the probability-flow ODE of a rectified flow from noise (t = 1) to data (t = 0).

Letters: B batch, C latent channels, h x w latent sides, K steps.
`sample` is a generator: the caller keeps or measures what it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from backbones.protocol import Condition, TextToImage

SAMPLERS = ("euler", "heun", "midpoint")


class Field(NamedTuple):
    """A velocity (B, C, h, w) with guidance, and without; one and the same tensor where guidance is 1.

    The one without is None where the model tells none: its predictions carry guidance (`TextToImage.guided`).
    """

    velocity: Tensor
    conditional: Tensor | None


class Step(NamedTuple):
    """One step of the solver."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which no one asks a step for
    t: float  # where the step began
    dt: float  # > 0: how far it went towards t = 0
    at: float  # the time its field stands for: Euler's t, midpoint's and Heun's t - dt/2
    x: Tensor  # (B, C, h, w) after the step
    field: Field | None  # what moved x: Euler's v(t), midpoint's v(t - dt/2), Heun's mean; None where undefined


Velocity = Callable[[Tensor, float], Field]


def timesteps(steps: int, shift: float = 1.0) -> list[float]:
    """Return K + 1 times from 1 to 0, evenly spaced and then shifted towards the noise.

    Args:
        steps: K >= 1.
        shift: a > 0 in t' = a t / (1 + (a - 1) t) (arXiv:2403.03206, section 5.3.2); 1 keeps even spacing.

    Raises:
        ValueError: steps or shift out of range.
    """
    if steps < 1 or not 0 < shift < float("inf"):
        raise ValueError(f"steps {steps} must be at least 1 and shift {shift} positive")
    even = [1 - k / steps for k in range(steps + 1)]
    return [shift * t / (1 + (shift - 1) * t) for t in even]


def guided_field(model: TextToImage, condition: Condition, null: Condition, guidance: float) -> Velocity:
    """Return the classifier-free guided field: null + guidance (conditional - null) (arXiv:2207.12598).

    Both predictions come from one pass over the batch [conditional; null]; guidance 1 leaves `null` unused, and so does
    a model whose predictions carry guidance, which is asked once.

    Args:
        model: gives the velocity.
        condition: of B prompts.
        null: of the null prompt, with a batch of B or of 1.
        guidance: 1 = no guidance.

    Raises:
        ValueError: the model's predictions carry guidance of another scale.
    """
    carried = getattr(model, "guided", None)
    if carried not in (None, guidance):
        raise ValueError(f"predictions of {model.name!r} carry guidance {carried:g}: {guidance:g} cannot be had of it")

    def conditional(x: Tensor, t: float) -> Field:
        velocity = model.velocity(x, x.new_full((len(x),), t), condition)  # (B, C, h, w)
        return Field(velocity, velocity if carried is None else None)

    if guidance == 1 or carried is not None:
        return conditional
    both = {key: torch.cat([rows, null[key].expand_as(rows)]) for key, rows in condition.items()}  # (2B, ...)

    def guided(x: Tensor, t: float) -> Field:
        times = x.new_full((2 * len(x),), t)  # (2B,)
        aware, blind = model.velocity(torch.cat([x, x]), times, both).chunk(2)  # 2 x (B, C, h, w)
        return Field(blind + guidance * (aware - blind), aware)

    return guided


def sample(field: Velocity, noise: Tensor, times: Sequence[float], method: str = "euler") -> Iterator[Step]:
    """Walk from noise (B, C, h, w) along decreasing `times`, yielding every step.

    Args:
        field: velocity at (x, t).
        noise: x at times[0].
        times: K + 1 strictly decreasing values.
        method: "euler" (order 1, one evaluation a step), "heun" or "midpoint" (order 2, two evaluations).

    Raises:
        ValueError: unknown method, or times that do not decrease.
    """
    if method not in SAMPLERS:
        raise ValueError(f"sampler {method!r} is not one of {', '.join(SAMPLERS)}")
    if len(times) < 2 or any(after >= before for before, after in pairwise(times)):
        raise ValueError("times must hold at least two values and decrease strictly")
    return _walk(field, noise, times, method)


def _walk(field: Velocity, x: Tensor, times: Sequence[float], method: str) -> Iterator[Step]:
    for index, (t, after) in enumerate(pairwise(times)):
        dt = t - after
        at = t if method == "euler" else t - dt / 2
        move = field(x, t)
        if method == "midpoint":
            move = field(x - dt / 2 * move.velocity, at)
        elif method == "heun":
            move = mean_field(move, field(x - dt * move.velocity, after))
        x = x - dt * move.velocity
        yield Step(index, t, dt, at, x, move)


def mean_field(first: Field, second: Field) -> Field:
    """Return the mean of two fields; one tensor where both have no guidance, None where one tells none without it."""
    velocity = (first.velocity + second.velocity) / 2
    if first.velocity is first.conditional:
        return Field(velocity, velocity)
    if first.conditional is None or second.conditional is None:
        return Field(velocity, None)
    return Field(velocity, (first.conditional + second.conditional) / 2)
