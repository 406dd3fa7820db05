"""Mean and covariance of feature rows, at once, streamed or merged; always in float64.

Linear algebra is PyTorch's, which a run pins to its number of threads; NumPy's would use all cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Rows: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
"""Features (n, d)."""

EPSILON = float(np.finfo(np.float64).eps)


class Factor(NamedTuple):
    """F (d, r) with F F^T a covariance: Cholesky's, lower triangular, or else from the eigenvalues above 0."""

    matrix: Tensor
    triangular: bool


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (d,) and covariance (d, d), divisor n - 1, of n feature rows, in float64; n is 0 where nobody said it."""

    mean: Floats
    covariance: Floats
    n: int

    @property
    def rank(self) -> int:
        """The most that the covariance can have: n rows about their mean span n - 1 dimensions."""
        return min(len(self.mean), self.n - 1) if self.n else len(self.mean)

    @cached_property
    def trace(self) -> float:
        """Sum of the variances."""
        return float(self.covariance.trace())

    @cached_property
    def factor(self) -> Factor:
        """Computed once: all sets of images that are compared with these moments share it."""
        covariance = torch.from_numpy(self.covariance)
        if self.rank == len(self.mean):
            cholesky: tuple[Tensor, Tensor] = torch.linalg.cholesky_ex(covariance)
            if not cholesky[1]:
                return Factor(cholesky[0], True)
        values, vectors = torch.linalg.eigh(covariance)
        values = without_rounding(values, self.rank)
        return Factor(vectors[:, values > 0] * values[values > 0].sqrt(), False)


def without_rounding(values: Tensor, rank: int) -> Tensor:
    """Ascending eigenvalues of a covariance, or of a product of two, with 0 in place of what is rounding.

    That is what lies below 0, and what is smaller than rounding beyond the known rank: the square roots of many such
    values would add up. A value that is larger than rounding is kept in spite of a rank that says otherwise.
    """
    values = values.clamp(min=0)
    beyond = values[: max(0, len(values) - rank)]
    if len(beyond):
        beyond[beyond <= 8 * len(values) * EPSILON * values[-1]] = 0
    return values


def moments(features: np.ndarray[Any, Any]) -> Moments:
    """Moments of features (n, d), n >= 2.

    Raises:
        ValueError: fewer than two rows.
    """
    mean, centred = centre(features)
    rows = torch.from_numpy(centred)
    return Moments(mean, as_floats(rows.T @ rows) / (len(rows) - 1), len(rows))


def centre(features: np.ndarray[Any, Any]) -> tuple[Floats, Floats]:
    """Mean (d,) of features (n, d), and the features (n, d) without it.

    Raises:
        ValueError: fewer than two rows.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"a covariance needs features (n, d) with n >= 2, got {rows.shape}")
    mean = rows.mean(axis=0)
    return mean, rows - mean


def as_floats(values: Tensor) -> Floats:
    """A float64 tensor as an array."""
    array: Floats = values.cpu().numpy()
    return array


@dataclass
class MomentSums:
    """Sums over feature rows from which their moments follow; batches are added, and two parts merged.

    Rows are taken about a shift, so that a large common offset does not cancel: with the first b of n rows' mean as
    the shift, the covariance loses at most a factor of about n / b of float64's accuracy, whatever the order of rows.

    Attributes:
        shift: (d,) what every row is taken relative to.
        total: (d,) sum of x - shift.
        outer: (d, d) sum of (x - shift) (x - shift)^T.
        n: rows.
    """

    shift: Tensor
    total: Tensor
    outer: Tensor
    n: int = 0

    @classmethod
    def about(cls, shift: Tensor) -> MomentSums:
        """Of no rows yet, on the shift's device."""
        shift = shift.double()
        return cls(shift, torch.zeros_like(shift), shift.new_zeros(len(shift), len(shift)))

    def add(self, rows: Tensor) -> None:
        """Add features (b, d) of any float type. A call costs as much as reading d x d numbers: add many at once."""
        x = rows.to(self.shift) - self.shift  # (b, d)
        self.total += x.sum(0)
        self.outer.addmm_(x.T, x)
        self.n += len(x)

    def merge(self, other: MomentSums) -> None:
        """Add the rows of another part, whatever its shift."""
        step = other.shift.to(self.shift) - self.shift
        total, outer = other.total.to(self.shift), other.outer.to(self.shift)
        cross = torch.outer(total, step)
        self.outer += outer + cross + cross.T + other.n * torch.outer(step, step)
        self.total += total + other.n * step
        self.n += other.n

    def moments(self) -> Moments:
        """Of all rows so far.

        Raises:
            ValueError: fewer than two.
        """
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 rows, got {self.n}")
        mean = self.total / self.n
        covariance = (self.outer - self.n * torch.outer(mean, mean)) / (self.n - 1)
        return Moments(as_floats(self.shift + mean), as_floats(covariance), self.n)
