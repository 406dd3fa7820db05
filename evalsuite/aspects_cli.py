"""``evalsuite aspects``: how the numbers of runs change with the aspect ratio, and how much of it is the scorer."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.options import WHERE, As, Device, Format, Given, Quiet, Threads, option

LOOK = "What it looks at"
RUNS_HELP = "Runs of two aspect ratios or more: run folders, or FOLDER:MODEL for one model of several."
Some = Annotated[str | None, option("--metrics", "Only these, with commas: full names, or families.", LOOK, "all")]
Control = Annotated[
    bool,
    typer.Option(
        "--control/--no-control",
        help="Letterbox each 1:1 image to every ratio and score that: the scorer's own bias.",
        rich_help_panel=LOOK,
    ),
]
Count = Annotated[
    bool,
    typer.Option(
        "--count/--no-count",
        help="Count objects by pixels, where the caption says how many there should be.",
        rich_help_panel=LOOK,
    ),
]
Filled = Annotated[
    str | None, option("--padding", "Around letterboxed images: border, their own colour; black; grey.", LOOK, "border")
]
Output = Annotated[
    str | None,
    option("--output-dir", "For aspects.csv, .json, .md, .png and .svg.", WHERE, "aspects/ in the run's folder"),
]


def aspects(
    runs: Annotated[list[str], typer.Argument(help=RUNS_HELP, metavar="RUN...", show_default=False)],
    metrics: Some = None,
    control: Control = True,
    count: Count = True,
    padding: Filled = None,
    weights: Given = None,
    device: Device = None,
    threads: Threads = None,
    output_dir: Output = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Worst ratio, landscape against portrait, the scorer's own bias, object counts: of runs that are scored."""
    from functools import cache

    from evalsuite.aspects import card, files
    from evalsuite.aspects.letterbox import padding_of
    from evalsuite.display import write
    from evalsuite.generate import reproducible
    from evalsuite.networks import Networks
    from evalsuite.progress import shown
    from evalsuite.scoring import Scoring

    names = None if metrics is None else tuple(name.strip() for name in metrics.split(","))
    settings = card.Settings(names, control, count, padding_of(padding or "border"))
    sources = card.read(runs)
    card.check_networks(sources, settings, weights or ())
    folder = files.place(sources, output_dir)
    place, cores = Scoring(device=device, threads=threads).place()
    with shown(quiet) as progress, reproducible(cores):
        networks = cache(Networks(place, tuple(weights or ()), None, folder / "features", progress))
        found = card.make(sources, settings, folder, lambda name, uses: networks(name, frozenset(uses)), progress)
        paths = files.write_all(found, folder)
        progress.note(f"written: {', '.join(str(path) for path in paths)}")
    if form == "table":
        from rich.console import Console

        from evalsuite.aspects.terminal import table

        Console().print(table(found))
    else:
        write((folder / f"aspects.{form.value}").read_text(encoding="utf-8"))
