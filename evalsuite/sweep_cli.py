"""``evalsuite sweep``: a run at many settings, and which of them to take."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from evalsuite.options import DEFAULTS, HOW, WHERE, As, DryRun, Format, Quiet, option, takes_a_spec
from evalsuite.spec import RunSpec

if TYPE_CHECKING:
    from evalsuite.sweep.plan import Ask, Plan
    from evalsuite.sweep.run import Sweep

WHICH = "Which is best"


class Against(StrEnum):
    """What an image costs."""

    seconds = "seconds"
    passes = "passes"


Guidance = Annotated[
    str | None,
    option("--guidance", "Guidance scales, with commas; 1 is none.", HOW, DEFAULTS.guidance, metavar="A,B,..."),
]
Steps = Annotated[str | None, option("--steps", "Numbers of steps, with commas.", HOW, "as run", metavar="A,B,...")]
Samplers = Annotated[
    str | None,
    option("--sampler", "Samplers, with commas; see `evalsuite run --help`.", HOW, DEFAULTS.sampler, metavar="A,B,..."),
]
OutputDir = Annotated[
    str | None,
    option(
        "--output-dir", "For the results; images are in the folders of their runs.", WHERE, "outputs/, named after it"
    ),
]
Metric = Annotated[
    str | None, option("--metric", "Compare points by this one of the metrics.", WHICH, "the first of --metrics")
]
Cost = Annotated[
    Against, option("--against", "What an image costs: seconds, or network passes, which are exact.", WHICH, "seconds")
]
By = Annotated[str | None, option("--by", "A front for each aspect too: aspect, or none.", WHICH, "none")]
BudgetOf = Annotated[
    str | None,
    option(
        "--budget",
        "Time for making and scoring, such as 90s, 30min or 2h, spent by successive halving.",
        WHICH,
        "no limit: every point gets all images",
        metavar="TIME",
    ),
]


@takes_a_spec
def sweep(
    spec: RunSpec,
    guidance: Guidance = None,
    steps: Steps = None,
    sampler: Samplers = None,
    output_dir: OutputDir = None,
    metric: Metric = None,
    against: Cost = Against.seconds,
    by: By = None,
    budget: BudgetOf = None,
    dry_run: DryRun = False,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Run at many settings: any metric against the seconds of an image, the Pareto front, and the setting to take.

    Images are shared with `evalsuite run`, whose folders they are in. Repeat the command to go on after a stop.
    All points have one batch size; where that is left open, on cuda, it is the one that suits the dearest point.
    """
    lists = {"guidance": guidance, "steps": steps, "sampler": sampler}
    asked = _asked(spec, lists, output_dir, metric=metric, against=against.value, by=by, budget=budget)
    from evalsuite.progress import shown
    from evalsuite.sweep.plan import plan

    with shown(quiet) as progress:
        planned = plan(asked, progress, write=not dry_run)
        if not dry_run:
            from evalsuite.sweep.publish import publish
            from evalsuite.sweep.run import sweep as make

            found = make(planned, progress, write=lambda found: publish(found, progress))
            progress.note(f"report: {planned.folder / 'sweep.md'}")
    if dry_run:
        _show_plan(planned, form)
        return
    _show(found, form)
    found.check()


def _asked(
    spec: RunSpec,
    lists: dict[str, str | None],
    output_dir: str | None,
    *,
    metric: str | None,
    against: str,
    by: str | None,
    budget: str | None,
) -> Ask:
    """What the options mean; what is wrong with them is said before anything is loaded."""
    spec.validate()
    from dataclasses import replace

    from evalsuite.compare_cli import parts
    from evalsuite.sweep.budget import seconds_of
    from evalsuite.sweep.grid import Grid

    grid = Grid.read(lists, spec)
    grid.specs(spec)
    limit, kinds = None if budget is None else seconds_of(budget), parts(by or "none")
    from evalsuite.sweep.plan import Ask

    spec = spec if output_dir is None else replace(spec, output_dir=output_dir)
    return Ask(spec=spec, grid=grid, metric=metric, against=against, by=kinds, budget=limit)


def _show_plan(planned: Plan, form: Format) -> None:
    import csv
    import sys

    from evalsuite import sections
    from evalsuite.compare_text import csv_cell
    from evalsuite.sweep import dry_run

    costs = dry_run.estimate_points(planned)
    data = dry_run.to_json(planned, costs)
    if form is Format.csv:
        lines = csv.DictWriter(sys.stdout, list(data["points"][0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows({name: csv_cell(value) for name, value in point.items()} for point in data["points"])
    else:
        sections.show(dry_run.sections(planned, costs), data, sections.Form(form.value))


def _show(found: Sweep, form: Format) -> None:
    from evalsuite.display import write

    if form is Format.table:
        from rich.console import Console

        from evalsuite import sections
        from evalsuite.sweep.tables import sections as tables

        sections.show(tables(found, Console().width), {}, sections.Form.table)
    else:
        write((found.plan.folder / f"sweep.{form.value}").read_text(encoding="utf-8"))
