"""Shares with their intervals, and how far raters agree. Pure functions of numbers.

Votes on one prompt are not independent: every interval is clustered by prompt.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from evalsuite.stats import LEVEL, cluster_error
from evalsuite.student_t import quantile

METHOD = f"{LEVEL:.0%} Wilson at the effective number of votes, Student t, clustered by prompt"


class Share(NamedTuple):
    """A mean of numbers in [0, 1] with its interval; None where there is nothing, or one cluster only.

    ``n`` counts the numbers, ``clusters`` the groups they come in.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int

    @property
    def decided(self) -> bool:
        """Whether the interval leaves one half out."""
        return self.low is not None and self.high is not None and not self.low <= 0.5 <= self.high


def share(values: Sequence[float], clusters: Sequence[Hashable]) -> Share:
    """Mean of values in [0, 1] and a Wilson interval (Wilson 1927) that allows for dependence inside clusters.

    The number of values is replaced by the effective one, p (1 - p) over the clustered variance of the mean, and the
    normal quantile by Student's with G - 1 degrees of freedom: what surveys do (Korn and Graubard 1998), in the form
    that Franco et al. 2019 recommend (PMC6690503). Unlike mean +- t * error, it stays in [0, 1] and says something of 0
    and of 1: there the effective number is that of the clusters.

    Args:
        values: (n,) in [0, 1]; ties may be one half.
        clusters: (n,) what each value belongs to.

    Raises:
        ValueError: lengths differ, or a value is out of range.
    """
    if len(values) != len(clusters) or not all(0 <= value <= 1 for value in values):
        raise ValueError(f"{len(values)} values and {len(clusters)} clusters: as many of both, values in [0, 1]")
    groups, n = len(set(clusters)), len(values)
    if not n:
        return Share(None, None, None, 0, 0)
    p = math.fsum(values) / n
    if groups < 2:
        return Share(p, None, None, n, groups)
    sums: dict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - p
    variance = (cluster_error(list(sums.values()), n) or 0.0) ** 2
    effective = p * (1 - p) / variance if variance > 1e-12 else float(groups)
    if effective <= 0:
        effective = float(groups)
    t = quantile((1 + LEVEL) / 2, groups - 1)
    centre = (p + t * t / (2 * effective)) / (1 + t * t / effective)
    half = t / (1 + t * t / effective) * math.sqrt(p * (1 - p) / effective + (t / (2 * effective)) ** 2)
    return Share(p, max(0.0, centre - half), min(1.0, centre + half), n, groups)


def krippendorff_alpha(units: Iterable[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for interval data: 1 is full agreement, 0 is that of chance.

    1 - D_o / D_e with squared differences (Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011). Any number
    of raters, and not all of them need to have seen every unit.

    Args:
        units: what different raters said of one thing; those with fewer than two numbers do not count.

    Returns:
        None where fewer than two units can be paired, or all numbers are the same.
    """
    paired = [list(unit) for unit in units if len(unit) > 1]
    everything = [value for unit in paired for value in unit]
    n = len(everything)
    expected = _squares(everything) / (n - 1) if n > 1 else 0.0
    if len(paired) < 2 or expected == 0:
        return None
    observed = math.fsum(_squares(unit) / (len(unit) - 1) for unit in paired)
    return 1 - observed / expected


def same_winner(units: Iterable[tuple[Hashable, Sequence[str]]]) -> Share:
    """How often two raters who both decided chose the same image.

    Args:
        units: cluster of a pair of images, and the winners by those who decided on it.
    """
    values: list[float] = []
    clusters: list[Hashable] = []
    for cluster, winners in units:
        for place, one in enumerate(winners):
            for other in winners[place + 1 :]:
                values.append(float(one == other))
                clusters.append(cluster)
    return share(values, clusters)


def _squares(values: Sequence[float]) -> float:
    """Sum of (x - y)^2 over all ordered pairs: 2 (m sum x^2 - (sum x)^2)."""
    total = math.fsum(values)
    return max(0.0, 2 * (len(values) * math.fsum(value * value for value in values) - total * total))
