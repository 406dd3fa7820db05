"""What an intervention does to a metric: the paired difference of its scores on the same images, with its error."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import replace

from evalsuite.doctor.verdict import SEEN
from evalsuite.paired import Contrast, of_influences, of_means, of_ratios
from evalsuite.scorecard import MetricScores

Clusters = Mapping[str, Hashable]
"""Image id to what its score may depend on."""


def effect(
    before: MetricScores,
    after: MetricScores,
    clusters: Clusters,
    clusters_after: Clusters | None = None,
    references: int | None = None,
) -> Contrast | str:
    """After minus before, over the images that both have; or why there is no difference to test.

    Args:
        before: scores of the images as they are.
        after: scores of the same images, by id, or of some of them.
        clusters: of the images.
        clusters_after: of the images after, where that differs: a copy depends on what it is a copy of.
        references: images that a distance is measured from. They are a sample too, which influences leave out: near
            the reference the error grows by sqrt(1 + n / references). None where they are not counted.
    """
    if before.influences or after.influences:
        return _of_distances(before, after, clusters, clusters_after or clusters, references)
    names = sorted(before.values.keys() & after.values.keys())
    if not names:
        row = after.row()
        return (row.note if row else "") or "single images say nothing of it"
    groups = [clusters[name] for name in names]
    first, second = ([scores.values[name] for name in names] for scores in (after, before))
    if not all(map(math.isfinite, [*first, *second])):
        return "a value is not a finite number"
    if not before.weights and not after.weights:
        return of_means(first, second, groups)
    weights = [[scores.weights.get(name, 1.0) for name in names] for scores in (after, before)]
    try:
        return of_ratios(first, weights[0], second, weights[1], groups)
    except ValueError as error:
        return str(error)


def p_value(found: Contrast, tests: int) -> float | None:
    """Two-sided p of a difference, before Holm.

    By sign flips of clusters where those can reach the level after Holm's correction for so many tests, else, with few
    clusters or very many tests, by Student's t of the clustered error.
    """
    return found.p() if flips_reach(found, tests) else replace(found, sums=None).p()


def flips_reach(found: Contrast, tests: int) -> bool:
    """Whether sign flips of a mean's clusters can be seen after a correction for so many tests."""
    return found.least_p * tests <= SEEN


def spread(scores: MetricScores) -> float | None:
    """Standard deviation of the scores of single images; None where they have none or do not differ."""
    values = list(scores.values.values())
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)) or None


def _of_distances(
    before: MetricScores, after: MetricScores, clusters: Clusters, clusters_after: Clusters, references: int | None
) -> Contrast | str:
    sums = []
    for scores, groups in ((after, clusters_after), (before, clusters)):
        row, influences = scores.row(), scores.influences.get("all")
        if row is None or row.value is None or influences is None or not math.isfinite(row.value):
            return (row.note if row else "") or "it has no value"
        by_cluster: dict[Hashable, list[float]] = defaultdict(list)
        for name, moved in influences.items():
            by_cluster[groups[name]].append(moved)
        sums.append((row.value, {group: math.fsum(moved) for group, moved in by_cluster.items()}, row.n))
    (a, added, n), (b, taken, _) = sums
    found = of_influences(a, added, b, taken, n)
    return replace(found, influences=found.influences * math.sqrt(1 + n / references)) if references else found
