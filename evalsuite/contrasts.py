"""From scorecards to what can be tested: the difference of one number on one slice, or that number alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from evalsuite.paired import Contrast, of_influences, of_means, of_ratios
from evalsuite.pairing import Key, Matched, Pair, belongs, clash
from evalsuite.scorecard import MetricScores, Scorecard, ScoredImage


class Scored(NamedTuple):
    """A pair with both values of a metric."""

    pair: Pair
    a: float
    b: float


def pairs_with_values(matched: Matched, name: str, part: str = "all") -> list[Scored]:
    """Pairs of a slice for which both models have a value of their own."""
    a, b = matched.a.metrics[name].values, matched.b.metrics[name].values
    return [
        Scored(pair, a[pair.a.id], b[pair.b.id])
        for pair in matched.pairs
        if pair.a.id in a and pair.b.id in b and belongs(pair.a, part) and belongs(pair.b, part)
    ]


def contrast(matched: Matched, name: str, part: str = "all", among: Collection[Key] | None = None) -> Contrast | str:
    """The difference of a metric on a slice, or why there is none to test.

    Args:
        matched: two scorecards that both have the metric.
        name: of the metric.
        part: the slice.
        among: pairs to which a mean is restricted; None means all.
    """
    a, b = matched.a.metrics[name], matched.b.metrics[name]
    if why := clash(a.protocol, b.protocol):
        return why
    if part in a.influences or part in b.influences:
        return _of_influences(matched, a, b, part)
    if not a.values or not b.values:
        return "single images say nothing of it, so that there is no interval of the difference"
    scored = [one for one in pairs_with_values(matched, name, part) if among is None or one.pair.key in among]
    if not scored:
        return "no pair of images has it"
    clusters = [one.pair.a.cluster for one in scored]
    first, second = [one.a for one in scored], [one.b for one in scored]
    if not all(map(math.isfinite, [*first, *second])):
        return "a value is not a finite number"
    if not a.weights and not b.weights:
        return of_means(first, second, clusters)
    weights = [[m.weights.get(one.pair[k].id, 1.0) for one in scored] for k, m in enumerate((a, b))]
    return _ratio(first, weights[0], second, weights[1], clusters)


def alone(card: Scorecard, name: str, part: str = "all") -> Contrast | str:
    """A metric of one model on a slice, with what each cluster adds to it; or why that cannot be tested."""
    metric = card.metrics[name]
    row = metric.row(part)
    if part in metric.influences:
        if row is None or row.value is None or not math.isfinite(row.value):
            return "no value"
        return of_influences(row.value, _by_cluster(card.images, metric.influences[part]), 0.0, {}, row.n)
    images = [image for image in card.images if image.id in metric.values and belongs(image, part)]
    if not images:
        return "single images say nothing of it, so that it has no p"
    values, clusters = [metric.values[image.id] for image in images], [image.cluster for image in images]
    if not all(map(math.isfinite, values)):
        return "a value is not a finite number"
    if not metric.weights:
        return of_means(values, None, clusters)
    return _ratio(values, [metric.weights.get(image.id, 1.0) for image in images], None, None, clusters)


def is_mean_of_pairs(matched: Matched, name: str, part: str, found: Contrast) -> bool:
    """Whether the compared values are the rows' own, wherever the rows rest on the same images."""
    for metric, value in ((matched.a.metrics[name], found.a), (matched.b.metrics[name], found.b)):
        row = metric.row(part)
        if row is None or row.value is None or row.n != found.n:
            continue
        if not math.isclose(row.value, value, rel_tol=1e-6, abs_tol=1e-9):
            return False
    return True


def _of_influences(matched: Matched, a: MetricScores, b: MetricScores, part: str) -> Contrast | str:
    found, there = [], []
    for card, metric in ((matched.a, a), (matched.b, b)):
        row, influences = metric.row(part), metric.influences.get(part)
        if row is None or row.value is None or influences is None or not math.isfinite(row.value):
            return "one of them has no value"
        found.append((row.value, _by_cluster(card.images, influences)))
        there.append({image.pair for image in card.images if image.id in influences})
    common = there[0] & there[1] & {pair.key for pair in matched.pairs}
    if not there[0] == there[1] == common:
        counts = f"{len(there[0])} and {len(there[1])} images, of which {len(common)} pair"
        return f"it rests on {counts}: such numbers can be compared over the same images only"
    (first, added), (second, taken) = found
    return of_influences(first, added, second, taken, len(common))


def _by_cluster(images: Iterable[ScoredImage], influences: Mapping[str, float]) -> dict[object, float]:
    sums: dict[object, list[float]] = {}
    for image in images:
        if image.id in influences:
            sums.setdefault(image.cluster, []).append(influences[image.id])
    return {cluster: math.fsum(values) for cluster, values in sums.items()}


def _ratio(
    a: list[float], weights_a: list[float], b: list[float] | None, weights_b: list[float] | None, clusters: list[str]
) -> Contrast | str:
    try:
        return of_ratios(a, weights_a, b, weights_b, clusters)
    except ValueError as error:
        return str(error)
