"""One metric of one model along the aspect ratios, over the same prompts at each: what differs can then be tested.

Letters: G clusters (prompt families), K columns: ratios, or a ratio's control.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from evalsuite.paired import Contrast
from evalsuite.resample import Floats

Key: TypeAlias = tuple[str, int]
"""What images of different ratios share: prompt and index, and so the family of their seeds."""
Values: TypeAlias = Mapping[str, Mapping[Key, float]]
"""Column to key to the image's own value."""
Weights: TypeAlias = Mapping[str, float]
"""Column to its factor in a difference; factors add to 0."""


@dataclass(frozen=True, slots=True)
class Along:
    """Estimates that rest on the same prompts and indices.

    Attributes:
        columns: names of the K columns.
        values: (K,) an estimate for each.
        influences: (G, K) of each cluster; columns add to 0.
        n: images of each column.
        left_out: keys that some columns have and others lack.
        sums: (G, K) values by cluster, for plain means; None for ratios and influences.
        sizes: (G,) images by cluster, likewise.
    """

    columns: tuple[str, ...]
    values: Floats
    influences: Floats
    n: int
    left_out: int
    sums: Floats | None = None
    sizes: Floats | None = None

    def contrast(self, weights: Weights) -> Contrast:
        """The sum of columns times their weights: those above 0 less those below."""
        w = np.array([weights.get(name, 0.0) for name in self.columns])  # (K,)
        a, b = float(self.values @ np.maximum(w, 0)), float(self.values @ np.maximum(-w, 0))
        sums = None if self.sums is None else self.sums @ w
        return Contrast(a, b, a - b, self.influences @ w, self.n, sums=sums, sizes=self.sizes)


def of_values(values: Values, clusters: Mapping[Key, str], weights: Values | None = None) -> Along | str:
    """Means over the keys that all columns have, or why there are none.

    Args:
        values: at least one column.
        clusters: of each key, what its score may depend on: its prompt, for an edit its base's.
        weights: of each value in its column's mean; None where all count the same.
    """
    shared, left_out = _shared(values)
    if not shared:
        return "no prompt has it at every ratio"
    x = np.array([[column[key] for column in values.values()] for key in shared], np.float64)  # (n, K)
    if not np.isfinite(x).all():
        return "a value is not a finite number"
    members, count = _members([clusters[key] for key in shared])
    if weights is None:
        n = len(shared)
        sums, sizes = _summed(members, x, count), np.bincount(members, minlength=count).astype(np.float64)
        mean = x.sum(axis=0) / n
        return Along(tuple(values), mean, (sums - sizes[:, None] * mean) / n, n, left_out, sums, sizes)
    w = np.array([[weights[name].get(key, 1.0) for name in values] for key in shared], np.float64)  # (n, K)
    total = w.sum(axis=0)
    if (total <= 0).any():
        return "the weights sum to 0: the ratio is undefined"
    ratio = (w * x).sum(axis=0) / total
    return Along(tuple(values), ratio, _summed(members, w * (x - ratio) / total, count), len(shared), left_out)


def of_influences(values: Mapping[str, float], influences: Values, clusters: Mapping[Key, str]) -> Along | str:
    """Numbers that are no means, or why they cannot be compared: they must rest on the same prompts.

    Args:
        values: column to its number, finite.
        influences: column to key to what that image moves the number by.
        clusters: of each key.
    """
    shared, left_out = _shared(influences)
    if left_out or not shared:
        return "the ratios do not rest on the same prompts, which such a number needs to be compared"
    moved = np.array([[column[key] for column in influences.values()] for key in shared], np.float64)  # (n, K)
    members, count = _members([clusters[key] for key in shared])
    numbers = np.array([values[name] for name in influences], np.float64)
    if not (np.isfinite(moved).all() and all(map(math.isfinite, numbers))):
        return "a value is not a finite number"
    return Along(tuple(influences), numbers, _summed(members, moved, count), len(shared), 0)


def _shared(values: Values) -> tuple[list[Key], int]:
    """Keys of all columns, sorted, and how many only some have."""
    keys = [frozenset(column) for column in values.values()]
    common = frozenset.intersection(*keys)
    return sorted(common), len(frozenset.union(*keys)) - len(common)


def _members(clusters: Sequence[str]) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], int]:
    """Of each row the number of its cluster, in the order of their names."""
    names = sorted(set(clusters))
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[name] for name in clusters], np.intp), len(names)


def _summed(members: np.ndarray[tuple[int], np.dtype[np.intp]], x: Floats, count: int) -> Floats:
    """Rows (n, K) summed by cluster: (G, K)."""
    return np.stack([np.bincount(members, column, count) for column in x.T], axis=1).astype(np.float64)
