"""From what models said to rows, differences and notes, and all of it into files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evalsuite import machine
from evalsuite.files import disk_errors, keep
from evalsuite.probe import bank_file, panels, text
from evalsuite.probe.ask import Questions
from evalsuite.probe.bank import Bank
from evalsuite.probe.differences import Measured, Refusal, differences
from evalsuite.probe.measurement import Measurement
from evalsuite.probe.numbers import numbers_of
from evalsuite.probe.result import Result
from evalsuite.probe.rows import COARSE, rows_of
from evalsuite.probe.subjects import Subject
from evalsuite.rows import Row


def result(
    found: Sequence[Subject],
    banks: Sequence[Bank],
    questions: Sequence[Questions],
    said: Sequence[Measurement],
    times: Sequence[float],
) -> Result:
    """Everything that is shown.

    Args:
        found: the models.
        banks: what each was shown.
        questions: what each was asked.
        said: what each said.
        times: of the banks, those left out as well.
    """
    models = []
    for subject, bank, asked, measured in zip(found, banks, questions, said, strict=True):
        numbers = numbers_of(measured, bank, asked.times)
        models.append(Measured(subject.label, numbers, rows_of(subject.label, numbers, bank, asked), bank))
    apart, refused = differences(models)
    rows = [row for model in models for row in model.rows]
    bank, asked = banks[0], questions[0]
    return Result(
        title=f"Probe of {', '.join(subject.label for subject in found)} on {len(bank.images)} pictures",
        labels=[subject.label for subject in found],
        rows=rows,
        differences=apart,
        refused=refused,
        about=_about(found, banks, asked),
        notes=list(_notes(found, bank, asked, rows, refused, times)),
    )


def write(found: Result, folder: Path) -> Result:
    """Write the report's files into a folder that exists; return what was found, with the names of its pictures.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    with disk_errors(f"write the report into {folder}"):
        drawn = panels.draw(found.rows, found.differences, found.labels, folder)
    whole = replace(found, pictures=[path.name for path in drawn])
    data = json.dumps(whole.to_json(), indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
    files = {"probe.csv": text.rows_csv(whole.rows), "probe.json": f"{data}\n", "probe.md": text.text_markdown(whole)}
    if whole.differences:
        files["differences.csv"] = text.differences_csv(whole.differences)
    else:
        (folder / "differences.csv").unlink(missing_ok=True)
    for name, content in files.items():
        keep(folder / name, content.encode("utf-8", "backslashreplace"))
    return whole


def _about(found: Sequence[Subject], banks: Sequence[Bank], asked: Questions) -> dict[str, Any]:
    run = asked.run
    shown = {bank.sha256: bank_file.describe(bank) for bank in banks}
    return {
        "models": [asdict(subject) | {"bank": bank.sha256} for subject, bank in zip(found, banks, strict=True)],
        "banks": [{key: value for key, value in about.items() if key != "images"} for about in shown.values()],
        "images": [asdict(image) for image in banks[0].images],
        "times": [{"t": t, "ln_snr": bank_file.log_snr(t)} for t in asked.times],
        "span": list(asked.span),
        "paths": {"count": asked.paths, "steps": run.steps, "sampler": run.sampler, "guidance": run.guidance},
        "dtype": run.dtype,
        "batch_size": run.batch_size,
        "threads": run.threads,
        "machine": asdict(machine.describe(run.device)),
        "versions": machine.versions(),
    }


def _notes(
    found: Sequence[Subject],
    bank: Bank,
    asked: Questions,
    rows: Sequence[Row],
    refused: Sequence[Refusal],
    times: Sequence[float],
) -> Iterator[str]:
    draws = f"{bank.draws} draws{' in pairs e, -e' if bank.antithetic else ''}"
    yield (
        "All predictions are read as e - x0 at x = (1 - t) x0 + t e."
        f" Bank: {len(bank.images)} images x {draws} x {len(asked.times)} times;"
        f" paths: {asked.paths} of {asked.run.sampler}, {asked.run.steps} steps."
        " Intervals are 95 % over images, whose noise all models share."
    )
    if not bank.has_captions:
        yield "The pictures have no captions: only the unconditional field is probed."
    left = [t for t in times if t not in asked.times]
    if left or asked.span != (0.0, 1.0):
        names = ", ".join(subject.label for subject in found if subject.span != (0.0, 1.0))
        out = f"; t = {', '.join(f'{t:g}' for t in left)} of the bank left out" if left else ""
        inside = f"t = {asked.span[0]:.3f} to {asked.span[1]:.3f}"
        yield f"{names}: a velocity is told at {inside} alone, and all models are measured there{out}."
    for subject in found:
        yield from (f"{subject.label}: {note}." for note in subject.notes)
    by_why: dict[str, list[str]] = {}
    for refusal in refused:
        by_why.setdefault(refusal.why, []).append(refusal.metric)
    for why, metrics in by_why.items():
        yield f"Not compared: {', '.join(dict.fromkeys(metrics))}: {why}."
    if any(COARSE in row.note for row in rows):
        yield f"Every number of a path {COARSE}."
    yield from _of_rows(rows)


def _of_rows(rows: Sequence[Row]) -> Iterator[str]:
    """The rows' own notes, each once with the metrics and models that it is about."""
    about: dict[str, dict[str, None]] = {}
    for row in rows:
        note = row.note.removesuffix(COARSE).removesuffix("; ")
        if note and row.slice == "all":
            about.setdefault(note, {})[f"{row.model} {row.metric}"] = None
    for note, where in about.items():
        yield f"{', '.join(where)}: {note}."
