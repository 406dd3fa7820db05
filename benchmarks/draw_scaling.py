"""scaling.svg and scaling.png: cost against work, a panel per kind of work, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any

from draw import COLOURS, FAINT, INK, figure_of, save

from reports.text import clean

NAME = "scaling"
ACROSS = 3  # panels in a row
TITLE = 44  # characters of a line
WORDS = {"cpu_s": "CPU time", "wall_s": "wall time"}


def draw(curves: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Draw both files; return their paths.

    Args:
        curves: of `collect.collect`, at least one; points that are not above 0 are left out.
        folder: exists.
    """
    panels = [list(own) for _, own in groupby(curves, key=lambda curve: (curve["source"], curve["panel"]))]
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    with figure_of(4.3 * across, 3.5 * down) as figure:
        places = figure.subplots(down, across, squeeze=False).flatten()
        for axes, own in zip(places, panels, strict=False):
            _panel(axes, own)
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        return save(figure, folder, NAME)


def _panel(axes: Any, curves: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    clock, (work, cost) = curves[0]["clock"], curves[0]["axes"]
    sizes: set[float] = set()
    for number, curve in enumerate(curves):
        points = [(point["x"], point[clock]) for point in curve["points"] if point[clock] > 0]
        sizes |= {x for x, _ in points}
        axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[number], markersize=4, linewidth=1.8,
                  label=clean(curve["name"]))  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(fill(clean(curves[0]["panel"]), TITLE), loc="left", fontsize=9.5, fontweight="bold", color=INK,
                   parse_math=False)  # fmt: skip
    axes.set_xlabel(work)
    axes.set_ylabel(f"{cost}, {WORDS[clock]}")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.2, high * (1.2 if len(curves) == 1 else 2.5))  # room for the legend
    ticks = sorted(sizes)
    axes.set_xticks(ticks, [f"{x:,.0f}" if x < 10**5 else f"{x:.0e}".replace("e+0", "e") for x in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=5, labelcolor=INK)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper left")
