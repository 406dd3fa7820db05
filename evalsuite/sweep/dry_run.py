"""What a sweep would make: images at every point, those that are there already, and the time for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from evalsuite.distilled import asked
from evalsuite.estimate_cost import estimate
from evalsuite.progress import duration
from evalsuite.sampling import predictions
from evalsuite.sections import Section
from evalsuite.sweep.plan import Plan
from evalsuite.sweep.point import Point
from evalsuite.sweep.timing import Timings, along_passes

FEW, MANY = 1, 101
"""Steps at which a run's time is estimated; a line through both gives that of any number."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one point would take.

    Attributes:
        point: which.
        images: of it.
        there: of them, those that are made already.
        seconds: to make the rest, without scoring.
        measured: whether the time is from its own records, or those of points that do the same work.
    """

    point: Point
    images: int
    there: int
    seconds: float
    measured: bool


def estimate_points(plan: Plan) -> list[Cost]:
    """Every point's images and time; a step is timed for models of which there is no record. Writes nothing.

    Raises:
        InputError: the run could not start.
    """
    plan.rack.drop()  # what a batch size was measured with; every model is built anew here
    timings = Timings(plan.points)
    timed: dict[str, dict[int, float]] = {}
    found = []
    for point in plan.points:
        left = [unit for unit in point.units if not timings.has(point, unit)]
        images = point.images
        there = images - sum(len(unit.jobs) for unit in left)
        own = timings.seconds(point)
        each = None if own is None else own.value * point.units[0].batch
        if each is None and left:
            if point.model not in timed:
                timed[point.model] = _timed(plan, point.model)
            each = along_passes(timed[point.model], point.passes)
        found.append(Cost(point, images, there, len(left) * (each or 0.0), own is not None))
    return found


def _timed(plan: Plan, model: str) -> dict[int, float]:
    """Passes to seconds of a unit of one ratio, from steps that are timed."""
    own = list(plan.of(model).values())
    dearest = own[-1].manifest.spec
    spec = replace(dearest, models=(model,), aspects=dearest.aspects[:1], limit=1)
    rows = asked(spec.guidance, own[-1].manifest.models[model].guided)
    found = {}
    for steps in (FEW, MANY):
        (size,) = estimate(replace(spec, steps=steps)).sizes
        found[rows * predictions(steps, own[-1].sampler)] = size.seconds_per_unit
    return found


def sections(plan: Plan, costs: list[Cost]) -> list[Section]:
    """A table for people."""
    several = len(plan.models) > 1
    header = [*(["model"] if several else []), "guidance", "steps", "sampler", "passes", "images", "there", "time"]
    lines = [
        [
            *([cost.point.model] if several else []),
            f"{cost.point.guidance:g}",
            cost.point.steps,
            cost.point.sampler,
            cost.point.passes,
            cost.images,
            cost.there,
            duration(cost.seconds) + ("" if cost.measured or not cost.seconds else " (estimated)"),
        ]
        for cost in costs
    ]
    return [Section("", header, lines, ("", *_notes(plan, costs)))]


def to_json(plan: Plan, costs: list[Cost]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "folder": str(plan.folder),
        "budget_seconds": plan.ask.budget,
        "seconds": sum(cost.seconds for cost in costs),
        "points": [
            {
                "model": cost.point.model,
                "guidance": cost.point.guidance,
                "steps": cost.point.steps,
                "sampler": cost.point.sampler,
                "passes": cost.point.passes,
                "images": cost.images,
                "there": cost.there,
                "seconds": cost.seconds,
                "measured": cost.measured,
                "run": str(cost.point.folder),
            }
            for cost in costs
        ],
    }


def _notes(plan: Plan, costs: list[Cost]) -> list[str]:
    images, there = sum(cost.images for cost in costs), sum(cost.there for cost in costs)
    seconds = sum(cost.seconds for cost in costs)
    said = [
        f"{len(costs)} points, {images} images, {there} of them made already; the rest takes about"
        f" {duration(seconds)}, scoring not included.",
        f"Results would go to {plan.folder}; images to the folders that `evalsuite run` has for these settings.",
    ]
    if plan.ask.budget is not None:
        enough = (
            "is likely to be enough for all of it"
            if seconds < plan.ask.budget
            else (f"is enough for {plan.ask.budget / seconds:.0%} of it: points will be left behind")
        )
        said.append(f"A budget of {duration(plan.ask.budget)} {enough}.")
    return said
