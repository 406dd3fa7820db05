"""aspects.png and aspects.svg: metrics by aspect ratio, from tall to wide, a panel per metric and a line per model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal, NamedTuple

from reports.curves import COLOURS, FAINT, INK
from reports.drawing import new_figure, pictures, plain_style
from reports.files import write_bytes
from reports.text import clean

NAMES = ("aspects.png", "aspects.svg")
ACROSS = 3  # panels in a row
GREY = "#777777"
SPREAD = 0.4  # of the distance of two ratios: what models are moved apart, so that their intervals stand side by side
TITLE = 40  # characters of a title's line
LONGEST = 24  # characters of a name in the legend

Kind = Literal["value", "control", "counter"]
STYLES: dict[Kind, dict[str, Any]] = {
    "value": {"linestyle": "solid", "linewidth": 1.9, "marker": "o", "markersize": 4.2},
    "control": {
        "linestyle": (0, (3, 2)), "linewidth": 1.2, "marker": "o", "markersize": 3.4, "markerfacecolor": "white",
    },
    "counter": {"linestyle": (0, (1, 1.5)), "linewidth": 1.6, "marker": "s", "markersize": 3.0},
}  # fmt: skip
WORDS: dict[Kind, str] = {
    "control": "dashed: its 1:1 images letterboxed",
    "counter": "dotted: real renders, counted the same way",
}


class Point(NamedTuple):
    """A value at one ratio; ends of its interval are None where there is none."""

    aspect: str
    value: float
    low: float | None
    high: float | None


class Series(NamedTuple):
    """A line: of which model, of what kind."""

    model: str
    kind: Kind
    points: Sequence[Point]


class Panel(NamedTuple):
    """One metric."""

    title: str
    remark: str  # below it: its name, direction and unit
    series: Sequence[Series]


def write_aspect_plot(
    panels: Sequence[Panel], models: Sequence[str], aspects: Sequence[str], folder: Path
) -> list[Path]:
    """Draw both files; return their paths, or nothing where there is no panel.

    Args:
        panels: in their order.
        models: in the order of their colours.
        aspects: ratios from tall to wide.
        folder: exists.
    """
    if not panels:
        return []
    across, down = min(len(panels), ACROSS), -(-len(panels) // ACROSS)
    with plain_style(9.5, axes__labelcolor=INK):
        figure = new_figure(max(4.2 * across, 6.0), 3.1 * down + 0.7, dpi=160)
        axes = figure.subplots(down, across, squeeze=False).flatten()
        for place, panel in zip(axes, panels, strict=False):
            _draw(place, panel, models, aspects)
        for place in axes[len(panels) :]:
            place.set_visible(False)
        _explain(figure, panels, models)
        return [write_bytes(data, folder / name) for name, data in zip(NAMES, pictures(figure), strict=True)]


def _draw(axes: Any, panel: Panel, models: Sequence[str], aspects: Sequence[str]) -> None:
    for series in panel.series:
        known = series.model in models
        number = models.index(series.model) if known else 0
        shift = SPREAD * ((number + 0.5) / len(models) - 0.5) if known else 0.0
        colour = COLOURS[number % len(COLOURS)] if known else GREY
        points = [point for point in series.points if point.aspect in aspects]
        x = [aspects.index(point.aspect) + shift for point in points]
        y = [point.value for point in points]
        axes.plot(
            x, y, color=colour, markeredgecolor=colour, zorder=3 if series.kind == "value" else 2, **STYLES[series.kind]
        )
        if series.kind == "value":
            for at, point in zip(x, points, strict=True):
                if point.low is not None and point.high is not None:
                    axes.plot([at, at], [point.low, point.high], color=colour, linewidth=1.1, alpha=0.75, zorder=2)
    _frame(axes, panel, aspects)


def _frame(axes: Any, panel: Panel, aspects: Sequence[str]) -> None:
    title = "\n".join(wrap(clean(panel.title), TITLE))
    axes.set_title(f"{title}\n", loc="left", fontsize=10.5, fontweight="bold", color=INK, parse_math=False)
    small: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8, "color": "#666666", "va": "bottom"}
    axes.text(0.0, 1.03, clean(panel.remark), parse_math=False, **small)
    axes.set_xticks(range(len(aspects)), [clean(aspect) for aspect in aspects])
    axes.set_xlim(-0.5, len(aspects) - 0.5)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=5, labelcolor=INK)


def _explain(figure: Any, panels: Sequence[Panel], models: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=COLOURS[n % len(COLOURS)], **STYLES["value"]) for n in range(len(models))]
    labels = [_short(clean(model)) for model in models]
    drawn = {series.kind for panel in panels for series in panel.series}
    for kind, words in WORDS.items():
        if kind in drawn:
            handles.append(Line2D([], [], color=GREY, **STYLES[kind]))
            labels.append(words)
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=min(4, len(handles)), frameon=False, labelcolor=INK
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _short(name: str) -> str:
    """A long path keeps its end, which tells it apart."""
    return name if len(name) <= LONGEST else f"{name[:4]}…{name[5 - LONGEST :]}"
