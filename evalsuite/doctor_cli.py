"""``evalsuite doctor``: whether this machine is sound; with ``--metrics``, whether the metrics are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.errors import InputError
from evalsuite.options import WHAT, WHERE, As, Device, Format, Given, Quiet, Reference, Threads, option

if TYPE_CHECKING:
    from evalsuite.doctor.subject import Asked

IMAGES = 200
SOURCE_HELP = (
    "With --metrics: a run folder, RUN:MODEL, or a folder of images. Default: the package's own real images, in about a"
    " minute on two cores."
)
METRICS_HELP = (
    "Change images and prompts to a known effect, and say which metric sees it. Exit 1 where one must and does not."
)
Metrics = Annotated[bool, typer.Option("--metrics", help=METRICS_HELP, rich_help_panel=WHAT)]  # no variable: run has it
Only = Annotated[str | None, option("--only", "Metrics, with commas, as of `run --metrics`.", WHAT, "those of the run")]


def doctor(
    source: Annotated[str | None, typer.Argument(help=SOURCE_HELP, show_default=False)] = None,
    metrics: Metrics = False,
    only: Only = None,
    prompts: Annotated[str | None, option("--prompts", "Of a folder of images: a set's name, or a file.", WHAT)] = None,
    reference: Reference = None,
    max_images: Annotated[
        int, option("--max-images", "Images to look at, spread over the prompts.", WHAT, IMAGES, min=4)
    ] = IMAGES,
    weights: Given = None,
    device: Device = None,
    threads: Threads = None,
    output_dir: Annotated[
        str | None, option("--output-dir", "For doctor.md, .json, .csv, .png and .svg.", WHERE, "under outputs/")
    ] = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Check this machine: packages, devices, folders, weights. With --metrics, check what the metrics can see."""
    if not metrics:
        if source is not None:
            raise InputError(f"doctor checks this machine; to check metrics: evalsuite doctor --metrics {source}")
        _machine(weights or (), form)
        return
    from evalsuite.config import coerce
    from evalsuite.doctor.subject import Asked
    from evalsuite.scoring import Scoring

    scoring = Scoring(
        metrics=None if only is None else coerce("metrics", only, "--only"),
        reference=reference,
        weights=tuple(weights) if weights else None,
        device=device,
        threads=threads,
    )
    asked = Asked(source=source, prompts=prompts, scoring=scoring, images=max_images, output_dir=output_dir)
    _metrics(asked, form, quiet)


def _machine(weights: list[str] | tuple[()], form: Format) -> None:
    from evalsuite import display
    from evalsuite.doctor.checks import failed, section, to_csv, to_json
    from evalsuite.doctor.environment import environment
    from evalsuite.sections import Form, show

    checks = environment(weights)
    if form is Format.csv:
        display.write(to_csv(checks))
    else:
        show([section(checks)], to_json(checks), Form(form.value))
    if failed(checks):
        raise typer.Exit(1)


def _metrics(asked: Asked, form: Format, quiet: bool) -> None:
    from rich.console import Console

    from evalsuite import display
    from evalsuite.doctor.run import run
    from evalsuite.doctor.words import sections
    from evalsuite.progress import shown
    from evalsuite.sections import Form, show

    with shown(quiet) as progress:
        found, folder = run(asked, progress)
        progress.note(f"report: {folder / 'doctor.md'}")
    if form is Format.csv:
        display.write((folder / "doctor.csv").read_text(encoding="utf-8"))
    elif form is Format.md:
        display.write((folder / "doctor.md").read_text(encoding="utf-8"))
    elif form is Format.json:
        display.write((folder / "doctor.json").read_text(encoding="utf-8"))
    else:
        show(sections(found, Console().width), None, Form.table)
    if found.failed:
        raise typer.Exit(1)
