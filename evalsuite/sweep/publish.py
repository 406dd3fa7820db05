"""What a sweep leaves behind: a report in every run folder that is complete, tables, pictures and ``sweep.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from evalsuite import scorecard
from evalsuite.errors import Incomplete, InputError
from evalsuite.pipeline import rescore
from evalsuite.progress import Progress
from evalsuite.scoring import Scoring
from evalsuite.sweep import state
from evalsuite.sweep.lane import cost_of
from evalsuite.sweep.outcome import Cost, Line
from evalsuite.sweep.report import report
from evalsuite.sweep.rows import COLUMNS, document, long_rows
from evalsuite.sweep.run import Sweep


def publish(found: Sweep, progress: Progress) -> None:
    """Write everything; the same bytes for the same records.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    report_runs(found, progress)
    import pandas as pd

    from reports.files import write_csv, write_text
    from reports.front_plot import write_front

    folder = found.plan.folder
    try:
        rows = pd.DataFrame(long_rows(found), columns=list(COLUMNS), dtype=object)
        write_csv(rows, folder / "sweep.csv")
        pictures = write_front(list(_panels(found)), _axes(found), folder)
        write_text(report(found, picture=bool(pictures)), folder / "sweep.md")
    except OSError as error:
        place = error.filename or folder
        raise Incomplete(f"cannot write the results: {place}: {error.strerror}; repeat the command") from error
    state.save(folder, found.state, document(found))


def report_runs(found: Sweep, progress: Progress) -> None:
    """Score and report every run with a complete point, as `evalsuite run` does, unless that was done already."""
    stale = [line for line in found.lines if line.units == len(line.point.units) and not _is_reported(line)]
    runs = {line.point.folder: line.point.manifest.spec for line in stale}
    if runs:
        progress.start("report runs", len(runs))
    for folder, spec in runs.items():
        scoring = Scoring(
            metrics=spec.metrics,
            reference=spec.reference,
            weights=spec.weights or None,
            hps_backend=spec.hps_backend,
            device=spec.device,
            threads=spec.threads,
        )
        rescore(folder, scoring)
        progress.advance()


def _is_reported(line: Line) -> bool:
    """Whether the run folder has these very scores, and a report."""
    try:
        there = {card.model: card for card in scorecard.read(line.point.folder)}
    except InputError:
        return False
    own, card = line.card, there.get(line.point.model)
    same = own is not None and card is not None and (own.images, own.metrics) == (card.images, card.metrics)
    return same and (line.point.folder / "report.md").exists()


def _axes(found: Sweep) -> dict[str, str]:
    axes = found.plan.axes
    better = "higher" if axes.higher else "lower"
    cost = "Seconds per image" if axes.against == "seconds" else "Network passes per image"
    key = ", ".join(words for words, _ in _short(found) if words)
    return {"x": f"{cost}, logarithmic", "y": f"{axes.metric} ({axes.unit}), {better} is better", "key": key}


def _panels(found: Sweep) -> Iterator[dict[str, Any]]:
    cost = cost_of(found.timings, found.plan.axes.against)
    for part in dict.fromkeys(["all", *(one.part for one in found.fronts)]):
        name = "all images" if part == "all" else part.replace("=", " ")
        points = [drawn for line in found.lines if (drawn := _drawn(found, line, part, cost)) is not None]
        yield {"title": f"{', '.join(found.plan.models)}, {name}", "points": points}


def _drawn(found: Sweep, line: Line, part: str, cost: Cost) -> dict[str, Any] | None:
    row, spent = line.row(found.plan.axes.metric, part), cost(line.point, part)
    if row is None or row.value is None or spent is None:
        return None
    front = found.front(line.point.model, part)
    place = None if front is None else front.place_of(line)
    own = None if front is None or place is None else front.found[place]
    return {
        "model": line.point.model,
        "label": " ".join(text(line) for words, text in _short(found) if words),
        "cost": spent.value,
        "cost_low": spent.low,
        "cost_high": spent.high,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "standing": "out" if own is None else own.standing,
        "on_front": own is not None and own.measured,
        "taken": front is not None and place == front.knee.place,
    }


def _short(found: Sweep) -> list[tuple[str, Callable[[Line], str]]]:
    """How a label names the settings in which points differ: what is said of it once, and the word of a point."""
    ways: list[tuple[str, Callable[[Line], str]]] = [
        ("g: guidance", lambda line: f"g{line.point.guidance:g}"),
        ("s: steps", lambda line: f"s{line.point.steps}"),
        ("sampler", lambda line: line.point.sampler),
    ]
    return [(words if len({text(line) for line in found.lines}) > 1 else "", text) for words, text in ways]
