"""cost.png and cost.svg: how FLOP grow with a picture's side, a panel per model, and seconds against their limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.curves import COLOURS, FAINT, INK
from reports.drawing import new_figure, pictures, plain_style
from reports.files import write_bytes
from reports.text import clean

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("cost.png", "cost.svg")
STYLES: dict[str, dict[str, Any]] = {  # series -> how it is drawn; in this order
    "forward in pixel space": {"color": "#CC79A7", "linestyle": (0, (1, 1.5)), "linewidth": 1.8},
    "everything else": {"color": "#8fd3bd", "linewidth": 4.0},  # wide: linear attention costs hardly more
    "forward": {"color": "#0072B2", "linewidth": 2.4},
    "forward with linear attention": {"color": "#0072B2", "linestyle": (0, (3, 2)), "linewidth": 1.4},
    "attention core": {"color": "#D55E00", "linewidth": 1.6},
}
EXPLAINED = (
    "forward", "attention core", "everything else", "forward with linear attention", "forward in pixel space",
)  # fmt: skip
MEASURED, LIMIT = "measured", "limit"
ACROSS, COLUMNS = 3, (2, 3, 5)  # most panels in a row; columns of the legend below one, two and three
LONGEST = 34  # characters of a name above a panel


class Panel(NamedTuple):
    """What a model's panel says besides its lines."""

    model: str
    remark: str  # below its name
    crossing: float | None  # the side from which on attention leads, in pixels


def write_cost_plot(points: pd.DataFrame, told: Sequence[Panel], folder: Path) -> list[Path]:
    """Draw both files; return their paths.

    Args:
        points: model, series (of STYLES, in FLOP; MEASURED and LIMIT, in seconds), side in pixels, value, low and high;
            what is not above 0 is not drawn, since the axes are logarithmic.
        told: of each model, in the order of the panels.
        folder: exists.
    """
    points = points[points["value"] > 0]
    timed = bool((points["series"] == MEASURED).any())
    count = len(told) + timed
    across, down = min(count, ACROSS), -(-count // ACROSS)
    with plain_style(9.5, axes__labelcolor=INK):
        figure = new_figure(4.6 * across, 3.9 * down + 0.5, dpi=160)
        panels = figure.subplots(down, across, squeeze=False).flatten()
        drawn = points[points["series"].isin(list(STYLES))]
        for axes, panel in zip(panels, told, strict=False):
            own = drawn[drawn["model"] == panel.model]
            _flops(axes, own, panel)
            _frame(axes, own, "FLOP of a forward")
        if timed:
            _seconds(panels[count - 1], points, [panel.model for panel in told])
            _frame(panels[count - 1], points[points["series"].isin([MEASURED, LIMIT])], "seconds")
        for axes in panels[count:]:
            axes.set_visible(False)
        _explain(figure, drawn, COLUMNS[across - 1])
        return [write_bytes(data, folder / name) for name, data in zip(NAMES, pictures(figure), strict=True)]


def _flops(axes: Any, points: pd.DataFrame, panel: Panel) -> None:
    for series, style in STYLES.items():
        line = points[points["series"] == series].sort_values("side")
        if not line.empty:
            axes.plot(line["side"], line["value"], marker="o", markersize=3.2, solid_capstyle="round", **style)
    if panel.crossing:
        axes.axvline(panel.crossing, color="#D55E00", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    _title(axes, _short(clean(panel.model)), clean(panel.remark))


def _title(axes: Any, title: str, remark: str) -> None:
    axes.set_title(f"{title}\n", loc="left", fontsize=10.5, fontweight="bold", color=INK, parse_math=False)
    axes.text(0.0, 1.025, remark, transform=axes.transAxes, fontsize=8, color="#666666", va="bottom", parse_math=False)


def _seconds(axes: Any, points: pd.DataFrame, models: Sequence[str]) -> None:
    for number, model in enumerate(models):
        colour, own = COLOURS[number % len(COLOURS)], points[points["model"] == model].sort_values("side")
        seen, limit = own[own["series"] == MEASURED], own[own["series"] == LIMIT]
        if seen.empty:
            continue
        axes.plot(limit["side"], limit["value"], color=colour, linestyle=(0, (4, 2)), linewidth=1.4)
        span = [seen["value"] - seen["low"], seen["high"] - seen["value"]]
        axes.errorbar(
            seen["side"], seen["value"], span, color=colour, fmt="o-", markersize=4, linewidth=1.8, capsize=2.5,
            label=_short(clean(model)),
        )  # fmt: skip
    _title(axes, "A pass of the denoiser, measured", "dashed: as fast as the device's best matrix product")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left")


def _frame(axes: Any, points: pd.DataFrame, unit: str) -> None:
    """Logarithmic axes over all points, with the sides that were asked for as ticks."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_yscale("log")
    sides = sorted(set(points["side"]))
    if not sides:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no multiply-adds", transform=axes.transAxes, ha="center", color=INK)
        return
    axes.set_xlim(min(sides) / 1.15, max(sides) * 1.15)
    reached = [*points["value"], *points["low"].dropna(), *points["high"].dropna()]
    axes.set_ylim(min(reached) / 2, max(reached) * 2)
    shown = _apart(sides)
    axes.set_xticks(shown, [f"{side:g}" if side == round(side) else f"{side:.0f}" for side in shown])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("side of a square picture, pixels")
    axes.set_ylabel(unit)
    axes.grid(axis="both", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=5, labelcolor=INK)


def _apart(sides: Sequence[float]) -> list[float]:
    """Sides that have room for their numbers: of those closer than an eighth of the axis, the first."""
    shown: list[float] = []
    for side in sides:
        if not shown or side / shown[-1] >= (sides[-1] / sides[0]) ** 0.12:
            shown.append(side)
    return shown


def _explain(figure: Any, drawn: pd.DataFrame, columns: int) -> None:
    from matplotlib.lines import Line2D

    there = [series for series in EXPLAINED if (drawn["series"] == series).any()]
    handles = [Line2D([], [], marker="o", markersize=3.2, **STYLES[series]) for series in there]
    figure.legend(
        handles, there, loc="outside lower center", ncols=columns, frameon=False, labelcolor=INK, fontsize=8.5,
        columnspacing=1.4,
    )  # fmt: skip


def _short(name: str) -> str:
    """A long name keeps its end, which tells it apart."""
    return name if len(name) <= LONGEST else f"{name[:8]}…{name[9 - LONGEST :]}"
