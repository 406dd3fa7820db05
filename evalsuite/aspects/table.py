"""What follows from a metric's values along the ratios: every change, the worst one, and landscape against portrait.

Each finding is a row, and its slice says which: ``difference=3:2/1:1`` is the value at 3:2 minus that at 1:1,
``drop=3:2/1:1`` how much worse the worst ratio is (positive is worse), ``farthest=3:2/1:1`` the largest change of a
metric that has no better direction, ``asymmetry=3:2/2:3`` landscape minus portrait, ``asymmetry=pooled`` their mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from evalsuite.aspects.along import Along, Weights
from evalsuite.aspects.columns import along
from evalsuite.aspects.counting import GRAIN
from evalsuite.aspects.images import square_of
from evalsuite.aspects.simultaneous import bonferroni, simultaneous
from evalsuite.difference import ANOTHER_AVERAGE
from evalsuite.metrics.base import notes
from evalsuite.paired import Contrast, Interval
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard
from evalsuite.sizes import parse_ratio

COARSE = ", with one changed image more"
STILL = "no pair of images differs, so that there is no interval"
ALONE = "one prompt family, so that there is no interval"
BEST = "no 1:1 here: against the best ratio, picked by its value, which the interval allows for"


class Family(NamedTuple):
    """Differences that one interval's width serves.

    Attributes:
        weights: of those that are reported, by what stands after the ``=`` of their slices.
        all: of every difference that could have been picked.
        note: to each.
    """

    weights: Mapping[str, Weights]
    all: Sequence[Weights]
    note: str


def findings(card: Scorecard, metric: MetricScores) -> list[Row] | str:
    """Rows of one metric: its changes, its worst ratio, its asymmetry; or why there are none."""
    found = along(card, metric)
    if isinstance(found, str):
        return found
    note = "" if _is_mean(found, metric) else ANOTHER_AVERAGE
    rows = changes(found, against(found, metric), card.model, metric, note=note)
    return [*rows, *worst(rows, metric), *asymmetry(found, card.model, metric)]


def against(found: Along, metric: MetricScores) -> Family:
    """Every ratio minus 1:1; where that is not there, minus the best one, or without a best the one nearest to it."""
    columns = found.columns
    if square_of(columns) or metric.higher_is_better is None:
        reference = min(columns, key=lambda aspect: abs(math.log(parse_ratio(aspect))))
        weights = {f"{one}/{reference}": difference(one, reference) for one in columns if one != reference}
        return Family(weights, list(weights.values()), "")
    sign = 1 if metric.higher_is_better else -1
    reference = columns[int(np.argmax(sign * found.values))]
    weights = {f"{one}/{reference}": difference(one, reference) for one in columns if one != reference}
    return Family(weights, [difference(*pair) for pair in combinations(columns, 2)], BEST)


def difference(one: str, other: str) -> Weights:
    """One column minus another."""
    return {one: 1.0, other: -1.0}


def changes(
    found: Along, family: Family, model: str, metric: MetricScores, kind: str = "difference", note: str = ""
) -> list[Row]:
    """Differences with intervals that hold for all of them together.

    Args:
        found: the metric along its columns.
        family: which.
        model: whose.
        metric: which metric.
        kind: what stands before the ``=`` of the slice.
        note: to each.
    """
    grain = GRAIN.get(metric.name, 0.0)
    moved = np.stack([found.contrast(weights).influences for weights in family.all], axis=1)
    width = bonferroni(len(family.all), len(moved)) if grain else simultaneous(moved)
    left_out = f"{found.left_out} prompts are not there at every ratio" if found.left_out else ""
    rows = []
    for name, weights in family.weights.items():
        contrast = found.contrast(weights)
        ends: Interval | None = None
        if width and (error := _error(contrast, weights, grain)):
            half = width.errors * error
            ends = Interval(contrast.value - half, contrast.value + half, f"{width.method}{COARSE if grain else ''}")
        rows.append(_row(model, metric, f"{kind}={name}", contrast, ends, notes(note, family.note, left_out)))
    return rows


def worst(rows: Sequence[Row], metric: MetricScores, name: str = "drop") -> Iterable[Row]:
    """The worst of some changes, as a drop: positive is worse. Of a metric without direction the farthest, signed.

    Args:
        rows: all changes of one kind.
        metric: whose they are.
        name: before the ``=`` of the slice where the metric has a direction.
    """
    picked = f"picked by its value among {len(rows)}, which the interval allows for" if len(rows) > 1 else ""
    better = metric.higher_is_better
    sign = -1.0 if better else 1.0
    row = max(rows, key=lambda row: abs(row.value or 0) if better is None else sign * (row.value or 0))
    part = row.slice.partition("=")[2]
    said = notes(picked, row.note)
    if better is None:
        yield replace(row, slice=f"{name.replace('drop', 'farthest')}={part}", note=said)
        return
    ends = sorted(sign * end for end in (row.low, row.high) if end is not None)
    low, high = ends if ends else (None, None)
    value = sign * (row.value or 0) + 0.0  # no minus before a zero
    yield replace(row, slice=f"{name}={part}", value=value, low=low, high=high, higher_is_better=False, note=said)


def asymmetry(found: Along, model: str, metric: MetricScores) -> Iterable[Row]:
    """Landscape minus portrait of every couple of mirrored ratios, then their mean."""
    couples = mirrored(found.columns)
    weights: dict[str, dict[str, float]] = {f"{wide}/{tall}": {wide: 1.0, tall: -1.0} for wide, tall in couples}
    if len(couples) > 1:
        share = 1 / len(couples)
        weights["pooled"] = {name: sign * share for wide, tall in couples for name, sign in ((wide, 1), (tall, -1))}
    grain = GRAIN.get(metric.name, 0.0)
    for name, w in weights.items():
        if grain:
            (row,) = changes(found, Family({name: w}, [w], ""), model, metric, "asymmetry")
            yield row
        else:
            contrast = found.contrast(w)
            yield _row(model, metric, f"asymmetry={name}", contrast, contrast.interval() if contrast.error else None)


def mirrored(aspects: Iterable[str]) -> list[tuple[str, str]]:
    """Couples of a landscape ratio and the same one turned, from the mildest to the steepest."""
    ratios = {parse_ratio(aspect): aspect for aspect in aspects}
    return [(ratios[ratio], ratios[1 / ratio]) for ratio in sorted(ratios) if ratio > 1 and 1 / ratio in ratios]


def _is_mean(found: Along, metric: MetricScores) -> bool:
    """Whether the compared values are the rows' own, wherever those rest on as many images."""
    pairs = zip(found.columns, found.values.tolist(), strict=True)
    rows = [(metric.row(f"aspect={aspect}"), value) for aspect, value in pairs]
    return all(
        math.isclose(row.value, value, rel_tol=1e-6, abs_tol=1e-9)
        for row, value in rows
        if row is not None and row.value is not None and row.n == found.n
    )


def _error(contrast: Contrast, weights: Weights, grain: float) -> float | None:
    """Standard error; of counts with one changed image more, so that few changes, or none, are not taken for certain.

    As Agresti and Min (Statistics in Medicine 24, 2005) add a pair to either side of paired binary data.
    """
    if contrast.error is None:
        return None
    factor = math.sqrt(sum(w * w for w in weights.values()) / 2)
    return math.hypot(contrast.error, grain * factor / contrast.n)


def _row(model: str, metric: MetricScores, part: str, contrast: Contrast, ends: Interval | None, note: str = "") -> Row:
    why = "" if ends else ALONE if contrast.error is None else STILL
    return Row(
        model=model,
        metric=metric.name,
        slice=part,
        value=contrast.value,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        n=contrast.n,
        unit=metric.unit,
        higher_is_better=None,
        protocol=metric.protocol,
        method=ends.method if ends else "none",
        note=notes(note, why),
    )
