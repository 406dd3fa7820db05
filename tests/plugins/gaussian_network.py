"""The network that knows x0 ~ N(m, s^2): its best prediction in every parametrisation, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

MEAN, DEVIATION = 0.7, 0.5


def optimal(kind: str, x: Tensor, a: float | Tensor, b: float | Tensor) -> Tensor:
    """The best prediction c m + K / D (x - a m) of the target c x0 + d e, at x = a x0 + b e."""
    c, d = {"eps": (0, 1), "x0": (1, 0), "v": (-b, a), "flow": (-1, 1)}[kind]
    gain = (c * a * DEVIATION**2 + d * b) / (a**2 * DEVIATION**2 + b**2)
    return c * MEAN + gain * (x - a * MEAN)


def network(kind: str, alphas_cumprod: Tensor) -> Callable[[Tensor, float], Tensor]:
    """`optimal` at native timesteps; between two of them abar is taken to be linear."""
    table = alphas_cumprod.double().tolist()

    def predict(x: Tensor, timestep: float) -> Tensor:
        low = math.floor(timestep)
        part = timestep - low
        abar = table[low] * (1 - part) + table[min(low + 1, len(table) - 1)] * part
        return optimal(kind, x, math.sqrt(abar), math.sqrt(1 - abar))

    return predict
