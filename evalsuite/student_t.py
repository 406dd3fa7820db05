"""Student's t with any number of degrees of freedom, as Welch's and Satterthwaite's tests need it too. Light."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

TINY = 1e-300  # in place of a 0 in a denominator (Lentz's rule)
CONVERGED = 1e-15
STEPS = 10_000
EXPANSION_FROM = 200
"""Degrees of freedom from which the asymptotic quantile is exact to better than 1e-9."""


def two_sided_p(t: float, dof: float) -> float:
    """P(|T| >= |t|) = I_x(dof / 2, 1 / 2) at x = dof / (dof + t^2) (Abramowitz and Stegun 26.5.27), to 1e-12.

    Raises:
        ValueError: dof is not positive.
    """
    if not dof > 0:
        raise ValueError(f"Student's t needs positive degrees of freedom, got {dof}")
    return _incomplete_beta(dof / 2, 0.5, dof / (dof + t * t), t * t / (dof + t * t))


@lru_cache(maxsize=1024)
def quantile(probability: float, dof: float) -> float:
    """The t below which T falls with this probability, to 1e-9.

    By bisection, and for many degrees of freedom by Abramowitz and Stegun 26.7.5.

    Args:
        probability: in (0, 1).
        dof: positive.

    Raises:
        ValueError: an argument out of range.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie in (0, 1), got {probability}")
    if probability < 0.5:
        return -quantile(1 - probability, dof)
    if dof >= EXPANSION_FROM:
        return _expanded(NormalDist().inv_cdf(probability), dof)
    beyond = 2 * (1 - probability)
    low, high = 0.0, 1.0
    while two_sided_p(high, dof) > beyond:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if two_sided_p(middle, dof) > beyond else (low, middle)
    return high


def _expanded(x: float, dof: float) -> float:
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / dof**power for power, term in enumerate(terms, 1))


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
