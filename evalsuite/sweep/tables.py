"""A sweep as tables: points by cost, with their metric, seconds, front and the one to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalsuite.sections import Section
from evalsuite.sweep.outcome import Front, Line
from evalsuite.sweep.run import Sweep
from evalsuite.sweep.timing import Seconds
from evalsuite.sweep.words import left_behind, notes, seconds_words, sentences, title
from reports.digits import MISSING, Number, decimals, show

GAP = 3
"""Columns between two cells."""
NARROWEST = 80


def sections(found: Sweep, width: int | None = None) -> list[Section]:
    """The points, the fronts by ratio, and what was left behind.

    Args:
        found: the sweep.
        width: columns there are; metrics besides the one compared are left out where they do not fit. None means any.
    """
    parts = list(dict.fromkeys(one.part for one in found.fronts if one.part != "all"))
    behind = left_behind(found)
    whole = _whole(found, width)
    return [
        Section(title(found), whole.header, whole.lines, ("", *sentences(found), *whole.notes)),
        *(_by_part(found, part) for part in parts),
        *([Section("Left behind", (), (), behind)] if behind else []),
        Section("", (), (), tuple(notes(found))),
    ]


def _whole(found: Sweep, width: int | None) -> Section:
    columns = {"": [str(line.number) for line in found.lines]}
    columns |= _settings(found)
    columns |= {arrow(found, found.plan.axes.metric): _values(found, found.plan.axes.metric)}
    if len({line.images for line in found.lines}) > 1:
        columns["images"] = [str(line.images) for line in found.lines]
    columns |= {_cost_name(found): [_cost(found, line) for line in found.lines]}
    columns |= {"front": [_standing(found, line, "all") for line in found.lines]}
    columns |= {" ": [_mark(found, line, "all") for line in found.lines]}
    others = [name for name in _metrics(found) if name != found.plan.axes.metric]
    left_out = []
    for name in others:
        column = {arrow(found, name): _values(found, name)}
        if width is None or _width(columns | column) <= max(width, NARROWEST):
            columns |= column
        else:
            left_out.append(name)
    said = [f"No room for {', '.join(left_out)}: see sweep.md."] if left_out else []
    return Section("", list(columns), list(zip(*columns.values(), strict=True)), said)


def _by_part(found: Sweep, part: str) -> Section:
    metric = found.plan.axes.metric
    lines = [line for line in found.lines if any(_place(one, line) is not None for one in _fronts(found, part))]
    columns = {"": [str(line.number) for line in lines]}
    columns |= {name: [cells[found.lines.index(line)] for line in lines] for name, cells in _settings(found).items()}
    columns |= {arrow(found, metric): _values(found, metric, part, lines)}
    columns |= {_cost_name(found): [_cost(found, line, part) for line in lines]}
    columns |= {"front": [_standing(found, line, part) for line in lines]}
    columns |= {" ": [_mark(found, line, part) for line in lines]}
    return Section(part.replace("=", " "), list(columns), list(zip(*columns.values(), strict=True)))


def _settings(found: Sweep) -> dict[str, list[str]]:
    """Those in which points differ."""
    columns = {
        "model": [line.point.model for line in found.lines],
        "guidance": [f"{line.point.guidance:g}" for line in found.lines],
        "steps": [str(line.point.steps) for line in found.lines],
        "sampler": [line.point.sampler for line in found.lines],
    }
    return {name: cells for name, cells in columns.items() if len(set(cells)) > 1}


def _metrics(found: Sweep) -> list[str]:
    """Those with a value somewhere, of which one direction is better, in the order of the run."""
    cards = [line.card for line in found.lines if line.card is not None]
    scores = {name: metric for card in cards for name, metric in card.metrics.items()}
    return [name for name, metric in scores.items() if metric.higher_is_better is not None and metric.rows]


def arrow(found: Sweep, metric: str) -> str:
    """The metric with the direction that is better."""
    cards = [line.card for line in found.lines if line.card is not None and metric in line.card.metrics]
    return metric if not cards else f"{metric} {'↑' if cards[0].metrics[metric].higher_is_better else '↓'}"


def _values(found: Sweep, metric: str, part: str = "all", lines: Sequence[Line] | None = None) -> list[str]:
    rows = [line.row(metric, part) for line in (found.lines if lines is None else lines)]
    numbers = [None if row is None else Number(row.value, row.low, row.high, row.n) for row in rows]
    digits = decimals(one for one in numbers if one is not None)
    return [MISSING if one is None else show(one, digits) for one in numbers]


def _cost_name(found: Sweep) -> str:
    return "s/image" if found.plan.axes.against == "seconds" else "passes"


def _cost(found: Sweep, line: Line, part: str = "all") -> str:
    if found.plan.axes.against == "passes":
        return str(line.point.passes)
    seconds = found.seconds(line, part)
    return MISSING if seconds is None else spread_words(seconds)


def spread_words(seconds: Seconds) -> str:
    """The median with its quartiles."""
    value, low, high = map(seconds_words, seconds[:3])
    return value if low == value == high else f"{value} [{low}, {high}]"


def _standing(found: Sweep, line: Line, part: str) -> str:
    if line.status != "compared":
        return line.status
    for one in _fronts(found, part):
        if (place := _place(one, line)) is not None:
            own = one.found[place]
            behind = "" if own.behind is None else str(one.lines[own.behind].number)
            if own.standing == "no":
                return f"no: {behind}"
            return own.standing + (f", behind {behind}" if behind else "")
    return "no value"


def _mark(found: Sweep, line: Line, part: str) -> str:
    for one in _fronts(found, part):
        if (place := _place(one, line)) is not None:
            return "← take" if place == one.knee.place else "best" if place == one.knee.best else ""
    return ""


def _fronts(found: Sweep, part: str) -> Iterator[Front]:
    return (one for one in found.fronts if one.part == part)


def _place(one: Front, line: Line) -> int | None:
    return one.place_of(line)


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(len, [name, *cells])) + GAP for name, cells in columns.items()) - GAP
