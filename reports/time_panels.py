"""Panels of curves over t with their bands, log signal to noise as a second axis: a PNG and an SVG of the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.curves import COLOURS, FAINT, INK, End, spread
from reports.drawing import new_figure, pictures, plain_style
from reports.files import write_bytes
from reports.text import clean

STYLES: Mapping[str, Mapping[str, Any]] = {  # field -> how its lines are drawn
    "conditional": {"linestyle": "solid", "linewidth": 1.8},
    "unconditional": {"linestyle": (0, (1, 1.2)), "linewidth": 1.8},
    "guided": {"linestyle": (0, (5, 1.6)), "linewidth": 1.8},
}
LEVELS = (-8, -4, -2, 0, 2, 4, 8)  # of ln SNR, marked above the panels
BAND = 0.14  # opacity
PEAK = 20.0  # times the middle value: a higher one makes the axis logarithmic
LONGEST = 16  # characters of a model's name


@dataclass(frozen=True, slots=True)
class Curve:
    """One line with its band.

    Attributes:
        name: of the model.
        colour: its place among the models.
        field: a key of STYLES.
        t: times in (0, 1).
        value: at these times; None leaves a gap.
        low: lower end of the band, or None.
        high: upper end of the band, or None.
    """

    name: str
    colour: int
    field: str
    t: Sequence[float]
    value: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share a vertical axis.

    Attributes:
        title: above.
        unit: beside the axis; empty for plain numbers.
        curves: in the order in which they are drawn.
        reference: where a thin line is drawn across, or None; the title says what it is.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    reference: float | None = None


def write_panels(
    panels: Sequence[Panel], folder: Path, name: str, columns: int, legend: Mapping[str, str]
) -> list[Path]:
    """Draw panels in rows; return the two files, or nothing where there is nothing to draw.

    Args:
        panels: those to draw.
        folder: where `<name>.png` and `<name>.svg` go.
        name: of the files.
        columns: panels in a row.
        legend: field to words; those that occur are explained below the panels.
    """
    panels = [panel for panel in panels if any(_points(curve) for curve in panel.curves)]
    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    if not panels:
        for path in paths:
            path.unlink(missing_ok=True)
        return []
    with plain_style(9, axes__labelcolor=INK, svg__fonttype="none"):
        files = pictures(_figure(panels, columns, legend))
    return [write_bytes(data, path) for data, path in zip(files, paths, strict=True)]


def _figure(panels: Sequence[Panel], columns: int, legend: Mapping[str, str]) -> Any:
    rows, columns = math.ceil(len(panels) / columns), min(columns, len(panels))
    figure = new_figure(4.5 * columns, 3.5 * rows, dpi=140)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, panels, strict=False):
        _draw(axes, panel)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    _explain(figure, panels, legend)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # both files have the one layout, which takes longer than drawing
    return figure


def _draw(axes: Any, panel: Panel) -> None:
    ends: dict[str, End] = {}
    if panel.reference is not None:
        axes.axhline(panel.reference, color=INK, linewidth=0.8)
    for curve in panel.curves:
        points = _points(curve)
        colour = COLOURS[curve.colour % len(COLOURS)]
        if not points:
            continue
        t, value, low, high = zip(*points, strict=True)
        axes.fill_between(t, low, high, color=colour, alpha=BAND, linewidth=0)
        axes.plot(t, value, color=colour, solid_capstyle="round", **STYLES[curve.field])
        ends.setdefault(curve.name, End(value[-1], t[-1], _short(clean(curve.name)), colour))
    if _is_steep(panel):
        axes.set_yscale("log", nonpositive="clip")
        least = min(value for curve in panel.curves for value in curve.value if value is not None)
        axes.set_ylim(bottom=least / 2)
    _axes(axes, panel)
    _names(axes, list(ends.values()))


def _points(curve: Curve) -> list[tuple[float, float, float, float]]:
    """Time, value and band from noise to data, where there is a value; a band of no width where there is none."""
    cells = zip(curve.t, curve.value, curve.low, curve.high, strict=True)
    found = [(t, v, v if a is None else a, v if b is None else b) for t, v, a, b in cells if v is not None]
    return sorted(found, reverse=True)


def _axes(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title, loc="left", fontsize=10, fontweight="bold", color=INK, pad=26, parse_math=False)
    axes.set_xlim(1.0, 0.0)
    axes.set_xlabel("t, from noise (1) to data (0)")
    axes.set_ylabel(panel.unit)
    low, high = axes.get_ylim()
    if 0 < low < high / 2 and axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0.0)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(which="both", length=0, pad=5, labelcolor=INK)
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        [1 / (1 + math.exp(level / 2)) for level in LEVELS], [f"{level}".replace("-", "\u2212") for level in LEVELS]
    )
    above.set_xlabel("ln SNR", fontsize=8, labelpad=2, loc="right")
    above.tick_params(length=2, pad=2, labelsize=8, labelcolor=INK, color=FAINT)
    above.spines["top"].set_color(FAINT)


def _is_steep(panel: Panel) -> bool:
    """Whether a peak would press everything else flat, and a logarithm can show both."""
    values = sorted(value for curve in panel.curves for value in curve.value if value is not None)
    return panel.reference is None and values[0] > 0 and values[-1] > PEAK * values[len(values) // 2]


def _names(axes: Any, ends: list[End]) -> None:
    ends = sorted(ends)
    places = axes.transData.transform([(end.t, end.height) for end in ends])
    heights = spread([float(height) for _, height in axes.transAxes.inverted().transform(places)])
    for end, height in zip(ends, heights, strict=True):
        axes.text(
            1.015, height, end.name, transform=axes.transAxes, color=end.colour, fontweight="bold", va="center",
            parse_math=False,
        )  # fmt: skip


def _explain(figure: Any, panels: Sequence[Panel], legend: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    present = {curve.field for panel in panels for curve in panel.curves if _points(curve)}
    fields = [field for field in STYLES if field in present and field in legend]
    handles = [Line2D([], [], color=INK, **STYLES[field]) for field in fields]
    labels = [f"{field}: {legend[field]}" for field in fields]
    figure.legend(handles, labels, loc="outside lower left", ncols=1, frameon=False, labelcolor=INK, fontsize=9)


def _short(name: str) -> str:
    """A long name keeps its end, which tells it apart."""
    return name if len(name) <= LONGEST else f"{name[:4]}…{name[5 - LONGEST :]}"
