"""A share of images with an interval that is honest at none and at all, though images of one prompt depend."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from evalsuite.stats import LEVEL, clustered_mean
from evalsuite.student_t import quantile


class Share(NamedTuple):
    """A share in [0, 1] with its 95 % interval; ends are None with fewer than two clusters."""

    value: float
    low: float | None
    high: float | None


def share(hits: Sequence[bool], clusters: Sequence[Hashable]) -> Share:
    """Wilson's interval at the effective sample size, with Student's t of the clusters for the normal quantile.

    The effective size is what a simple random sample of the same variance would have (Korn and Graubard, Survey
    Methodology 24, 1998), n at most; where all hits agree and nothing can be estimated, it is the number of clusters.

    Args:
        hits: (n,) with n >= 1.
        clusters: (n,) what each belongs to: its prompt.
    """
    found = clustered_mean([float(hit) for hit in hits], clusters)
    p, groups = found.value, found.clusters
    if found.error is None:
        return Share(p, None, None)
    size = min(len(hits), p * (1 - p) / found.error**2) if found.error else groups
    z = quantile((1 + LEVEL) / 2, groups - 1)
    middle = (p + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * math.sqrt(p * (1 - p) / size + z * z / (4 * size * size))
    return Share(p, max(0.0, middle - half), min(1.0, middle + half))


METHOD = f"{LEVEL:.0%} Wilson at the effective sample size, clustered by prompt"
"""How it is made, in words."""
