"""Squared maximum mean discrepancy of two samples (Gretton et al., JMLR 13, 2012), and the error of its estimate.

MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y). The unbiased estimate (their equation 3) leaves out x with itself, so it
can be below 0; the biased one (equation 5) keeps it. In float64, a tile of the kernel matrix at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from evalsuite.metrics.base import Estimate, Inputs, by_influence
from evalsuite.moments import Floats, Rows, as_floats

SCALE = 1000
"""What published numbers are multiplied by."""
TILE = 2048

Kernel: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Rows (a, d) and (b, d) in float64 to (a, b)."""
Features: TypeAlias = np.ndarray[Any, Any]
"""(n, d) of any float type."""


class Discrepancy(NamedTuple):
    """An estimate, and each row's influence (n,) on it; the influences add to 0."""

    value: float
    influences: Floats


def discrepancy(x: Features, y: Features, kernel: Kernel, biased: bool = False) -> Discrepancy:
    """Squared discrepancy of x (n, d) from y (m, d), taken as given.

    The influence of a row is that of its Hoeffding projection, 2 (mean kernel with the other rows of x - mean kernel
    with y), less its mean. Where x and y are equally distributed the projection vanishes; what is left in its estimate
    is the noise of the kernel means, and overstates the error by about a factor sqrt(2).

    Args:
        x: n >= 2 rows.
        y: m >= 2 rows.
        kernel: of both.
        biased: keep each row with itself, for a kernel with k(x, x) = 0 (take the constant off).

    Raises:
        ValueError: fewer than two rows, or of different widths.
    """
    if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"a discrepancy needs features (n, d) and (m, d) with n, m >= 2, got {x.shape} and {y.shape}")
    n, m = (len(rows) if biased else len(rows) - 1 for rows in (x, y))
    own, other = _within(x, kernel) / n, _between(x, y, kernel) / len(y)  # (n,) means of the kernel
    whole = _whole(_Itself(y), kernel) if not y.flags.writeable else float(_within(y, kernel).sum())
    value = float(own.mean() - 2 * other.mean()) + whole / (len(y) * m)
    projection = 2 * (own - other)
    return Discrepancy(value, as_floats(projection - projection.mean()))


def estimate(inputs: Inputs, kernel: Kernel) -> Estimate:
    """SCALE x the unbiased squared discrepancy of a slice from reference images, with an interval by prompt."""
    n, rows = len(inputs.samples), _reference(inputs)
    if isinstance(rows, str):
        return Estimate(None, None, None, n, "none", rows)
    value, influences = discrepancy(inputs.features.image, rows, kernel)
    return by_influence(inputs, SCALE * value, SCALE * influences, f"{len(rows)} reference images")


def _reference(inputs: Inputs) -> Rows | str:
    """Features in the slice's mix of aspects, or why there are none."""
    if inputs.reference is None:
        return "no reference images"
    if len(inputs.samples) < 2:
        return "a kernel distance needs at least 2 images"
    rows = inputs.reference.rows(Counter(sample.aspect for sample in inputs.samples))
    return "the reference keeps no features for these aspect ratios" if rows is None else rows


def _within(rows: Features, kernel: Kernel) -> Tensor:
    """Sum (n,) of each row's kernel with the others; every pair is computed once."""
    sums = torch.zeros(len(rows), dtype=torch.float64)
    for i in range(0, len(rows), TILE):
        some = _tile(rows, i)
        for j in range(i, len(rows), TILE):
            values = kernel(some, _tile(rows, j))
            if i == j:
                values.fill_diagonal_(0)
            else:
                sums[j : j + TILE] += values.sum(0)
            sums[i : i + TILE] += values.sum(1)
    return sums


def _between(x: Features, y: Features, kernel: Kernel) -> Tensor:
    """Sum (n,) of each row of x's kernel with those of y."""
    sums = torch.zeros(len(x), dtype=torch.float64)
    for j in range(0, len(y), TILE):
        some = _tile(y, j)
        for i in range(0, len(x), TILE):
            sums[i : i + TILE] += kernel(_tile(x, i), some).sum(1)
    return sums


def _tile(rows: Features, start: int) -> Tensor:
    return torch.from_numpy(rows[start : start + TILE].astype(np.float64))


class _Itself:
    """An array that equals itself alone."""

    def __init__(self, array: Features) -> None:
        self.array = array

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.array is other.array

    def __hash__(self) -> int:
        return id(self.array)


@lru_cache(maxsize=4)
def _whole(rows: _Itself, kernel: Kernel) -> float:
    """Sum over all pairs of rows that nobody can change: a reference, which is asked for again and again."""
    return float(_within(rows.array, kernel).sum())
