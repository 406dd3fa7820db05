"""Samplers of networks with a parametrisation of their own: the deterministic ones that checkpoints are known by.

Each is a generator over noise levels (`backbones.spacing`) that asks the network at every level and yields a `Step`:
x is in the solver's own scaling (unit total variance for ddim and dpm++2m, x0 + ratio e for euler and heun, the
flow's for a flow) and ends as plain latents; times are those of the rectified flow.

They equal diffusers' schedulers of these names, operation by operation where rounding could show.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from backbones.sampler import Field, Step, mean_field
from backbones.schedule import Endpoints, Prediction, endpoints
from backbones.spacing import Level


class Seen(NamedTuple):
    """What a network says at a level."""

    output: Tensor  # (B, C, h, w), raw, with guidance
    field: Field | None  # as rectified-flow velocities, where it says anything of them


See = Callable[[Tensor, Level], Seen]
"""Ask the network at x = a x0 + b e (B, C, h, w) of a level."""


def ddim(
    see: See,
    x: Tensor,
    legs: Sequence[tuple[Level, Level]],
    prediction: Prediction,
    clip: float | None = None,
    noise_from_clipped: bool = False,
) -> Iterator[Step]:
    """DDIM with eta 0 (arXiv:2010.02502, equation 12).

    Args:
        see: the network.
        x: unit Gaussian noise (B, C, h, w).
        legs: levels before and after each step.
        prediction: what `see` gives.
        clip: x0 is clamped to [-clip, clip]; None means not.
        noise_from_clipped: derive the noise again from the clamped x0.
    """
    for index, (now, after) in enumerate(legs):
        seen = see(x, now)
        ends = endpoints(prediction, seen.output, x, now.a, now.b)
        if clip is not None:
            x0 = ends.x0.clamp(-clip, clip)
            ends = Endpoints(x0, (x - now.a * x0) / now.b if noise_from_clipped else ends.noise)
        x = after.a * ends.x0 + after.b * ends.noise
        yield Step(index, now.t, now.t - after.t, now.t, x, seen.field)


def dpm_plus_2m(see: See, x: Tensor, levels: Sequence[Level], prediction: Prediction) -> Iterator[Step]:
    """DPM-Solver++(2M), midpoint form (arXiv:2211.01095, algorithm 2); the first and the last step are of order 1.

    Args:
        see: the network.
        x: unit Gaussian noise (B, C, h, w).
        levels: K + 1, the last without noise.
        prediction: what `see` gives.
    """
    lambdas = [level.a.log() - level.b.log() for level in levels]  # half log signal to noise; inf at the end
    previous: Tensor | None = None
    for index, (now, after) in enumerate(pairwise(levels)):
        seen = see(x, now)
        x0 = endpoints(prediction, seen.output, x, now.a, now.b).x0
        h = lambdas[index + 1] - lambdas[index]
        decay = after.a * (torch.exp(-h) - 1.0)
        moved = (after.b / now.b) * x - decay * x0
        if previous is not None and index < len(levels) - 2:
            r = (lambdas[index] - lambdas[index - 1]) / h
            moved = moved - 0.5 * decay * ((1.0 / r) * (x0 - previous))
        x, previous = moved, x0
        yield Step(index, now.t, now.t - after.t, now.t, x, seen.field)


def euler(see: See, x: Tensor, levels: Sequence[Level], prediction: Prediction) -> Iterator[Step]:
    """Euler's method on dx/dratio = e (arXiv:2206.00364, algorithm 1 without its correction).

    Args:
        see: the network.
        x: x0 + ratio e (B, C, h, w) of the first level.
        levels: K + 1, the last without noise.
        prediction: what `see` gives.
    """
    for index, (now, after) in enumerate(pairwise(levels)):
        seen = see(_unit(x, now), now)
        slope = _slope(prediction, seen.output, x, now)
        x = x + slope * (after.ratio - now.ratio)
        yield Step(index, now.t, now.t - after.t, now.t, x, seen.field)


def heun(
    see: See, x: Tensor, levels: Sequence[Level], prediction: Prediction, clip: float | None = None
) -> Iterator[Step]:
    """Heun's method on dx/dratio = e (arXiv:2206.00364, algorithm 1); the last step is Euler's.

    Args:
        see: the network.
        x: x0 + ratio e (B, C, h, w) of the first level.
        levels: K + 1, the last without noise.
        prediction: what `see` gives.
        clip: x0 is clamped to [-clip, clip]; None means not.
    """
    for index, (now, after) in enumerate(pairwise(levels)):
        seen = see(_unit(x, now), now)
        slope = _slope(prediction, seen.output, x, now, clip)
        step, at, field = after.ratio - now.ratio, now.t, seen.field
        if after.ratio > 0:
            guess = x + slope * step
            again = see(_unit(guess, after), after)
            slope = (slope + _slope(prediction, again.output, guess, after, clip)) / 2
            at = (now.t + after.t) / 2
            field = None if field is None or again.field is None else mean_field(field, again.field)
        x = x + slope * step
        yield Step(index, now.t, now.t - after.t, at, x, field)


def flow_euler(see: See, x: Tensor, levels: Sequence[Level], prediction: Prediction) -> Iterator[Step]:
    """Euler's method on dx/dt = e - x0 (arXiv:2209.03003).

    Args:
        see: the network.
        x: unit Gaussian noise (B, C, h, w).
        levels: K + 1 of a flow, the last without noise.
        prediction: what `see` gives.
    """
    for index, (now, after) in enumerate(pairwise(levels)):
        seen = see(x, now)
        u = seen.output
        if prediction != "flow":
            u = (x - endpoints(prediction, seen.output, x, now.a, now.b).x0) / now.b
        x = x + (after.b - now.b) * u
        yield Step(index, now.t, now.t - after.t, now.t, x, seen.field)


def _unit(x: Tensor, level: Level) -> Tensor:
    """x0 + ratio e, in unit total variance."""
    return x / ((level.ratio**2 + 1) ** 0.5)


def _slope(prediction: Prediction, output: Tensor, x: Tensor, level: Level, clip: float | None = None) -> Tensor:
    """The noise e = dx/dratio that a prediction at x = x0 + ratio e implies."""
    ratio = level.ratio
    if prediction == "eps":
        x0 = x - ratio * output
    elif prediction == "v":
        x0 = output * (-ratio / (ratio**2 + 1) ** 0.5) + x / (ratio**2 + 1)
    else:
        x0 = output
    if clip is not None:
        x0 = x0.clamp(-clip, clip)
    return (x - x0) / ratio
