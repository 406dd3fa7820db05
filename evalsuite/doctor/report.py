"""doctor.json, doctor.csv, doctor.md, doctor.png and doctor.svg: the same bytes for the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalsuite.doctor import words
from evalsuite.doctor.findings import Examination, Finding, Ladder, MetricReport
from evalsuite.files import disk_errors
from evalsuite.rows import COLUMNS
from evalsuite.sections import to_markdown

EXTRA = (
    "intervention", "level", "strength", "difference", "difference_low", "difference_high", "p", "p_holm", "effect",
    "visible", "sight", "verdict", "seen_from", "ladder", "must", "failed",
)  # fmt: skip
"""What a line says besides the fields of a row."""
HOW = (
    "Every image is changed, rounded to 8 bits, and scored as any other image is; the same images before and after are "
    "compared pair by pair, in clusters of prompt families. p is two-sided: by sign flips of families where those can "
    "reach 0.05 in this table, else by Student's t; distances by their influences, with the scatter of the reference "
    "counted. It is corrected by Holm over metrics and rows of the table; within a ladder the strongest level is "
    "tested first, and a weaker one where all stronger ones are seen. 'would see': the smallest true effect that is "
    "seen with a chance of 80 %, before that correction."
)


def write(found: Examination, folder: Path) -> list[Path]:
    """Write the report.

    Args:
        found: what to report.
        folder: an existing one.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    import pandas as pd

    from reports import ladders
    from reports.files import write_csv, write_text

    data = found.to_json()
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    table = pd.DataFrame(list(lines(found)), columns=[*COLUMNS, *EXTRA], dtype=object)
    with disk_errors(f"write the report in {folder}"):
        return [
            write_text(text + "\n", folder / "doctor.json"),
            write_csv(table, folder / "doctor.csv"),
            write_text(markdown(found), folder / "doctor.md"),
            *ladders.write_ladders(data, folder),
        ]


def markdown(found: Examination) -> str:
    """The report as Markdown."""
    parts = [
        "# What each metric can see",
        *map(to_markdown, words.sections(found)),
        "![every metric on every ladder](doctor.svg)",
        to_markdown(words.table_of_interventions()),
        HOW,
        *map(to_markdown, words.details(found)),
        f"Made by `{found.command}`." if found.command and "`" not in found.command else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def lines(found: Examination) -> Iterator[dict[str, Any]]:
    """Long form: a line for the images as they are, one for the floor, one for every level of every intervention."""
    for metric in found.metrics:
        yield asdict(metric.row) | {"intervention": "none"}
        if metric.floor is not None:
            floor = metric.floor
            ends = {"value": floor.value, "low": floor.low, "high": floor.high, "n": floor.n}
            method = f"percentiles of {floor.draws} draws"
            yield asdict(metric.row) | ends | {"method": method, "note": "", "intervention": "real images"}
        for ladder in metric.ladders.values():
            for finding in ladder.findings:
                yield _line(metric, ladder, finding)


def _line(metric: MetricReport, ladder: Ladder, finding: Finding) -> dict[str, Any]:
    row = asdict(finding.row) if finding.row else asdict(metric.row) | {"value": None, "low": None, "high": None}
    notes = "; ".join(dict.fromkeys(note for note in (row["note"], finding.note) if note))
    return row | {
        "note": notes,
        "intervention": ladder.key,
        "level": finding.label,
        "strength": finding.strength,
        "difference": finding.difference,
        "difference_low": finding.low,
        "difference_high": finding.high,
        "p": finding.p,
        "p_holm": finding.p_holm,
        "effect": finding.effect,
        "visible": finding.visible,
        "sight": finding.sight,
        "verdict": ladder.verdict.word,
        "seen_from": ladder.first.label if ladder.first else None,
        "ladder": ladder.verdict.shape,
        "must": ladder.must,
        "failed": ladder.verdict.failed,
    }
