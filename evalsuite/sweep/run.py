"""A sweep from its plan to its results: made within a budget or wholly, then compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from shutil import disk_usage

from evalsuite.errors import Incomplete, InputError
from evalsuite.files import disk_errors
from evalsuite.files import sweep as sweep_away
from evalsuite.lock import FolderLock
from evalsuite.networks import Networks
from evalsuite.progress import Progress, Silent
from evalsuite.records import largest_bytes
from evalsuite.sweep import state as states
from evalsuite.sweep.bench import Bench
from evalsuite.sweep.budget import Budget
from evalsuite.sweep.front import Place
from evalsuite.sweep.halving import Race, halve
from evalsuite.sweep.lane import Lane, cost_of
from evalsuite.sweep.outcome import Axes, Front, Line, fronts, parts_of
from evalsuite.sweep.plan import Plan
from evalsuite.sweep.point import identity
from evalsuite.sweep.rack import Shared
from evalsuite.sweep.standings import lines_of, numbered
from evalsuite.sweep.state import State
from evalsuite.sweep.timing import Seconds, Timings


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Attributes:
        plan: what it was.
        lines: every point, by model and then the cheapest first.
        fronts: of each model and slice.
        state: what was settled on the way, and what was spent.
        timings: of all points.
    """

    plan: Plan
    lines: tuple[Line, ...]
    fronts: tuple[Front, ...]
    state: State
    timings: Timings

    def front(self, model: str, part: str = "all") -> Front | None:
        """The front of a model on a slice."""
        return next((one for one in self.fronts if (one.model, one.part) == (model, part)), None)

    def seconds(self, line: Line, part: str = "all") -> Seconds | None:
        """Of a point's image, on all ratios or on one; other slices have those of all."""
        return self.timings.seconds(line.point, part if part.startswith("aspect=") else "all")

    def check(self) -> None:
        """Raise Incomplete where a point cannot be made, or no point of a model has all its images."""
        failed = [
            f"{line.point.model}, {line.point.name}: {line.why}" for line in self.lines if line.status == "failed"
        ]
        if failed:
            raise Incomplete(f"{len(failed)} points could not be made ({'; '.join(failed)}); the table has the others")
        for model in self.plan.models:
            own = [line for line in self.lines if line.point.model == model and line.status == "compared"]
            if not any(line.units == len(line.point.units) for line in own):
                raise Incomplete(
                    f"the budget ends before any point of {model} has all its images; repeat the command with a"
                    " larger --budget, or without one: what is made is kept"
                )


def sweep(
    plan: Plan,
    progress: Progress | None = None,
    write: Callable[[Sweep], object] | None = None,
    budget: Callable[[float | None, float], Budget] = Budget,
) -> Sweep:
    """Make, score and compare every point, as far as the budget goes; a repeated call goes on.

    Args:
        plan: what to do.
        progress: told of every image.
        write: called with what was found, while the folder is still this process's.
        budget: from a limit and what was spent before to what counts the time.

    Returns:
        What was found; `Sweep.check` says whether something is missing.

    Raises:
        InputError: the caller can fix it.
        Incomplete: the disk is full or refuses.
    """
    batch = int(plan.points[0].manifest.spec.batch_size)
    fresh = State(identity(plan.points), plan.axes.metric, plan.axes.against, plan.ask.budget, batch_size=batch)
    state = states.resume(plan.folder, fresh)
    _check(plan, state)
    with disk_errors(f"make {plan.folder}"):
        plan.folder.mkdir(parents=True, exist_ok=True)
    with FolderLock(plan.folder):
        sweep_away(plan.folder)
        found = _run(plan, state, budget(state.budget, state.spent), progress or Silent())
        if write is not None:
            write(found)
    return found


def _run(plan: Plan, state: State, budget: Budget, progress: Progress) -> Sweep:
    spec = plan.points[0].manifest.spec
    networks = Shared(Networks(spec.device, spec.weights, spec.reference, plan.folder / "features", progress))
    bench = Bench(plan.points, plan.rack, networks, budget, progress, state)
    races = [_race(plan, model, state, bench) for model in plan.models]

    def save() -> None:
        state.first = {race.model: race.first for race in races if race.first}
        state.rungs = [rung for race in races for rung in race.rungs]
        state.spent, state.scoring, state.failed = budget.spent, bench.rate, bench.failures
        states.save(plan.folder, state, {})

    save()
    _warn_of_a_full_disk(plan, bench, progress)
    try:
        bench.counting = budget.limit is not None
        state.stopped = state.stopped or not halve(races, save)
        bench.counting = False
        cost = cost_of(bench.timings, plan.axes.against)
        lines = numbered([line for race in races for line in lines_of(race, plan.of(race.model), bench, cost)])
    finally:
        save()
    found = fronts(lines, plan.axes, cost, parts_of(lines, plan.ask.by))
    return Sweep(plan, lines, tuple(found), state, bench.timings)


def _warn_of_a_full_disk(plan: Plan, bench: Bench, progress: Progress) -> None:
    missing = [(bench.missing(point, 0, len(point.units)), point.steps) for point in plan.points]
    needed, free = sum(largest_bytes(units, steps) for units, steps in missing), disk_usage(plan.folder).free
    if needed > free:
        progress.note(f"up to {needed / 1e6:.0f} MB to write, {free / 1e6:.0f} MB free in {plan.folder}")


def _race(plan: Plan, model: str, state: State, bench: Bench) -> Race:
    points = plan.of(model)
    return Race(
        model=model,
        points=list(points),
        units=len(next(iter(points.values())).units),
        higher=plan.axes.higher,
        lab=Lane(bench, points, plan.axes),
        say=_sayer(plan.axes),
        first=state.first.get(model, 0),
        rungs=[rung for rung in state.rungs if rung.model == model],
    )


def _check(plan: Plan, state: State) -> None:
    """Refuse a state that names points which are not of the plan, or units which they do not have."""
    for rung in state.rungs:
        points = plan.of(rung.model)
        told = {*rung.kept, *(drop.point for drop in rung.dropped)}
        units = {len(point.units) for point in points.values()}
        if not told <= points.keys() or not all(0 < rung.units <= count for count in units):
            raise InputError(f"{plan.folder / states.NAME} does not fit its points: delete it, images are kept")


def _sayer(axes: Axes) -> Callable[[Place], str]:
    unit = "s" if axes.against == "seconds" else "passes"
    return lambda place: f"{place.value:.4g} at {place.cost:.3g} {unit}"
