"""Resampling of whole clusters, for many columns at once: sign flips and the studentised bootstrap.

Both draw from a fixed seed, so that the same scores always get the same p and the same interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
FLIPS = 10_000
EXACT = 12
"""Clusters up to which every combination of signs is tried."""
RESAMPLES = 3_999
TAIL = 100
"""Resamples beyond each end of an interval: 2.5 % of RESAMPLES + 1."""
ROUNDING = 1e-9
"""Of the sum of what is flipped: sums nearer than this are equal."""
CELLS = 4_000_000
COLUMNS = 128


def sign_flip_p(sums: Floats) -> Floats:
    """Two-sided p (K,) that each column of cluster sums (G, K) has no sign of its own.

    The sum is compared with those of randomly flipped clusters (Fisher's randomisation test; the clusters of two models
    that could be swapped are symmetric about 0). Exact for up to EXACT clusters, else (b + 1) / (FLIPS + 1) for b of
    FLIPS at least as far from 0.
    """
    count, columns = sums.shape
    least = np.abs(sums.sum(axis=0)) - ROUNDING * np.abs(sums).sum(axis=0)  # (K,)
    signs, hits = _signs(count), np.zeros(columns)
    for part in row_parts(len(signs), max(count, columns)):
        hits += (np.abs(signs[part].astype(np.float64) @ sums) >= least).sum(axis=0)
    return np.asarray(hits / len(signs) if count <= EXACT else (hits + 1) / (FLIPS + 1))


def least_p(clusters: int) -> float:
    """The smallest p that `sign_flip_p` can give."""
    return min(1.0, 2.0 ** (1 - clusters)) if clusters <= EXACT else 1 / (FLIPS + 1)


def studentised(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Quantiles 2.5 % and 97.5 %, each (K,), of the bootstrapped t of sum(sums) / sum(sizes).

    Whole clusters are drawn (Davison and Hinkley, Bootstrap Methods and their Application, section 2.4). A quantile is
    infinite, or NaN, where too few clusters differ for a bootstrap.

    Args:
        sums: (G, K) of each column's values by cluster, G at least 2.
        sizes: (G,) values in each cluster, at least 1.
    """
    counts = cluster_counts(len(sums))
    found = [_quantiles(sums[:, start : start + COLUMNS], sizes, counts) for start in range(0, sums.shape[1], COLUMNS)]
    return np.concatenate([low for low, _ in found]), np.concatenate([high for _, high in found])


def _quantiles(sums: Floats, sizes: Floats, counts: np.ndarray[Any, Any]) -> tuple[Floats, Floats]:
    clusters, columns = sums.shape
    left = sums - sums.sum(axis=0) / sizes.sum() * sizes[:, None]  # (G, K) residuals
    parts = np.concatenate([left, left * left, left * sizes[:, None], sizes[:, None], sizes[:, None] ** 2], axis=1)
    t = np.empty((RESAMPLES, columns))
    for part in row_parts(RESAMPLES, max(clusters, parts.shape[1])):
        drawn = counts[part].astype(np.float64) @ parts  # (b, 3 K + 2)
        one, two, cross = (drawn[:, i * columns : (i + 1) * columns] for i in range(3))
        total, squares = drawn[:, -2:-1], drawn[:, -1:]
        shift = one / total
        spread = np.maximum(two - 2 * shift * cross + shift * shift * squares, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            t[part] = one / np.sqrt(clusters / (clusters - 1) * spread)
    t[np.isnan(t)] = 0  # no shift, no spread
    t.partition((TAIL - 1, RESAMPLES - TAIL), axis=0)
    return t[TAIL - 1].copy(), t[RESAMPLES - TAIL].copy()


def row_parts(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows, each of about CELLS cells."""
    step = max(1, CELLS // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, start + step)


@lru_cache(maxsize=8)
def _signs(clusters: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Signs (m, G): all combinations, or FLIPS random ones."""
    if clusters <= EXACT:
        bits = np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1
    else:
        bits = np.random.default_rng(0).integers(2, size=(FLIPS, clusters), dtype=np.int8)
    return (2 * bits - 1).astype(np.int8)


@lru_cache(maxsize=8)
def cluster_counts(clusters: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """How often each resample holds each cluster: (RESAMPLES, G), each row adds to G."""
    generator = np.random.default_rng(0)
    counts = np.empty((RESAMPLES, clusters), np.uint8)
    for part in row_parts(RESAMPLES, clusters):
        rows = len(counts[part])
        drawn = generator.integers(clusters, size=(rows, clusters)) + clusters * np.arange(rows)[:, None]
        counts[part] = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)
    return counts
