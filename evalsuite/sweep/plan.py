"""From what is asked for to a sweep that could start: everything checked, nothing written but a measurement."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.model_source import labels
from evalsuite.prepare import LONGEST_NAME
from evalsuite.progress import Progress, Silent
from evalsuite.share import share_of
from evalsuite.spec import RunSpec
from evalsuite.sweep import state as states
from evalsuite.sweep.grid import Grid
from evalsuite.sweep.outcome import Axes
from evalsuite.sweep.point import Point, identity, plan_points
from evalsuite.sweep.rack import Rack
from evalsuite.wanted import wanted

AGAINST = ("seconds", "passes")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked for.

    Attributes:
        spec: the run that is swept; its folder is that of the sweep.
        grid: the settings.
        metric: by which points are compared, a family or a name in full; None means the run's first.
        against: ``seconds`` or ``passes``.
        by: kinds of slices that get a front of their own: ``aspect``, or nothing.
        budget: seconds; None for no limit.
    """

    spec: RunSpec
    grid: Grid
    metric: str | None = None
    against: str = "seconds"
    by: tuple[str, ...] = ()
    budget: float | None = None


@dataclass(frozen=True)
class Plan:
    """A sweep that could start.

    Attributes:
        ask: what it was made from.
        points: by model, in the order of the grid.
        rack: their models.
        axes: what is drawn against what.
        folder: where the results go.
    """

    ask: Ask
    points: tuple[Point, ...]
    rack: Rack
    axes: Axes
    folder: Path

    @property
    def models(self) -> tuple[str, ...]:
        """Names, in the order given."""
        return self.ask.spec.models

    def of(self, model: str) -> dict[str, Point]:
        """The points of a model by name, the cheapest first."""
        own = [point for point in self.points if point.model == model]
        return {point.name: point for point in sorted(own, key=lambda point: point.passes)}


def plan(ask: Ask, progress: Progress | None = None, *, write: bool = True) -> Plan:
    """Check what is asked for, and find its points.

    Args:
        ask: what.
        progress: told of a batch size that is measured.
        write: whether such a measurement is kept; a dry run keeps nothing.

    Raises:
        InputError: anything the user can fix.
    """
    if ask.against not in AGAINST:
        raise InputError(f"--against {ask.against!r} is unknown: use {' or '.join(AGAINST)}")
    if any(kind != "aspect" for kind in ask.by):
        raise InputError(f"--by {', '.join(ask.by)}: a sweep has fronts by aspect, or none")
    if not share_of(os.environ).alone:
        raise InputError("a sweep is one process: start it without a launcher such as torchrun or srun")
    rack = Rack()
    points = plan_points(ask.grid.specs(_as_before(ask.spec)), rack, progress or Silent(), write=write)
    axes = axes_of(points[0].manifest.spec.metrics, ask.metric, ask.against)
    folder = Path(ask.spec.output_dir) if ask.spec.output_dir else Path("outputs") / _name(points)
    return Plan(ask, points, rack, axes, folder)


def _as_before(spec: RunSpec) -> RunSpec:
    """With the batch size of the sweep that the named folder has: one that goes on keeps it."""
    before = states.batch_size(Path(spec.output_dir)) if spec.output_dir and spec.batch_size == "auto" else None
    return spec if before is None else replace(spec, batch_size=before)


def axes_of(metrics: Sequence[str], asked: str | None, against: str) -> Axes:
    """The metric that points are compared by.

    Args:
        metrics: of the run, in full.
        asked: one of them or of what they report, in full or by its family; None means the first.
        against: ``seconds`` or ``passes``.

    Raises:
        InputError: none of them, or a number of which neither direction is better.
    """
    cards = [measure.card for name in metrics for measure in wanted(name).measures]
    found = [card for card in cards if asked is None or asked in (card.name, card.name.partition("@")[0])]
    known = ", ".join(card.name for card in cards if card.higher_is_better is not None)
    if not found:
        raise InputError(f"--metric {asked!r} is not one of this run's: use {known or 'none'}, or add it to --metrics")
    card = found[0]
    if card.higher_is_better is None:
        raise InputError(f"--metric {card.name}: neither direction of it is better; use {known or 'another metric'}")
    return Axes(card.name, card.title, card.unit, card.higher_is_better, against)


def _name(points: Sequence[Point]) -> str:
    """Like a run's, and known again by its points."""
    manifest = points[0].manifest
    words = "-".join(["sweep", *labels(manifest.spec.models).values(), manifest.prompts_name])
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[: LONGEST_NAME - 9].strip("-")
    return f"{slug}-{identity(points)[:8]}"
