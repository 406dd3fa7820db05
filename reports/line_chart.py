"""Curves as the numbers of an SVG: how the prediction varies along the sampling path, a line per model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.curves import PANELS, spread
from reports.digits import Number, decimals
from reports.text import clean
from reports.verdict import amount

WIDTH, HEIGHT = 480, 280  # of the drawing, in SVG units
LEFT, RIGHT, TOP, BOTTOM = 54, 96, 12, 40
NAME = 14  # characters of a model's name beside its line
PEAK = 4.0  # times the middle value: a higher one makes the axis logarithmic
MOST = 7  # ticks of an axis


@dataclass(frozen=True, slots=True)
class Line:
    """A line: its model's place in the order, how it is drawn, and its points as SVG wants them."""

    number: int
    dashed: bool
    points: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A word beside an axis or a line."""

    place: str  # rounded, in SVG units
    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing, and the same as a table: a line per time, a column per line drawn."""

    title: str
    logarithmic: bool
    lines: tuple[Line, ...]
    heights: tuple[Mark, ...]
    times: tuple[Mark, ...]
    names: tuple[Mark, ...]
    columns: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


def charts(curves: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> list[Chart]:
    """The variance of the prediction and its deviation from the mean, where there are any."""
    found = []
    for kind, title in PANELS.items():
        series: dict[tuple[int, str], list[tuple[float, float]]] = {}
        for point in curves:
            name, _, of = str(point["series"]).partition(" ")
            if of == kind and point["model"] in labels and point["value"] is not None:
                key = labels.index(point["model"]), name
                series.setdefault(key, []).append((float(point["t"]), float(point["value"])))
        if series:
            found.append(_chart(title, {key: sorted(points) for key, points in sorted(series.items())}, labels))
    return found


def _chart(title: str, series: Mapping[tuple[int, str], Sequence[tuple[float, float]]], labels: Sequence[str]) -> Chart:
    values = [value for points in series.values() for _, value in points]
    axis = Axis.over(values)
    lines, ends = [], {}
    for (number, name), points in series.items():
        drawn = " ".join(f"{_x(t):.1f},{_y(axis.height(value)):.1f}" for t, value in points)
        lines.append(Line(number, name == "conditional", drawn))
        if name == "guided" or number not in ends:
            ends[number] = axis.height(points[0][1])
    order = sorted(ends, key=lambda number: ends[number])
    placed = zip(order, spread([ends[number] for number in order]), strict=True)
    shown = decimals(Number(value, None, None, 1) for value in values)
    return Chart(
        title=title,
        logarithmic=axis.logarithmic,
        lines=tuple(lines),
        heights=tuple(Mark(f"{_y(axis.height(tick)):.1f}", f"{tick:.6g}") for tick in axis.ticks()),
        times=tuple(Mark(f"{_x(t):.1f}", f"{t:g}") for t in (1.0, 0.75, 0.5, 0.25, 0.0)),
        names=tuple(Mark(f"{_y(height):.1f}", _short(labels[number]), number) for number, height in placed),
        columns=tuple(f"{labels[number]}, {name}" for number, name in series),
        table=tuple(_table(series, shown)),
    )


@dataclass(frozen=True, slots=True)
class Axis:
    """The vertical axis from low to high, logarithmic where a peak would press everything else flat."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float]) -> Axis:
        """An axis that holds all values."""
        low, high, middle = min(values), max(values), sorted(values)[len(values) // 2]
        if low > 0 and high > PEAK * middle:
            return cls(low / 1.1, high * 1.1, True)
        low = 0.0 if 0 <= low < high / 2 else low
        return cls(low, high, False) if high > low else cls(low - 0.5, high + 0.5, False)

    def height(self, value: float) -> float:
        """Where a value is, from 0 at the bottom to 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Three to seven round values."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                found = [k * 10.0**p for p in powers for k in factors if self.low <= k * 10.0**p <= self.high]
                if len(found) <= MOST:
                    break
            return found[:: math.ceil(len(found) / MOST)] if found else [self.low, self.high]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [step * k for k in range(first, last + 1)]


def _table(series: Mapping[Any, Sequence[tuple[float, float]]], digits: int) -> Iterable[tuple[str, ...]]:
    found = [dict(points) for points in series.values()]
    for t in sorted({t for points in found for t in points}, reverse=True):
        yield (f"{t:.3f}", *(amount(points.get(t), digits) for points in found))


def _tall() -> float:
    return HEIGHT - TOP - BOTTOM


def _x(t: float) -> float:
    """From noise, t = 1, on the left to the image, t = 0, on the right."""
    return LEFT + (1 - t) * (WIDTH - LEFT - RIGHT)


def _y(height: float) -> float:
    return TOP + (1 - height) * _tall()


def _short(name: str) -> str:
    name = clean(name)
    return name if len(name) <= NAME else f"{name[:4]}…{name[5 - NAME :]}"  # a long one's end tells it apart
