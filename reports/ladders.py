"""doctor.png and doctor.svg: how each metric answers to images that get worse, a panel for each way of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.curves import COLOURS, FAINT, INK
from reports.drawing import FORMS, new_figure, picture, plain_style
from reports.files import write_bytes
from reports.text import clean

NAME = "doctor"
PANELS = ("prompts", "blur", "noise", "jpeg", "resize")
"""Columns; what has no ladder of its own is in the first one."""
SINGLE = {"mirror": "mirrored", "word": "one word", "shuffled": "shuffled", "grey": "empty"}
TITLES = {"prompts": "prompts, empty images", "jpeg": "JPEG quality", "blur": "blur", "copies": "copies"}
SEEN, WRONG = COLOURS[0], COLOURS[1]
WIDE, TALL = 2.45, 1.95  # inches of a panel


def write_ladders(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw an examination of metrics; return the files' paths.

    Args:
        found: ``title``, and ``metrics``, each with ``name``, ``unit``, ``higher_is_better``, ``row`` (its value on the
            images as they are), ``floor`` (low, high and n, or None) and ``ladders``: name to ``verdict`` (word) and
            ``findings``, each with label, difference, low, high and sight.
        folder: where they go.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    metrics = found["metrics"]
    with plain_style(8):
        layout = ConstrainedLayoutEngine(wspace=0.05, hspace=0.04)
        figure = new_figure(WIDE * len(PANELS) + 0.6, TALL * max(1, len(metrics)) + 0.9, 150, layout)
        grid = figure.subplots(max(1, len(metrics)), len(PANELS), squeeze=False, sharey="row")
        for number, metric in enumerate(metrics):
            for axes, panel in zip(grid[number], PANELS, strict=True):
                _panel(axes, metric, panel)
            _name(grid[number][0], metric)
        _legend(figure)
        return [write_bytes(picture(figure, kind), folder / f"{NAME}.{kind}") for kind in FORMS]


def _panel(axes: Any, metric: Mapping[str, Any], panel: str) -> None:
    ladders = metric["ladders"]
    own = "copies" if panel == "prompts" and "copies" in ladders else panel
    _style(axes)
    if own == "prompts":
        findings = [ladders[key]["findings"][0] | {"label": word} for key, word in SINGLE.items() if key in ladders]
        word = ""
    elif own in ladders:
        findings, word = ladders[own]["findings"], _word(ladders[own])
    else:
        axes.set_axis_off()
        return
    _draw(axes, metric, findings, joined=own != "prompts")
    axes.set_title(TITLES.get(own, own), loc="left", fontsize=8, fontweight="bold", color=INK, pad=4)
    axes.set_title(word, loc="right", fontsize=7.5, color=WRONG if word == "wrong way" else INK, pad=4)


def _draw(axes: Any, metric: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], joined: bool) -> None:
    value = metric["row"]["value"]
    if metric["floor"] and metric["floor"]["n"] == metric["row"]["n"]:  # else it is the floor of another number
        axes.axhspan(metric["floor"]["low"], metric["floor"]["high"], color=COLOURS[2], alpha=0.18, linewidth=0)
    axes.axhline(value, color=INK, linewidth=0.7, linestyle=(0, (1, 2)))
    places = [(place, f) for place, f in enumerate(findings, 1) if f["difference"] is not None]
    if joined:
        axes.plot(
            [0, *(p for p, _ in places)], [value, *(value + f["difference"] for _, f in places)], color=SEEN, lw=1
        )
    axes.plot([0], [value], "s", color=INK, markersize=3.5)
    for place, f in places:
        colour = WRONG if f["sight"] == "wrong" else SEEN
        filled = f["sight"] in ("seen", "wrong")
        if f["low"] is not None:
            axes.plot([place, place], [value + f["low"], value + f["high"]], color=colour, linewidth=1)
        axes.plot(
            [place], [value + f["difference"]], "o", color=colour, markersize=4.5, mfc=colour if filled else "white"
        )
    axes.set_xlim(-0.4, len(findings) + 0.4)
    turned = {} if joined else {"rotation": 20, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(findings) + 1), ["as is", *(f["label"] for f in findings)], fontsize=7, **turned)


def _word(ladder: Mapping[str, Any]) -> str:
    verdict = ladder["verdict"]
    if verdict["first"] is None:
        return str(verdict["word"])
    return f"seen from {ladder['findings'][verdict['first']]['label']}"


def _name(axes: Any, metric: Mapping[str, Any]) -> None:
    better = {True: "higher is better", False: "lower is better", None: ""}[metric["higher_is_better"]]
    name = clean(metric["name"])
    axes.set_ylabel(f"{name}\n{better}", fontsize=8, color=INK, parse_math=False)


def _style(axes: Any) -> None:
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=3, labelcolor=INK)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def dot(colour: str, face: str, words: str) -> Any:
        return Line2D([], [], color=colour, marker="o", mfc=face, linestyle="none", markersize=5, label=words)

    handles = [
        Line2D([], [], color=INK, marker="s", linestyle="none", markersize=4, label="the images as they are"),
        dot(SEEN, SEEN, "change seen"),
        dot(SEEN, "white", "not seen"),
        dot(WRONG, WRONG, "found better: wrong way"),
        Patch(color=COLOURS[2], alpha=0.18, label="real images (95 % of draws)"),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, labelcolor=INK, fontsize=8
    )
