"""What every benchmark writes: rows of arms that did the same work, single figures, and curves of cost against work.

A row is one arm of a comparison: what a unit of work took, how many times ours that is, how far its answer is from
ours. A figure is one number beside its goal. A curve has a point per amount of work. All are plain JSON data, and
`publish.py` makes one table and the plots of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pairing import CLOCKS, Clock, Ratio, Timing, median, ratio

SCHEMA = 1
DIFFERENT = "different work"
Row = dict[str, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms that are to do the same work.

    Attributes:
        benchmark: name of the script.
        case: what the work is.
        ours: the arm that the others are divided by.
        unit: what a time is of.
        per: units in a call.
        measure: what the difference of two answers is given in.
        tolerance: the largest difference at which the work is the same.
        clock: whose ratio is held against a goal: that of a CPU, or of the wall for work on a GPU.
        variants: arms that are ours too.
    """

    benchmark: str
    case: str
    ours: str
    unit: str = "call"
    per: int = 1
    measure: str = ""
    tolerance: float = math.inf
    clock: Clock = "cpu_s"
    variants: tuple[str, ...] = ()

    def same(self, difference: float | None) -> bool:
        """Whether an answer so far from ours is that of the same work."""
        return difference is None or difference <= self.tolerance


@dataclass(frozen=True, slots=True)
class Limit:
    """What the matrix multiplications of a unit of work would take at best.

    Attributes:
        flops: of a unit of work.
        peak: GFLOP/s of the fastest product of two large matrices on all threads.
        threads: that share the work.
    """

    flops: float
    peak: float
    threads: int = 1

    def share(self, row: Row) -> float:
        """Of the limit that a row reached, by its own clock."""
        threads = self.threads if row["clock"] == "cpu_s" else 1
        return float(self.flops * threads / row[row["clock"]] / 1e9 / self.peak)


def rows(
    about: Comparison,
    timings: Sequence[Timing],
    differences: Mapping[str, float] = NOTHING,
    goals: Mapping[str, float] = NOTHING,
    notes: Mapping[str, str] = NOTHING,
    limit: Limit | None = None,
) -> list[Row]:
    """A row per arm: those that did different work have no ratio, and may have no timing.

    Args:
        about: the comparison.
        timings: of its arms; others are left out where `differences` names the arms.
        differences: arm to the difference of its answer from ours.
        goals: arm to the ratio that is hoped for.
        notes: arm to words on how it ran.
        limit: what the device could do, where it is known.
    """
    timed = dict.fromkeys(timing.arm for timing in timings)
    found = []
    for arm in differences or timed:
        own = timings if arm in timed else ()
        row = _row(about, arm, own, differences.get(arm), notes.get(arm, "")) | {"goal": goals.get(arm)}
        found.append(row | {"share": limit.share(row) if limit and own else None})
    return found


def not_run(about: Comparison, arm: str, package: str) -> Row:
    """The row of an arm whose package is not here."""
    return _row(about, arm, (), None, f"not run: {package} is not installed") | {"goal": None, "share": None}


def figure(
    benchmark: str,
    name: str,
    value: float | None,
    unit: str,
    clock: Clock | None = None,
    spread: Ratio | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Row:
    """One number.

    Args:
        benchmark: name of the script.
        name: what it is.
        value: None where it could not be measured.
        unit: of the value: "share" is shown in per cent, "s" and "s per ..." as a time of its own size.
        clock: which it was read from; None where time plays no part.
        spread: of a quotient, its interval.
        least: the goal, where more is better.
        most: the goal, where less is better.
    """
    goal, sense = (least, "least") if least is not None else (most, "most" if most is not None else "")
    interval = {"low": spread and spread.low, "high": spread and spread.high, "rounds": spread and spread.rounds}
    about = {"benchmark": benchmark, "name": name, "value": value, "unit": unit, "clock": clock}
    return about | interval | {"goal": goal, "sense": sense}


def curve(
    benchmark: str,
    panel: str,
    name: str,
    axes: tuple[str, str],
    points: Iterable[Mapping[str, Any]],
    clock: Clock = "cpu_s",
) -> Row:
    """Cost against work.

    Args:
        benchmark: name of the script.
        panel: curves of one panel are drawn together.
        name: of the curve.
        axes: what is counted, and what was measured.
        points: x, cpu_s, wall_s and rounds.
        clock: which is drawn, where it can be trusted.
    """
    about = {"benchmark": benchmark, "panel": panel, "name": name, "axes": list(axes), "clock": clock}
    return about | {"points": list(map(dict, points))}


def installed(module: str) -> bool:
    """Whether a package is here, without importing it."""
    return find_spec(module) is not None


def show(found: Iterable[Row]) -> None:
    """Rows as lines of text."""
    for row in found:
        both = "" if row["cpu_s"] is None else f"{1e3 * row['cpu_s']:11.2f} CPU ms {1e3 * row['wall_s']:11.2f} wall ms"
        share = "" if row["share"] is None else f"  {row['share']:.0%} of the limit"
        times = "" if row["ratio"] is None else f"  x {_spread(row['ratio'][row['clock']])}"
        off = "" if row["difference"] is None else f"  {row['difference']:.1e} {row['measure']} apart"
        goal = "" if row["goal"] is None else f", goal {row['goal']:g}"
        note = f"  {row['note']}" if row["note"] else ""
        print(f"{row['case']:28} {row['arm']:30} {both}{times}{goal}{share}{off}{note}", flush=True)


def show_figures(found: Iterable[Row]) -> None:
    """Figures as lines of text."""
    for one in found:
        value = "none" if one["value"] is None else f"{one['value']:.4g}"
        goal = "" if one["goal"] is None else f", goal at {one['sense']} {one['goal']:g}"
        value += "" if one["low"] is None else f" (95 % {one['low']:.3g} to {one['high']:.3g})"
        print(f"{one['name']}: {value} ({one['unit']}){goal}", flush=True)


def show_curves(found: Iterable[Row]) -> None:
    """Curves as lines of text."""
    for one in found:
        print(f"{one['panel']}: {one['name']}")
        for point in one["points"]:
            print(f"  {point['x']:>9} {one['axes'][0]}  {point['cpu_s']:.4g} CPU s  {point['wall_s']:.4g} wall s")


def write(
    path: Path | None,
    benchmark: str,
    environment: Mapping[str, Any],
    settings: Mapping[str, Any],
    found: Sequence[Row],
    figures: Sequence[Row] = (),
    curves: Sequence[Row] = (),
    timings: Sequence[Timing] = (),
) -> None:
    """Keep everything as JSON: settings without places on this machine, and no number that is none."""
    if path is None:
        return
    kept = {key: value for key, value in settings.items() if not isinstance(value, Path | None)}
    document = {
        "schema": SCHEMA,
        "benchmark": benchmark,
        "environment": dict(environment),
        "settings": kept,
        "rows": list(found),
        "figures": list(figures),
        "curves": list(curves),
        "timings": [asdict(timing) for timing in timings],
    }
    path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _row(about: Comparison, arm: str, timings: Sequence[Timing], difference: float | None, note: str) -> Row:
    same = about.same(difference)
    divided = bool(timings) and same and arm != about.ours
    words = [note] if note else []
    return {
        "benchmark": about.benchmark,
        "case": about.case,
        "arm": arm,
        "ours": about.ours,
        "peer": arm not in (about.ours, *about.variants),
        "unit": about.unit,
        **{clock: median(timings, arm, clock) / about.per if timings else None for clock in CLOCKS},
        "rounds": sum(timing.arm == arm for timing in timings),
        "clock": about.clock,
        "ratio": {c: asdict(ratio(timings, arm, about.ours, c)) for c in CLOCKS} if divided else None,
        "difference": difference,
        "measure": about.measure,
        "tolerance": about.tolerance if math.isfinite(about.tolerance) else None,
        "note": "; ".join(words if same else [*words, DIFFERENT]),
    }


def _spread(ratio: Mapping[str, Any]) -> str:
    span = "" if ratio["low"] is None else f" (95 % {ratio['low']:.3g} to {ratio['high']:.3g})"
    return f"{ratio['value']:.3g}{span}"
