"""Intervals for means and ratios over images in groups: images of one prompt are not independent."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from evalsuite.student_t import quantile

LEVEL = 0.95
ROUNDING = 1e-12
"""Half-width, over the value, under which an interval is rounding of equal numbers."""


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
    half = quantile((1 + LEVEL) / 2, clusters - 1) * error
    half = half if half > ROUNDING * abs(value) else 0.0
    return Interval(value, error, value - half, value + half, clusters)
