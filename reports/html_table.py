"""The table of a report: a line per metric with every model's value, the difference as an interval, the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports import tables
from reports.contents import Contents
from reports.digits import MISSING, Number, decimals, show
from reports.verdict import amount, digits_of, prompts_to_settle

WIDE = 120.0  # of the drawn interval, in SVG units; nothing is at its middle
WORDS = {
    "better": "{a} better",
    "worse": "{b} better",
    "differs": "differ",
    "none": "not seen",
    "untested": "not tested",
}
LEAST_P = 1e-4


@dataclass(frozen=True, slots=True)
class Value:
    """A model's value: as shown, whether it is marked, its group's letters, images."""

    model: str
    text: str
    best: bool
    letters: str
    n: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """An interval in SVG units from 0 to WIDE, as text."""

    low: str
    high: str
    value: str
    width: str


@dataclass(frozen=True, slots=True)
class Line:
    """One metric on all images; the fields from ``difference`` on are empty unless two models are compared."""

    name: str
    title: str
    direction: str
    unit: str
    values: tuple[Value, ...]
    protocols: tuple[str, ...]
    methods: tuple[str, ...]
    notes: tuple[str, ...]
    difference: str = ""
    limits: str = ""
    drawn: Drawn | None = None
    p: str = ""
    wins: str = ""
    n: str = ""
    visible: str = ""
    settle: str = ""
    word: str = ""
    verdict: str = ""
    sentence: str = ""


def lines(contents: Contents) -> list[Line]:
    """A line per metric, in their order."""
    compared = contents.comparison
    of_two = compared is not None and len(compared["labels"]) == 2
    whole = [d for d in compared["differences"] if d["slice"] == "all"] if compared is not None else []
    differences = {d["metric"]: d for d in whole} if of_two else {}
    letters = {
        r["metric"]: {p["label"]: p["letters"] for p in r["places"]}
        for r in (compared["rankings"] if compared is not None else ())
        if r["slice"] == "all"
    }
    found = []
    for metric in contents.metrics:
        rows = {r["model"]: r for r in contents.rows if r["metric"] == metric.name and r["slice"] == "all"}
        if rows:
            d = differences.get(metric.name)
            best = _best(rows, d, letters.get(metric.name, {}), metric.higher_is_better, compared is not None)
            values = tuple(_values(contents, rows, best, letters.get(metric.name, {})))
            found.append(
                Line(
                    name=metric.name,
                    title=metric.title,
                    direction={True: "higher is better", False: "lower is better", None: "no direction"}[
                        metric.higher_is_better
                    ],
                    unit="" if metric.unit in ("", "1") else metric.unit,
                    values=values,
                    protocols=tuple(dict.fromkeys(r["protocol"] for r in rows.values())),
                    methods=tuple(dict.fromkeys(r["method"] for r in rows.values() if r["method"])),
                    notes=tuple(_notes(rows)),
                    **(_of_two(d) if d else {}),
                )
            )
    return found


def _best(
    rows: Mapping[str, Mapping[str, Any]],
    d: Mapping[str, Any] | None,
    letters: Mapping[str, str],
    higher: bool | None,
    compared: bool,
) -> set[str]:
    """Whom to mark: of two the one that is seen to be better, of more those that none is seen to beat."""
    if d is not None:
        return {"better": {d["first"]}, "worse": {d["second"]}}.get(d["verdict"], set())
    if letters and higher is not None:
        top = {label for label, found in letters.items() if "a" in found}
        return top if len(top) < len(letters) else set()
    if compared or len({row["protocol"] for row in rows.values()}) > 1:
        return set()
    numbers = {model: tables_number(row) for model, row in rows.items()}
    return tables.best_of(numbers, decimals(numbers.values()), higher)


def tables_number(row: Mapping[str, Any]) -> Number:
    """A row's value with its interval."""
    return Number(row["value"], row["low"], row["high"], int(row["n"] or 0))


def _values(
    contents: Contents, rows: Mapping[str, Mapping[str, Any]], best: set[str], letters: Mapping[str, str]
) -> Iterable[Value]:
    digits = decimals(tables_number(row) for row in rows.values())
    for label in contents.labels:
        row = rows.get(label)
        if row is None:
            yield Value(label, MISSING, False, "", "")
        else:
            text = show(tables_number(row), digits)
            yield Value(label, text, label in best, letters.get(label, ""), f"{row['n']:,}")


def _notes(rows: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    notes: dict[str, list[str]] = {}
    for model, row in rows.items():
        if row["note"]:
            notes.setdefault(row["note"], []).append(model)
    for note, models in notes.items():
        yield note if len(models) == len(rows) else f"{', '.join(models)}: {note}"


def _of_two(d: Mapping[str, Any]) -> dict[str, Any]:
    digits = digits_of(d)
    wins = d["wins"]
    limits = " to ".join(amount(d[end], digits, sign=True) for end in ("low", "high") if d[end] is not None)
    return {
        "difference": amount(d["value"], digits, sign=True),
        "limits": limits,
        "drawn": _drawn(d),
        "p": p_words(d["p_holm"]),
        "wins": f"{wins['wins']} / {wins['ties']} / {wins['losses']}" if wins else MISSING,
        "n": f"{d['n']:,}",
        "visible": amount(d["visible"], digits),
        "settle": prompts_to_settle(d) or MISSING,
        "word": WORDS[d["verdict"]].format(a=d["first"], b=d["second"]),
        "verdict": d["verdict"],
        "sentence": d["sentence"],
    }


def _drawn(d: Mapping[str, Any]) -> Drawn | None:
    """The interval as it favours the first model: to the right it is better (higher, where there is no direction)."""
    if d["low"] is None or d["value"] is None:
        return None
    low, high, value = d["low"], d["high"], d["value"]
    if d["higher_is_better"] is False:
        low, high, value = -high, -low, -value
    widest = max(abs(low), abs(high), abs(value)) * 1.08
    if not widest:
        return None
    left, right, middle = (WIDE / 2 * (1 + part / widest) for part in (low, high, value))
    return Drawn(f"{left:.1f}", f"{right:.1f}", f"{middle:.1f}", f"{right - left:.1f}")


def p_words(p: float | None) -> str:
    """``0.012``, ``<0.0001``."""
    if p is None:
        return MISSING
    if p < LEAST_P:
        return f"<{LEAST_P:f}".rstrip("0")
    return f"{p:.4f}" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def clashes(contents: Contents) -> Sequence[str]:
    """Sentences on metrics that were measured under several protocols."""
    protocols: dict[str, set[str]] = {}
    for row in contents.rows:
        if row["slice"] == "all":
            protocols.setdefault(row["metric"], set()).add(row["protocol"])
    return [
        f"{metric} was measured under {len(found)} protocols; those values are not comparable."
        for metric, found in protocols.items()
        if len(found) > 1
    ]
