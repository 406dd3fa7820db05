"""Student's t with any number of degrees of freedom, as Welch's and Satterthwaite's tests need it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from evalsuite.power import POWER
from evalsuite.stats import LEVEL

TINY = 1e-300  # in place of a 0 in a denominator (Lentz's rule)
CONVERGED = 1e-15
STEPS = 10_000
CELLS = 400
"""Steps of the integral over the estimated standard error: the chance is right to 4e-4 from 1 degree of freedom on."""
REACH = 12
"""Standard deviations of the estimated standard error that the integral covers."""


def two_sided_p(t: float, dof: float) -> float:
    """P(|T| >= |t|) = I_x(dof / 2, 1 / 2) at x = dof / (dof + t^2) (Abramowitz and Stegun 26.5.27), to 1e-12.

    Raises:
        ValueError: dof is not positive.
    """
    if not dof > 0:
        raise ValueError(f"Student's t needs positive degrees of freedom, got {dof}")
    return _incomplete_beta(dof / 2, 0.5, dof / (dof + t * t), t * t / (dof + t * t))


@lru_cache(maxsize=1024)
def half_width(dof: float, level: float = LEVEL) -> float:
    """The t that |T| stays below with probability ``level`` in (0, 1), by bisection."""
    low, high = 0.0, 1.0
    while two_sided_p(high, dof) > 1 - level:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if two_sided_p(middle, dof) > 1 - level else (low, middle)
    return high


def power(away: float, dof: float) -> float:
    """Chance that a two-sided t test at level 0.05 sees a true difference of ``away`` standard errors.

    The noncentral t, as an integral over the estimated standard error s (in units of the true one):
    E[Phi(away - q s) + Phi(-away - q s)], dof s^2 ~ chi^2 with dof degrees of freedom.
    """
    q = half_width(dof)
    spread = REACH / math.sqrt(2 * dof)
    start, end = max(0.0, 1 - spread), 1 + spread
    s = start + (np.arange(CELLS) + 0.5) * (end - start) / CELLS  # (CELLS,)
    log_density = (dof - 1) * np.log(s) - dof * s * s / 2
    weights = np.exp(log_density - log_density.max())
    seen = [_phi(away - q * float(x)) + _phi(-away - q * float(x)) for x in s]
    return float(np.average(seen, weights=weights))


@lru_cache(maxsize=1024)
def errors_away(dof: float) -> float:
    """Standard errors between 0 and the smallest difference that is seen with a chance of `power.POWER`."""
    low, high = 0.0, 1.0
    while power(high, dof) < POWER:
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, dof) < POWER else (low, middle)
    return high


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b) by the continued fraction of DLMF 8.17.22; ``rest`` is 1 - x without its rounding."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly its mirror does not
        return 1 - _incomplete_beta(b, a, rest, x)
    front = math.exp(a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    top, bottom, found = 1.0, 0.0, 1.0
    for step in range(STEPS):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        bottom = 1 / _not_zero(1 + term * bottom)
        top = _not_zero(1 + term / top)
        found *= top * bottom
        if abs(top * bottom - 1) < CONVERGED:
            break
    return front * (found - 1)


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
