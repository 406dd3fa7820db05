"""Results in long form, and as one JSON document: every number of every point, with its settings beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalsuite.sweep.outcome import Axes, Front, Line
from evalsuite.sweep.run import Sweep
from evalsuite.sweep.timing import Seconds

COLUMNS = (
    "model", "metric", "slice", "value", "low", "high", "n", "unit", "higher_is_better", "guidance", "steps", "sampler",
    "passes", "seconds", "seconds_low", "seconds_high", "status", "front", "front_as_measured", "behind", "recommended",
    "point", "run", "protocol", "method", "note",
)  # fmt: skip
"""Of sweep.csv. Seconds are of one image: the median over units, and their quartiles, of the slice where it is a ratio.
``front`` is surely, possibly or no; it and what follows stand on rows of the metric that points are compared by."""


def long_rows(found: Sweep) -> Iterator[dict[str, Any]]:
    """A line for each point, metric and slice, in the order of the table."""
    for line in found.lines:
        if line.card is None:
            continue
        for metric in line.card.metrics.values():
            for row in metric.rows:
                own = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
                own |= settings(line) | seconds(found.seconds(line, row.slice))
                own |= {"status": line.status, "point": line.number}
                yield own | _standing(found, line, row.metric, row.slice)


def document(found: Sweep) -> dict[str, Any]:
    """What ``sweep.json`` says besides the state."""
    axes = found.plan.axes
    return {
        "metric": axes._asdict(),
        "points": [_point(found, line) for line in found.lines],
        "fronts": [_front(one, axes) for one in found.fronts],
    }


def settings(line: Line) -> dict[str, Any]:
    """Of a point, and where its images are."""
    point = line.point
    return {
        "guidance": point.guidance,
        "steps": point.steps,
        "sampler": point.sampler,
        "passes": point.passes,
        "run": str(point.folder),
    }


def seconds(found: Seconds | None) -> dict[str, Any]:
    """Of an image."""
    if found is None:
        return {"seconds": None, "seconds_low": None, "seconds_high": None}
    return {"seconds": found.value, "seconds_low": found.low, "seconds_high": found.high}


def _standing(found: Sweep, line: Line, metric: str, part: str) -> dict[str, Any]:
    nothing = {"front": None, "front_as_measured": None, "behind": None, "recommended": None}
    front = found.front(line.point.model, part) if metric == found.plan.axes.metric else None
    place = None if front is None else front.place_of(line)
    if front is None or place is None:
        return nothing
    own = front.found[place]
    return {
        "front": own.standing,
        "front_as_measured": own.measured,
        "behind": None if own.behind is None else front.lines[own.behind].number,
        "recommended": place == front.knee.place,
    }


def _point(found: Sweep, line: Line) -> dict[str, Any]:
    scores = [] if line.card is None else line.card.metrics.values()
    rows = [row for metric in scores for row in metric.rows if not row.slice.startswith("tag=")]  # sweep.csv has those
    kept = ("metric", "slice", "value", "low", "high", "n", "unit", "higher_is_better", "protocol", "method", "note")
    return {
        "number": line.number,
        "model": line.point.model,
        "name": line.point.name,
        **settings(line),
        "status": line.status,
        "why": line.why,
        "units": line.units,
        "units_planned": len(line.point.units),
        "images": line.images,
        **seconds(found.seconds(line, "all")),
        "rows": [{name: getattr(row, name) for name in kept} for row in rows],
    }


def _front(one: Front, axes: Axes) -> dict[str, Any]:
    knee = one.knee
    return {
        "model": one.model,
        "slice": one.part,
        "metric": axes.metric,
        "against": axes.against,
        "points": [
            {
                "point": line.number,
                "cost": place.cost,
                "cost_low": place.low,
                "cost_high": place.high,
                "value": place.value,
                "standing": own.standing,
                "as_measured": own.measured,
                "behind": None if own.behind is None else one.lines[own.behind].number,
            }
            for line, place, own in zip(one.lines, one.places, one.found, strict=True)
        ],
        "recommended": one.taken.number,
        "best": one.best.number,
        "recommended_minus_best": None if knee.duel is None else knee.duel._asdict(),
        "p_holm": knee.p,
        "tested_against_best": knee.family,
        "seen_to_be_worse": knee.worse,
        "not_tested": knee.untested,
        "bend": None if knee.bend is None else one.lines[knee.bend].number,
    }
