"""Intervals for means and ratios over images in groups: images of one prompt are not independent."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

LEVEL = 0.95
ROUNDING = 1e-12
"""Half-width, over the value, under which an interval is rounding of equal numbers."""
EXPANSION_FROM = 200
"""Degrees of freedom from which the asymptotic t quantile is exact to better than 1e-9."""


class Interval(NamedTuple):
    """A point estimate with its uncertainty.

    ``error`` is the standard error, ``low`` and ``high`` the ends; None with fewer than two clusters.
    """

    value: float
    error: float | None
    low: float | None
    high: float | None
    clusters: int

    @property
    def method(self) -> str:
        """How it was made, in words."""
        if self.low is None:
            return "none: one prompt family"
        return f"{LEVEL:.0%} t, clustered by prompt (G={self.clusters})"


def student_t_cdf(t: float, dof: int) -> float:
    """P(T <= t) of Student's t with a whole number of degrees of freedom, by its finite series.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.

    Raises:
        ValueError: dof < 1.
    """
    if dof < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, got {dof}")
    angle = math.atan2(abs(t), math.sqrt(dof))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = dof % 2
    term = total = (cosine if dof > 1 else 0.0) if odd else 1.0
    for k in range(2 + odd, dof - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + math.copysign(0.5 * inside, t)


@lru_cache(maxsize=256)
def student_t_quantile(probability: float, dof: int) -> float:
    """The t below which Student's t falls with this probability, to 1e-9.

    By bisection, and for many degrees of freedom by Abramowitz and Stegun 26.7.5.

    Args:
        probability: in (0, 1).
        dof: whole, at least 1.

    Raises:
        ValueError: an argument out of range.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie in (0, 1), got {probability}")
    if probability < 0.5:
        return -student_t_quantile(1 - probability, dof)
    if dof >= EXPANSION_FROM:
        return _expanded_t(NormalDist().inv_cdf(probability), dof)
    low, high = 0.0, 1.0
    while student_t_cdf(high, dof) < probability:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if student_t_cdf(middle, dof) < probability else (low, middle)
    return high


def _expanded_t(x: float, dof: int) -> float:
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / dof**power for power, term in enumerate(terms, 1))


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """Mean of values, and a t interval that is robust to dependence inside clusters (G - 1 dof).

    With clusters of one this is the textbook interval of a mean.

    Args:
        values: (n,) with n >= 1.
        clusters: (n,) what each value belongs to.
    """
    return clustered_ratio(values, [1.0] * len(values), clusters)


def clustered_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    clusters: Sequence[Hashable],
) -> Interval:
    """Sum of numerators over sum of denominators, with a clustered delta-method interval.

    The residuals numerator - ratio * denominator are summed by cluster; the interval is Student's with
    G - 1 degrees of freedom (Cochran, Sampling Techniques, chapter 6).

    Args:
        numerators: (n,) with n >= 1.
        denominators: (n,) their sum is not 0.
        clusters: (n,) what each pair belongs to.

    Raises:
        ValueError: lengths differ, nothing given, or the denominators sum to 0.
    """
    if not len(numerators) == len(denominators) == len(clusters) or not numerators:
        raise ValueError(f"lengths {len(numerators)}, {len(denominators)}, {len(clusters)}: equal and at least 1")
    total = math.fsum(denominators)
    if total == 0:
        raise ValueError("the denominators sum to 0: the ratio is undefined")
    ratio = math.fsum(numerators) / total
    residuals: dict[Hashable, list[float]] = {}
    for a, b, cluster in zip(numerators, denominators, clusters, strict=True):
        residuals.setdefault(cluster, []).append(a - ratio * b)
    error = cluster_error([math.fsum(group) for group in residuals.values()], total)
    return interval(ratio, error, len(residuals))


def cluster_error(sums: Sequence[float], total: float) -> float | None:
    """Standard error of an estimate whose influences by cluster are ``sums`` / ``total`` and add to 0."""
    count = len(sums)
    if count < 2:
        return None
    return math.sqrt(count / (count - 1) * math.fsum(s * s for s in sums)) / abs(total)


def interval(value: float, error: float | None, clusters: int) -> Interval:
    """Value +- t * error with G - 1 degrees of freedom; without ends where there is no error."""
    if error is None:
        return Interval(value, None, None, None, clusters)
    half = student_t_quantile((1 + LEVEL) / 2, clusters - 1) * error
    half = half if half > ROUNDING * abs(value) else 0.0
    return Interval(value, error, value - half, value + half, clusters)
