"""Paired statistics over clusters of images: the difference of two estimates, its interval, its p, and who wins.

A number of evalsuite is a mean of per-image values, a ratio of sums (a mean with weights), or something that has
per-image influences. Whatever it is, the difference of two has one influence for each cluster (prompt family), and its
standard error follows from those: images of one prompt, and both models' images of one pair, may depend on each other.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evalsuite import power
from evalsuite.resample import RESAMPLES, Floats, least_p, sign_flip_p, studentised
from evalsuite.stats import LEVEL, cluster_error
from evalsuite.student_t import quantile, two_sided_p

FEW = 10
"""Clusters under which a bootstrap is unstable and Student's t is used."""
SAME = 1e-9
"""Of the larger estimate: a difference within it is rounding."""
TIE = 0.01
"""Of the scores' standard deviation: two images within it tie."""


class Interval(NamedTuple):
    """Ends of a 95 % interval, and how it was made."""

    low: float
    high: float
    method: str


class Wins(NamedTuple):
    """Pairs by who has the better value; a tie is a difference of at most ``within``."""

    wins: int
    ties: int
    losses: int
    within: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """The difference of two estimates, ``a - b``, and what each cluster adds to it.

    Attributes:
        a: the first estimate.
        b: the second; 0 where there is only one.
        value: their difference.
        influences: (G,) by cluster; they add to 0.
        n: images, or pairs of them.
        sums: (G,) values by cluster, for plain means; None for ratios and influences.
        sizes: (G,) images in each cluster, for plain means.
    """

    a: float
    b: float
    value: float
    influences: Floats
    n: int
    sums: Floats | None = None
    sizes: Floats | None = None

    @property
    def clusters(self) -> int:
        """Prompt families G."""
        return len(self.influences)

    @property
    def same(self) -> bool:
        """Whether the two estimates differ by rounding at most."""
        return abs(self.value) <= SAME * max(abs(self.a), abs(self.b))

    @property
    def error(self) -> float | None:
        """Clustered standard error of the difference; None with fewer than two clusters."""
        return cluster_error(self.influences.tolist(), 1)

    @property
    def effect(self) -> float | None:
        """The difference over the standard deviation of what clusters say of it; None where that is 0."""
        return self.value / (self.error * math.sqrt(self.clusters)) if self.error else None

    @property
    def visible(self) -> float | None:
        """The smallest difference that would have been seen; see `evalsuite.power`."""
        return None if self.error is None else power.smallest_visible(self.error, self.clusters)

    def interval(self) -> Interval | None:
        """95 %: bootstrap-t over clusters for means, Student's t for the rest and under FEW clusters."""
        error = self.error
        if error is None:
            return None
        t = quantile((1 + LEVEL) / 2, self.clusters - 1)
        if self.sums is None or self.sizes is None or self.clusters < FEW or error == 0:
            return Interval(self.value - t * error, self.value + t * error, f"t of influences, G={self.clusters}")
        low, high = (float(end[0]) for end in studentised(self.sums[:, None], self.sizes))
        low, high = (low if math.isfinite(low) else -t), (high if math.isfinite(high) else t)
        method = f"bootstrap-t over clusters, {RESAMPLES} resamples, G={self.clusters}"
        return Interval(self.value - high * error, self.value - low * error, method)

    def p(self, against: float = 0.0) -> float | None:
        """Two-sided p of the difference against a value: sign flips for means, t for the rest; None for one cluster."""
        error, away = self.error, self.value - against
        if error is None:
            return None
        if abs(away) <= SAME * max(abs(self.a), abs(self.b)):
            return 1.0
        if self.sums is not None and self.sizes is not None:
            return float(sign_flip_p((self.sums - against * self.sizes)[:, None])[0])
        if error == 0:
            return 0.0
        return two_sided_p(away / error, self.clusters - 1)

    @property
    def least_p(self) -> float:
        """The smallest p that this many clusters can give."""
        if self.clusters < 2:
            return 1.0
        return least_p(self.clusters) if self.sums is not None else 0.0


def of_means(a: Sequence[float], b: Sequence[float] | None, clusters: Sequence[Hashable]) -> Contrast:
    """Mean of a minus mean of b, pair by pair.

    Args:
        a: (n,) with n >= 1, finite.
        b: (n,) the same images by the other model; None for the mean of a alone.
        clusters: (n,) what each pair belongs to.
    """
    first = np.asarray(a, np.float64)
    second = np.zeros_like(first) if b is None else np.asarray(b, np.float64)
    members, count = _members(clusters)
    sums, sizes = _summed(members, first - second, count), _summed(members, np.ones_like(first), count)
    n = len(first)
    value = float(sums.sum()) / n
    return Contrast(
        float(first.sum()) / n, float(second.sum()) / n, value, (sums - value * sizes) / n, n, sums=sums, sizes=sizes
    )


def of_ratios(
    a: Sequence[float],
    weights_a: Sequence[float],
    b: Sequence[float] | None,
    weights_b: Sequence[float] | None,
    clusters: Sequence[Hashable],
) -> Contrast:
    """Difference of two means with weights, by the delta method.

    Args:
        a: (n,) values.
        weights_a: (n,) what each counts; their sum is positive.
        b: (n,) the same images by the other model; None, with its weights, for a alone.
        weights_b: (n,) likewise.
        clusters: (n,) what each pair belongs to.

    Raises:
        ValueError: weights sum to 0: the ratio is undefined.
    """
    members, count = _members(clusters)
    first, added = _ratio(a, weights_a)
    second, taken = (0.0, np.zeros_like(added)) if b is None or weights_b is None else _ratio(b, weights_b)
    return Contrast(first, second, first - second, _summed(members, added - taken, count), len(a))


def of_influences(
    a: float, added: Mapping[Hashable, float], b: float, taken: Mapping[Hashable, float], n: int
) -> Contrast:
    """Difference of two numbers that are no means, from what each cluster adds to them.

    Args:
        a: the first number.
        added: cluster to the sum of its images' influences on it.
        b: the second number; 0 without influences for a alone.
        taken: likewise of the second.
        n: images of each.
    """
    names = sorted(added.keys() | taken.keys(), key=str)
    influences = np.array([added.get(name, 0.0) - taken.get(name, 0.0) for name in names], np.float64)
    return Contrast(a, b, a - b, influences, n)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p-values (Scandinavian Journal of Statistics 6, 1979); None stays None.

    Rejecting those of at most 0.05 has a false-alarm rate of at most 0.05 for all of them together, however they depend
    on each other.
    """
    asked = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    found: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(asked):
        largest = max(largest, min(1.0, (len(asked) - rank) * p))
        found[place] = largest
    return found


def count_wins(a: Sequence[float], b: Sequence[float], higher_is_better: bool) -> Wins:
    """Pairs (n,) that a wins, ties and loses; values within TIE of the standard deviation of all of them tie."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    within = TIE * float(np.concatenate([first, second]).std())
    gain = first - second if higher_is_better else second - first
    wins, losses = int((gain > within).sum()), int((gain < -within).sum())
    return Wins(wins, len(gain) - wins - losses, losses, within)


def _members(clusters: Sequence[Hashable]) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], int]:
    """Of each value (n,) the number of its cluster, in the order of their names."""
    places = {name: place for place, name in enumerate(sorted(set(clusters), key=str))}
    return np.array([places[name] for name in clusters], np.intp), len(places)


def _summed(members: np.ndarray[tuple[int], np.dtype[np.intp]], values: Floats, count: int) -> Floats:
    """Values (n,) summed by cluster (G,)."""
    return np.bincount(members, values, count).astype(np.float64)


def _ratio(values: Sequence[float], weights: Sequence[float]) -> tuple[float, Floats]:
    """A mean with weights, and each value's influence (n,) on it."""
    x, w = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    total = float(w.sum())
    if total <= 0:
        raise ValueError("the weights sum to 0: the ratio is undefined")
    ratio = float((w * x).sum()) / total
    return ratio, w * (x - ratio) / total
