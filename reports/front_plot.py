"""front.png and front.svg: a metric against what an image costs, every point with its intervals, the front as steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.curves import COLOURS, FAINT, INK
from reports.drawing import new_figure, pictures, plain_style
from reports.files import write_bytes
from reports.label_places import place_labels
from reports.text import clean

NAME = "front"
SMALL = 8.5  # points of a label's font
WORDS, NAMES = 80, 24  # characters of a line, and of a model's name
STYLES: dict[str, dict[str, Any]] = {  # from what counts most to what counts least
    "surely": {"marker": "o", "markersize": 8.0, "alpha": 1.0},
    "possibly": {"marker": "o", "markersize": 8.0, "alpha": 1.0, "markerfacecolor": "white"},
    "no": {"marker": "o", "markersize": 5.0, "alpha": 0.45},
    "out": {"marker": "x", "markersize": 5.5, "alpha": 0.55},
}
SAID = {
    "surely": "surely on the front",
    "possibly": "possibly on it",
    "no": "beaten",
    "out": "left behind, fewer images",
}


def write_front(panels: Sequence[Mapping[str, Any]], axes: Mapping[str, str], folder: Path) -> list[Path]:
    """Draw one panel for each slice; return the files, or nothing where there is no point.

    Args:
        panels: ``title`` and ``points``; of a point ``model``, ``label``, ``cost``, ``cost_low``, ``cost_high``,
            ``value``, ``low``, ``high`` (None for no interval), ``standing`` (surely, possibly, no, out),
            ``on_front`` (as measured) and ``taken``. Costs are positive.
        axes: ``x`` and ``y``: what is drawn; ``key``: how labels are to be read.
        folder: where the files go.
    """
    panels = [panel for panel in panels if panel["points"]]
    files = {kind: folder / f"{NAME}.{kind}" for kind in ("png", "svg")}
    if not panels:
        for path in files.values():
            path.unlink(missing_ok=True)
        return []
    with plain_style(10, axes__labelcolor=INK, svg__fonttype="path"):
        found = pictures(_figure(panels, axes))
    return [write_bytes(data, path) for data, path in zip(found, files.values(), strict=True)]


def _figure(panels: Sequence[Mapping[str, Any]], axes: Mapping[str, str]) -> Any:
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = new_figure(7.6 * columns, 5.0 * rows, dpi=150)
    plots = figure.subplots(rows, columns, squeeze=False).ravel()
    models = list(dict.fromkeys(point["model"] for panel in panels for point in panel["points"]))
    colours = {model: COLOURS[number % len(COLOURS)] for number, model in enumerate(models)}
    for plot, panel in zip(plots, panels, strict=False):
        _draw(plot, panel["points"], colours)
        _dress(plot, panel, axes)
    for plot in plots[len(panels) :]:
        plot.set_visible(False)
    _explain(figure, [point for panel in panels for point in panel["points"]], colours, axes)
    figure.draw_without_rendering()  # places are known from here on
    for plot, panel in zip(plots, panels, strict=False):
        place_labels(plot, panel["points"], colours, SMALL)
    figure.set_layout_engine("none")
    return figure


def _draw(plot: Any, points: Iterable[Mapping[str, Any]], colours: Mapping[str, str]) -> None:
    plot.set_xscale("log")
    for model, colour in colours.items():
        own = [point for point in points if point["model"] == model]
        front = sorted((point["cost"], point["value"]) for point in own if point["on_front"])
        if front:
            plot.step(*zip(*front, strict=True), where="post", color=colour, linewidth=1.6, alpha=0.8, zorder=2)
        for point in own:
            _draw_point(plot, point, colour)


def _draw_point(plot: Any, point: Mapping[str, Any], colour: str) -> None:
    style = STYLES[point["standing"]]
    x, y = point["cost"], point["value"]
    low, high = (y if point[end] is None else point[end] for end in ("low", "high"))
    plot.errorbar(
        x, y, xerr=[[x - point["cost_low"]], [point["cost_high"] - x]], yerr=[[max(y - low, 0)], [max(high - y, 0)]],
        fmt="none", ecolor=colour, elinewidth=0.9, alpha=0.35 * style["alpha"] + 0.1, zorder=1,
    )  # fmt: skip
    plot.plot(x, y, linestyle="none", color=colour, markeredgewidth=1.5, zorder=4, **style)
    if point["taken"]:
        plot.plot(x, y, "o", markersize=15, markerfacecolor="none", color=colour, markeredgewidth=1.6, zorder=3)


def _dress(plot: Any, panel: Mapping[str, Any], axes: Mapping[str, str]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    plot.set_title(
        _cut(panel["title"]), loc="left", fontsize=11, fontweight="bold", color=INK, pad=10, parse_math=False
    )
    plot.set_xlabel(_cut(axes["x"]), parse_math=False)
    plot.set_ylabel(_cut(axes["y"]), parse_math=False)
    plot.set_xlim(*_limits(panel["points"]))
    plot.set_ylim(*_heights(panel["points"]))
    plot.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    plot.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    plot.xaxis.set_minor_locator(NullLocator())
    plot.xaxis.set_minor_formatter(NullFormatter())
    plot.grid(color=FAINT, linewidth=0.7)
    plot.set_axisbelow(True)
    plot.spines[["top", "right"]].set_visible(False)
    plot.spines[["left", "bottom"]].set_color(INK)
    plot.tick_params(length=0, pad=6, labelcolor=INK)


def _limits(points: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """Of the costs, with room for labels; at least a third to either side."""
    points = list(points)
    low, high = min(point["cost_low"] for point in points), max(point["cost_high"] for point in points)
    room = max((high / low) ** 0.1, 4 / 3)
    return low / room, high * room


def _heights(points: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """Of the values and their intervals, with room for labels."""
    ends = [point[end] for point in points for end in ("low", "value", "high") if point[end] is not None]
    low, high = min(ends), max(ends)
    room = 0.09 * (high - low) or 0.09 * abs(high) or 1.0
    return low - room, high + room


def _explain(
    figure: Any, points: Sequence[Mapping[str, Any]], colours: Mapping[str, str], axes: Mapping[str, str]
) -> None:
    from matplotlib.lines import Line2D

    there = {point["standing"] for point in points}
    handles: list[Any] = []
    if len(colours) > 1:
        for model, colour in colours.items():
            handles.append(Line2D([], [], color=colour, linewidth=2, label=_cut(model, NAMES)))
    if any(point["on_front"] for point in points):
        handles.append(Line2D([], [], color=INK, linewidth=1.6, label="front as measured"))
    for kind, style in STYLES.items():
        if kind in there:
            handles.append(Line2D([], [], linestyle="none", color=INK, markeredgewidth=1.5, label=SAID[kind], **style))
    ring: dict[str, Any] = {"marker": "o", "markersize": 12, "markerfacecolor": "none", "markeredgewidth": 1.6}
    handles.append(Line2D([], [], linestyle="none", color=INK, label="take this", **ring))
    legend = figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False, labelcolor=INK,
        title=_cut(axes["key"]), title_fontsize=SMALL,
    )  # fmt: skip
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)
    legend.get_title().set_color(INK)


def _cut(text: object, longest: int = WORDS) -> str:
    """Clean text that leaves room for the plot: the end of a long one tells it apart."""
    line = clean(text)
    return line if len(line) <= longest else f"{line[: longest // 3]}…{line[longest // 3 + 1 - longest :]}"
