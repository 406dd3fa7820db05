"""Frechet distance of Gaussians (arXiv:1706.08500), its extrapolation to infinitely many images, and its error.

FD = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), in float64, by symmetric matrices only: no complex leftovers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from evalsuite.metrics.base import Array
from evalsuite.reference import Floats, Moments, moments

SPLITS = 10
"""Random halvings behind an extrapolation."""


def symmetric_root(covariance: Floats) -> Floats:
    """Square root (d, d) of a covariance; rounding below 0 counts as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(min=0))) @ vectors.T)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Distance of two Gaussians: tr (S1 S2)^(1/2) from the eigenvalues of S2^(1/2) S1 S2^(1/2)."""
    root = symmetric_root(b.covariance)
    values = np.linalg.eigvalsh(root @ a.covariance @ root)
    return _assemble(a.mean - b.mean, a.covariance.trace(), b, float(np.sqrt(values.clip(min=0)).sum()))


def frechet_distance_of(features: Array, reference: Moments) -> float:
    """Distance of features (n, d), n >= 2, from reference moments.

    With n <= d the covariance is singular; the trace is then the nuclear norm of the centred features times the
    reference's root, which never forms the product of two covariances.
    """
    if len(features) > features.shape[1]:
        return frechet_distance(moments(features), reference)
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    centred = (rows - mean) / math.sqrt(len(rows) - 1)
    values = np.linalg.svd(centred @ symmetric_root(reference.covariance), compute_uv=False)
    return _assemble(mean - reference.mean, (centred * centred).sum(), reference, float(values.sum()))


def influences(features: Array, reference: Moments) -> Floats:
    """First-order influence (n,) of each row on n times the distance; they add to 0.

    psi(x) = 2 z.(m - m_r) + z^T (I - T) z - tr((I - T) S) with z = x - m and T = R (R S R)^(-1/2) R, R = S_r^(1/2).
    With the singular values of the centred features times R, z^T T z needs no inverse, so n <= d works as well.
    """
    rows = features.astype(np.float64)
    mean = rows.mean(axis=0)
    centred = rows - mean
    left, values, _ = np.linalg.svd(centred @ symmetric_root(reference.covariance), full_matrices=False)
    through = math.sqrt(len(rows) - 1) * (left * left) @ values  # (n,) z^T T z
    psi = 2 * centred @ (mean - reference.mean) + (centred * centred).sum(axis=1) - through
    return np.asarray(psi - psi.mean())


def frechet_infinity(features: Array, reference: Moments, clusters: Sequence[str]) -> float:
    """The distance at infinitely many images, from its law FD(n) = FD + c / n (arXiv:1911.07023).

    c comes from the distances of random halves of the clusters: with equal halves, FD = 2 FD(n) - FD(n / 2).
    The halvings are the same on every call.

    Args:
        features: (n, d) with n > 2 d, so that every half has a full covariance.
        reference: taken as exact.
        clusters: (n,) what each row belongs to; at least two different ones.
    """
    n, whole = len(features), frechet_distance_of(features, reference)
    names = sorted(set(clusters))
    members = np.searchsorted(np.array(names), np.array(clusters))
    generator = np.random.default_rng(0)
    slopes = []
    for _ in range(SPLITS):
        first = np.isin(members, generator.permutation(len(names))[: len(names) // 2])
        halves = (features[first], features[~first])
        excess = sum(frechet_distance_of(half, reference) for half in halves) / 2 - whole
        slopes.append(excess / (sum(1 / len(half) for half in halves) / 2 - 1 / n))
    return whole - math.fsum(slopes) / SPLITS / n


def _assemble(shift: Floats, trace: float, reference: Moments, cross: float) -> float:
    return float(shift @ shift + trace + reference.covariance.trace() - 2 * cross)
