"""Frechet distance of Gaussians (arXiv:1706.08500), its extrapolation to infinitely many images, and its error.

FD = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), in float64, by symmetric matrices only: no complex leftovers.

With S2 = F F^T the last trace is the sum of the roots of the eigenvalues of F^T S1 F, or with centred features
A / sqrt(n - 1) of A S2 A^T: d x d or n x n, whichever is smaller. F is the reference's Cholesky factor, made once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evalsuite.metrics.base import Array
from evalsuite.moments import Floats, Moments, as_floats, centre, moments, without_rounding

SPLITS = 10
"""Random halvings behind an extrapolation."""
BLOCKS = 8


def symmetric_root(covariance: Floats) -> Floats:
    """Square root (d, d) of a covariance; rounding below 0 counts as 0."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
    return as_floats((vectors * values.clamp(min=0).sqrt()) @ vectors.T)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Distance of two Gaussians. What it factorises is kept with ``b``: give the one that is used again there."""
    values = torch.linalg.eigvalsh(_between(a, b))
    return _assemble(a.mean - b.mean, a.trace, b, values, a.rank)


def frechet_distance_of(features: Array, reference: Moments) -> float:
    """Distance of features (n, d), n >= 2, from reference moments; with n <= d, no product of d x d matrices."""
    if len(features) > features.shape[1]:
        return frechet_distance(moments(features), reference)
    mean, centred = centre(features)
    values = torch.linalg.eigvalsh(_gram(centred, reference))
    trace = float((centred * centred).sum()) / (len(features) - 1)
    return _assemble(mean - reference.mean, trace, reference, values, len(features) - 1)


def influences(features: Array, reference: Moments) -> Floats:
    """Influence (n,) of each row on the distance; see `distance_with_influences`."""
    return distance_with_influences(features, reference)[1]


def distance_with_influences(features: Array, reference: Moments) -> tuple[float, Floats]:
    """The distance, and of each row (n,) its influence: the derivative as weight moves to that row. They add to 0.

    psi(x) = 2 z.(m - m_r) + z^T (I - T) z - tr((I - T) S) with z = x - m and T = F (F^T S F)^(-1/2) F^T. One
    decomposition serves both; with n <= d it is that of the n x n matrix, whose eigenvectors give z^T T z directly.
    """
    n = len(features)
    mean, centred = centre(features)
    if n > features.shape[1]:
        rows = torch.from_numpy(centred)
        covariance = Moments(mean, as_floats(rows.T @ rows) / (n - 1), n)
        values, vectors = torch.linalg.eigh(_between(covariance, reference))
        values = without_rounding(values, reference.rank)
        # Of variance sqrt(value) in a direction that is there, 0 in one that is rounding.
        weight = torch.where(values > 0, values, torch.inf).rsqrt()  # (r,)
        passing = (rows @ (reference.factor.matrix @ vectors)).square() @ weight  # (n,) z^T T z
    else:
        values, vectors = torch.linalg.eigh(_gram(centred, reference))
        values = without_rounding(values, min(n - 1, reference.rank))
        passing = (n - 1) * vectors.square() @ values.sqrt()  # (n,) z^T T z
    spread = (centred * centred).sum(axis=1)
    trace, excess = float(spread.sum()) / (n - 1), spread - as_floats(passing)
    shift = (centred * (mean - reference.mean)).sum(axis=1)
    distance = _assemble(mean - reference.mean, trace, reference, values, n - 1)
    return distance, np.asarray(2 * shift + n / (n - 1) * (excess - excess.mean()))


def frechet_infinity(features: Array, reference: Moments, clusters: Sequence[str]) -> float | None:
    """The distance at infinitely many images, from its law FD(n) = FD + c / n (arXiv:1911.07023).

    c comes from the distances of random halves of the clusters: with equal halves, FD = 2 FD(n) - FD(n / 2).
    The halvings are the same on every call.

    Args:
        features: (n, d); the law holds from about n = 2 d on.
        reference: taken as exact.
        clusters: (n,) what each row belongs to; at least two different ones.

    Returns:
        The distance, or None where clusters are so unequal that a half has fewer than two rows.
    """
    n, whole = len(features), frechet_distance_of(features, reference)
    names = sorted(set(clusters))
    members = np.searchsorted(np.array(names), np.array(clusters))
    generator = np.random.default_rng(0)
    slopes = []
    for _ in range(SPLITS):
        first = np.isin(members, generator.permutation(len(names))[: len(names) // 2])
        halves = (features[first], features[~first])
        if min(map(len, halves)) < 2:
            return None
        excess = sum(frechet_distance_of(half, reference) for half in halves) / 2 - whole
        slopes.append(excess / (sum(1 / len(half) for half in halves) / 2 - 1 / n))
    return whole - math.fsum(slopes) / SPLITS / n


def _between(a: Moments, reference: Moments) -> Tensor:
    """F^T S F (r, r), whose eigenvalues are those of the product of the covariances; its lower triangle alone is right.

    With a triangular F, column blocks meet zeros above them in all three matrices: a third of the multiplications.
    """
    factor, triangular = reference.factor
    covariance = torch.from_numpy(a.covariance)
    if not triangular:
        return factor.T @ (covariance @ factor)
    found, width = torch.zeros_like(factor), math.ceil(len(factor) / BLOCKS)
    for start in range(0, len(factor), width):
        column = factor[start:, start : start + width]
        found[start:, start : start + width] = factor[start:, start:].T @ (covariance[start:, start:] @ column)
    return found


def _gram(centred: Floats, reference: Moments) -> Tensor:
    """A S A^T (n, n) with A = centred / sqrt(n - 1); the same eigenvalues, but for zeros."""
    a = torch.from_numpy(centred) / math.sqrt(len(centred) - 1)  # (n, d)
    return a @ (torch.from_numpy(reference.covariance) @ a.T)


def _assemble(shift: Floats, trace: float, reference: Moments, values: Tensor, rank: int) -> float:
    cross = float(without_rounding(values, min(rank, reference.rank)).sqrt().sum())
    return float((shift * shift).sum()) + trace + reference.trace - 2 * cross
