"""Noise schedules as pure functions: every prediction type, turned into the velocity of the rectified flow.

A schedule mixes data and noise as x_t = a x0 + b e.
    rectified flow (arXiv:2209.03003): a = 1 - t, b = t, velocity u = e - x0 = dx/dt
    variance-preserving (arXiv:2202.00512): a = alpha, b = sigma, alpha^2 + sigma^2 = 1,
        v = alpha e - sigma x0
The coefficients broadcast against x: pass scalars, or tensors shaped (B, 1, 1, 1).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Prediction = Literal["eps", "x0", "v", "flow"]


class Endpoints(NamedTuple):
    """The two ends of the path that a prediction implies."""

    x0: Tensor
    noise: Tensor


class FlowPoint(NamedTuple):
    """A point of the rectified flow: x_t and its time."""

    x: Tensor
    t: Tensor


def endpoints(prediction: Prediction, output: Tensor, x: Tensor, a: Tensor, b: Tensor) -> Endpoints:
    """Solve x = a x0 + b e and the meaning of `output` for data and noise.

    Args:
        prediction: what the network predicts: "eps" is e, "x0" is x0, "v" is alpha e - sigma x0 (needs
            a^2 + b^2 = 1), "flow" is e - x0 (needs a + b = 1).
        output: the network's output, shaped like x.
        x: the noisy sample.
        a: data coefficient in [0, 1].
        b: noise coefficient in [0, 1].

    Raises:
        ValueError: the solution divides by zero: "eps" at a = 0 (the last step of a schedule with zero
            terminal signal-to-noise ratio), "x0" at b = 0.
    """
    if prediction == "eps":
        if bool((a == 0).any()):
            raise ValueError("an eps prediction says nothing about the data where a = 0; skip that step")
        return Endpoints((x - b * output) / a, output)
    if prediction == "x0":
        if bool((b == 0).any()):
            raise ValueError("an x0 prediction says nothing about the noise where b = 0; skip that step")
        return Endpoints(output, (x - a * output) / b)
    if prediction == "v":
        return Endpoints(a * x - b * output, b * x + a * output)
    if prediction == "flow":
        return Endpoints(x - b * output, x + a * output)
    raise ValueError(f"prediction {prediction!r} is not one of eps, x0, v, flow")


def flow_velocity(prediction: Prediction, output: Tensor, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return e - x0 as `prediction` implies it; the arguments are those of `endpoints`.

    The conversion multiplies errors by (a + b) / a for "eps" and by (a + b) / b for "x0".
    """
    if prediction == "flow":
        return output
    x0, noise = endpoints(prediction, output, x, a, b)
    return noise - x0


def vp_to_flow(x: Tensor, alpha: Tensor, sigma: Tensor) -> FlowPoint:
    """Map a variance-preserving sample to the rectified flow at equal signal-to-noise ratio."""
    total = alpha + sigma
    return FlowPoint(x / total, sigma / total)


def flow_to_vp(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Undo `vp_to_flow`: return the variance-preserving sample, alpha and sigma."""
    norm = torch.hypot(1 - t, t)
    return x / norm, (1 - t) / norm, t / norm
