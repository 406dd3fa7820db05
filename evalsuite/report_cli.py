"""``evalsuite report``: runs as one HTML file, or as tables for papers, spreadsheets and model cards."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalsuite.options import SHOWN, Quiet, option


class ReportFormat(StrEnum):
    """What a report is written as."""

    html = "html"
    md = "md"
    csv = "csv"
    json = "json"
    latex = "latex"
    parquet = "parquet"
    model_card = "model-card"


class Rows(StrEnum):
    """What a line of csv and parquet is."""

    scores = "scores"
    images = "images"


RUNS_HELP = "Run folders, or FOLDER:MODEL for one model of several."
Output = Annotated[
    Path | None, option("--output", "The file; for html RUN/report.html, for text the terminal.", SHOWN, metavar="FILE")
]
As = Annotated[ReportFormat, option("--format", "What to write.", SHOWN, "html")]
Of = Annotated[Rows, option("--rows", "A line of csv or parquet: one of the scores, or an image.", SHOWN, "scores")]


def report(
    runs: Annotated[list[str], typer.Argument(help=RUNS_HELP, metavar="RUN...", show_default=False)],
    form: As = ReportFormat.html,
    output: Output = None,
    rows: Of = Rows.scores,
    quiet: Quiet = False,
) -> None:
    """Draw what runs found: one HTML file to open from disk; Markdown, CSV, JSON, LaTeX, Parquet, a model card."""
    from evalsuite.display import write
    from evalsuite.progress import shown
    from evalsuite.report_files import place, write_report

    path = place(runs, form, output)
    with shown(quiet) as progress:
        text = write_report(runs, form, path, rows == Rows.images, progress)
    write(text if path is None else str(path))
