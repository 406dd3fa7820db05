"""What a comparison could have seen: power of a two-sided test at level 0.05, and what follows from it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from evalsuite.stats import LEVEL
from evalsuite.student_t import quantile

POWER = 0.8
"""The chance with which a difference is called visible."""
CELLS = 400
"""Steps of the integral over the estimated standard error: the chance is right to 4e-4 from 1 degree of freedom on."""
REACH = 12
"""Standard deviations of the estimated standard error that the integral covers."""


def power(away: float, dof: float) -> float:
    """Chance that a two-sided t test at level 0.05 sees a true difference, for one metric alone (before Holm).

    The noncentral t, as an integral over the estimated standard error s (in units of the true one):
    E[Phi(away - q s) + Phi(-away - q s)], dof s^2 ~ chi^2 with dof degrees of freedom.

    Args:
        away: the difference in standard errors.
        dof: degrees of freedom, positive.
    """
    q = quantile((1 + LEVEL) / 2, dof)
    spread = REACH / math.sqrt(2 * dof)
    start, end = max(0.0, 1 - spread), 1 + spread
    s = start + (np.arange(CELLS) + 0.5) * (end - start) / CELLS  # (CELLS,)
    log_density = (dof - 1) * np.log(s) - dof * s * s / 2
    weights = np.exp(log_density - log_density.max())
    seen = [_phi(away - q * float(x)) + _phi(-away - q * float(x)) for x in s]
    return float(np.average(seen, weights=weights))


@lru_cache(maxsize=1024)
def errors_away(dof: float) -> float:
    """Standard errors between 0 and the smallest difference that is seen with a chance of POWER, by bisection."""
    low, high = 0.0, 1.0
    while power(high, dof) < POWER:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, dof) < POWER else (low, middle)
    return high


def smallest_visible(error: float, clusters: int) -> float:
    """The true difference that is seen with a chance of POWER, in the unit of its standard error."""
    return error * errors_away(clusters - 1)


def to_settle(difference: float, error: float, clusters: int, prompts: int) -> int | None:
    """Prompts with which a difference as large as the observed one is seen with a chance of POWER.

    The error falls with the root of the number of prompts: prompts x (smallest visible / difference)^2, rounded up.

    Returns:
        At least 2; None where the observed difference is 0.
    """
    if difference == 0:
        return None
    return max(2, math.ceil(prompts * (smallest_visible(error, clusters) / abs(difference)) ** 2))


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
