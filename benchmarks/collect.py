"""The JSON of every benchmark as one uniform table, its verdicts, and what may be quoted. Plain data in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pairing import is_contended
from results import SCHEMA

Document = Mapping[str, Any]
MET, MISSED, OPEN = "met", "missed", "undecided"
ROW = (
    "benchmark", "case", "arm", "ours", "peer", "unit", "cpu_s", "wall_s", "rounds", "clock", "difference", "measure",
    "tolerance", "goal", "share", "note",
)  # fmt: skip


def collect(documents: Mapping[str, Document]) -> dict[str, Any]:
    """All benchmarks as one document.

    Args:
        documents: name of a measurement to what its script wrote, in the order of the table. ``run``, where
            `publish.py` added it, says how busy the machine was.

    Returns:
        ``conditions`` by name, and ``rows``, ``figures`` and ``curves``, each with its ``source``.

    Raises:
        ValueError: a measurement of another version of the scripts.
    """
    found: dict[str, Any] = {"schema": SCHEMA, "conditions": {}, "rows": [], "figures": [], "curves": []}
    for source, document in documents.items():
        if document.get("schema") != SCHEMA:
            raise ValueError(f"{source} has schema {document.get('schema')}, not {SCHEMA}: measure it again")
        conditions = conditions_of(document)
        found["conditions"][source] = conditions
        contended = conditions["contended"]
        found["rows"] += [{"source": source, **row_of(row, contended)} for row in document["rows"]]
        found["figures"] += [{"source": source, **figure_of(one, contended)} for one in document["figures"]]
        found["curves"] += [
            {"source": source, **one, "clock": "cpu_s" if contended else one["clock"]} for one in document["curves"]
        ]
    return found


def conditions_of(document: Document) -> dict[str, Any]:
    """Machine, settings, and how busy it was: before the first benchmark, and with others' work meanwhile."""
    environment, run = dict(document["environment"]), document.get("run", {})
    if {"load_before", "cpus"} <= environment.keys():
        environment["contended"] = is_contended(environment["load_before"], environment["cpus"])
    known = {"others": None, "seconds": None} | environment | dict(run)
    return known | {"settings": dict(document["settings"])}


def row_of(row: Mapping[str, Any], contended: bool) -> dict[str, Any]:
    """A row of the table: the ratio by the clock that is quoted, and by the other where that can be trusted.

    A ratio of CPU times stands on a busy machine too; one of wall times does not.
    """
    clock, ratios = row["clock"], row["ratio"] or {}
    quoted = None if contended and clock == "wall_s" else ratios.get(clock)
    wall = None if contended else ratios.get("wall_s")
    verdict = verdict_of(quoted, row["goal"], "least")
    share = None if contended and clock == "wall_s" else row["share"]
    judged = {"share": share, "ratio": quoted, "ratio_wall": wall, "verdict": verdict, "quiet": not contended}
    return {key: row[key] for key in ROW} | judged


def figure_of(figure: Mapping[str, Any], contended: bool) -> dict[str, Any]:
    """A figure; one that was read from the wall on a busy machine is kept, but neither quoted nor judged."""
    quoted = not (contended and figure["clock"] == "wall_s")
    verdict = verdict_of(figure, figure["goal"], figure["sense"]) if quoted else None
    return dict(figure) | {"quoted": quoted, "verdict": verdict}


def verdict_of(found: Mapping[str, Any] | None, goal: float | None, sense: str) -> str | None:
    """Whether a goal is met: by the whole interval, or by the value where there is none.

    Args:
        found: value, low and high; None means that there is nothing to judge.
        goal: None means that there is none.
        sense: ``least`` where more is better, ``most`` where less is.
    """
    if found is None or found["value"] is None or goal is None:
        return None
    ends = [found["value"] if found[end] is None else found[end] for end in ("low", "high")]
    reached = [end >= goal if sense == "least" else end <= goal for end in ends]
    return MET if all(reached) else OPEN if any(reached) else MISSED


def is_drawn(row: Mapping[str, Any]) -> bool:
    """Whether a row has a place in the plot of ratios: variants of ours have none."""
    return row["ratio"] is not None and bool(row["peer"])


def judged(found: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Rows and figures that were held against a goal."""
    return [one for kind in ("rows", "figures") for one in found[kind] if one["verdict"] is not None]
