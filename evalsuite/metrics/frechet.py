"""Frechet distance of Gaussians (arXiv:1706.08500), its extrapolation to infinitely many images, and its error.

FD = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), in float64, by symmetric matrices only: no complex leftovers.

Linear algebra is PyTorch's, which a run pins to its number of threads; NumPy's would use all cores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from evalsuite.metrics.base import Array
from evalsuite.reference import Floats, Moments, as_floats, centre, moments

SPLITS = 10
"""Random halvings behind an extrapolation."""


def symmetric_root(covariance: Floats) -> Floats:
    """Square root (d, d) of a covariance; rounding below 0 counts as 0."""
    values, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
    return as_floats((vectors * values.clamp(min=0).sqrt()) @ vectors.T)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Distance of two Gaussians: tr (S1 S2)^(1/2) from the eigenvalues of S2^(1/2) S1 S2^(1/2)."""
    root = torch.from_numpy(symmetric_root(b.covariance))
    values = torch.linalg.eigvalsh(root @ torch.from_numpy(a.covariance) @ root).clamp(min=0)
    return _assemble(a.mean - b.mean, a.covariance.trace(), b, float(values.sqrt().sum()))


def frechet_distance_of(features: Array, reference: Moments) -> float:
    """Distance of features (n, d), n >= 2, from reference moments.

    With n <= d the covariance is singular; the trace is then the nuclear norm of the centred features times the
    reference's root, which never forms the product of two covariances.
    """
    if len(features) > features.shape[1]:
        return frechet_distance(moments(features), reference)
    mean, centred = centre(features)
    values = torch.linalg.svdvals(_through(centred, reference)) / math.sqrt(len(features) - 1)
    trace = float((centred * centred).sum()) / (len(features) - 1)
    return _assemble(mean - reference.mean, trace, reference, float(values.sum()))


def influences(features: Array, reference: Moments) -> Floats:
    """Influence (n,) of each row: the distance's derivative as weight moves to that row. They add to 0.

    psi(x) = 2 z.(m - m_r) + z^T (I - T) z - tr((I - T) S) with z = x - m, T = R (R S R)^(-1/2) R and R = S_r^(1/2).
    With the singular values of the centred features times R, z^T T z needs no inverse, so n <= d works as well.
    """
    n = len(features)
    mean, centred = centre(features)
    left, values, _ = torch.linalg.svd(_through(centred, reference), full_matrices=False)
    passing = math.sqrt(n - 1) * as_floats(left.square() @ values)  # (n,) z^T T z
    spread = (centred * centred).sum(axis=1) - passing
    shift = (centred * (mean - reference.mean)).sum(axis=1)
    return np.asarray(2 * shift + n / (n - 1) * (spread - spread.mean()))


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


def _through(centred: Floats, reference: Moments) -> torch.Tensor:
    """Centred features times the reference's root, (n, d); its nuclear norm is the root of the product's trace."""
    return torch.from_numpy(centred) @ torch.from_numpy(symmetric_root(reference.covariance))


def _assemble(shift: Floats, trace: float, reference: Moments, cross: float) -> float:
    return float((shift * shift).sum() + trace + reference.covariance.trace() - 2 * cross)
