"""What a comparison could have seen: power of a two-sided test at level 0.05, and what follows from it."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

from evalsuite.stats import LEVEL, student_t_quantile

POWER = 0.8
"""The chance with which a difference is called visible."""
_phi = NormalDist().cdf


def power(true: float, error: float, clusters: int) -> float:
    """Chance that a two-sided t test at level 0.05 sees a true difference, for one metric alone (before Holm).

    By the normal approximation to the noncentral t (Abramowitz and Stegun 26.7.10), within 0.01 from 10 clusters on.

    Args:
        true: the difference, in the metric's unit.
        error: standard error of the estimated one, positive.
        clusters: prompt families, at least 2.
    """
    dof = clusters - 1
    edge = student_t_quantile((1 + LEVEL) / 2, dof)
    scale, middle = math.sqrt(1 + edge * edge / (2 * dof)), edge * (1 - 1 / (4 * dof))
    away = abs(true) / error
    return _phi((away - middle) / scale) + _phi((-away - middle) / scale)


def smallest_visible(error: float, clusters: int) -> float:
    """The true difference that is seen with a chance of POWER, in the unit of its standard error."""
    return error * _errors_away(clusters)


def to_settle(difference: float, error: float, clusters: int, prompts: int) -> int | None:
    """Prompts with which a difference as large as the observed one is seen with a chance of POWER.

    The error falls with the root of the number of prompts: prompts x (smallest visible / difference)^2, rounded up.

    Returns:
        At least 2; None where the observed difference is 0.
    """
    if difference == 0:
        return None
    return max(2, math.ceil(prompts * (smallest_visible(error, clusters) / abs(difference)) ** 2))


@lru_cache(maxsize=256)
def _errors_away(clusters: int) -> float:
    """By bisection: standard errors between 0 and a difference that is seen with a chance of POWER."""
    low, high = 0.0, 1.0
    while power(high, 1, clusters) < POWER:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, 1, clusters) < POWER else (low, middle)
    return high
