"""How wide intervals must be so that all of several differences hold at once, whichever the reader picks.

The worst of several ratios is picked by its value, so an interval for a ratio fixed beforehand would be too narrow for
it. Intervals that hold for all ratios together hold for the one that was picked.

Letters: G clusters (prompt families), K differences, B resamples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evalsuite.paired import FEW
from evalsuite.resample import RESAMPLES, ROUNDING, Floats, cluster_counts, row_parts
from evalsuite.stats import LEVEL
from evalsuite.student_t import quantile


class Width(NamedTuple):
    """Standard errors to either side of every difference, and how that was found."""

    errors: float
    method: str


def simultaneous(influences: Floats) -> Width | None:
    """The width at which 95 % intervals of all differences hold together.

    The max-t bootstrap: whole clusters are drawn, every difference is studentised, and the 95 % quantile of the
    largest |t| is taken (Romano and Wolf, Econometrica 73, 2005). Under FEW clusters, or where too few move a
    difference, Student's t after Bonferroni. The draws are the same on every call.

    Args:
        influences: (G, K) of each cluster on each difference; every column adds to 0.

    Returns:
        None with fewer than two clusters, or where no cluster moves any difference.
    """
    clusters = len(influences)
    moved = influences[:, np.abs(influences).max(axis=0, initial=0) > 0]
    count = moved.shape[1]
    if clusters < 2 or not count:
        return None
    if clusters >= FEW:
        largest = np.sort(_largest_t(moved))
        found = float(largest[round(LEVEL * (RESAMPLES + 1)) - 1])
        if np.isfinite(found):
            how = f"max-t bootstrap over clusters, {RESAMPLES} resamples"
            return Width(found, f"simultaneous over {count}, {how}, G={clusters}")
    return bonferroni(count, clusters)


def bonferroni(count: int, clusters: int) -> Width | None:
    """The width of Student's t at which so many intervals hold together; None with fewer than two clusters."""
    if clusters < 2:
        return None
    errors = quantile(1 - (1 - LEVEL) / 2 / count, clusters - 1)
    together = f"simultaneous over {count}, t after Bonferroni" if count > 1 else "t"
    return Width(errors, f"{together}, G={clusters}")


def _largest_t(influences: Floats) -> Floats:
    """Of each resample (B,) the largest |t| of its differences."""
    clusters = len(influences)
    counts = cluster_counts(clusters)  # (B, G)
    both = np.concatenate([influences, influences**2], axis=1)  # (G, 2 K)
    found = []
    for part in row_parts(RESAMPLES, clusters):
        shift, squares = np.split(counts[part].astype(np.float64) @ both, 2, axis=1)  # 2 x (b, K)
        spread = squares - shift**2 / clusters
        spread[spread <= ROUNDING * squares] = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(shift) / np.sqrt(clusters / (clusters - 1) * spread)
        found.append(np.nan_to_num(t, nan=0.0, posinf=np.inf).max(axis=1))  # no shift, no spread
    return np.concatenate(found)
