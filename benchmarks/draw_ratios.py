"""ratios.svg and ratios.png: how many times longer each peer takes, with intervals and goals, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from collect import is_drawn
from draw import FAINT, INK, figure_of, save

from reports.text import clean

FASTER, SLOWER, GOAL = "#0072B2", "#D55E00", "#333333"
ROW, HEAD = 0.27, 0.36  # inches
NAME, LABEL = "ratios", "times what evalsuite takes for the same work: right of 1, evalsuite is faster"


def draw(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Draw both files; return their paths.

    Args:
        rows: of `collect.collect`, of which at least one `is_drawn`.
        folder: exists.
    """
    shown = [row for row in rows if is_drawn(row)]
    groups = [(case, list(own)) for case, own in groupby(shown, key=_group)]
    tall = ROW * len(shown) + HEAD * len(groups) + 1.0
    with figure_of(8.6, tall) as figure:
        axes = figure.subplots()
        ticks: list[tuple[float, str]] = []
        place = 0.0
        for case, own in groups:
            place += HEAD / ROW - 1.0
            axes.text(0.0, place, clean(case), transform=axes.get_yaxis_transform(), fontsize=8.5, fontweight="bold",
                      color=INK, va="center", parse_math=False, zorder=5,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
            place += 1.0
            for row in own:
                _row(axes, row, place)
                ticks.append((place, clean(row["arm"])))
                place += 1.0
        _frame(axes, shown, ticks, place)
        return save(figure, folder, NAME)


def _group(row: Mapping[str, Any]) -> str:
    clock = "CPU time" if row["clock"] == "cpu_s" else "wall time"
    return f"{row['source']}: {row['case']} ({clock})"


def _row(axes: Any, row: Mapping[str, Any], place: float) -> None:
    ratio = row["ratio"]
    value, low, high = ratio["value"], ratio["low"], ratio["high"]
    colour = FASTER if value >= 1 else SLOWER
    if low is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=3)
    axes.plot([value], [place], "o", color=colour, markersize=5, zorder=4)
    if row["goal"] is not None:
        axes.plot([row["goal"]] * 2, [place - 0.36, place + 0.36], color=GOAL, linewidth=1.8, zorder=2)
    number = f"{value:.2f}" if value < 10 else f"{value:,.0f}"
    axes.text(1.01, place, number, transform=axes.get_yaxis_transform(), fontsize=8.5, color=colour, va="center",
              fontweight="bold")  # fmt: skip


def _frame(axes: Any, shown: Sequence[Mapping[str, Any]], ticks: Sequence[tuple[float, str]], end: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    values = [1.0, *(row["goal"] for row in shown if row["goal"] is not None)]
    for row in shown:
        values += [row["ratio"][end] for end in ("value", "low", "high") if row["ratio"][end] is not None]
    axes.set_xlim(min(values) / 1.3, max(values) * 1.3)
    axes.set_ylim(end, -0.4)
    axes.axvline(1.0, color=INK, linewidth=1.0, zorder=1)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks], fontsize=8.5)
    axes.set_xlabel(f"{LABEL}\nbar: 95 % interval; upright stroke: goal", fontsize=8.5)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=5, labelcolor=INK)
