"""v_variance.png: how the prediction varies along the sampling path, a line per model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.drawing import new_figure, picture, plain_style
from reports.files import write_bytes
from reports.text import clean

if TYPE_CHECKING:
    import pandas as pd

NAME = "v_variance.png"
PANELS = {"variance": "Variance of the prediction", "deviation": "Squared deviation from its mean over the path"}
STYLES: dict[str, dict[str, Any]] = {  # drawn in this order; the last one present carries the model's name
    "conditional": {"linestyle": (0, (4, 2)), "linewidth": 1.4},
    "guided": {"linestyle": "solid", "linewidth": 2.2},
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")  # Okabe and Ito
INK, FAINT = "#333333", "#dddddd"
LABEL_GAP = 0.065  # of the panel's height: names at the lines' ends stay this far apart


class End(NamedTuple):
    """Where a model's name goes: beside the last point of its line."""

    height: float  # data units
    t: float
    name: str
    colour: str


def write_curves(curves: pd.DataFrame | None, folder: Path) -> list[Path]:
    """Draw the curves; return the file's path, or nothing where there are no curves.

    Args:
        curves: model, series ("guided variance", ...), t in [0, 1], value; one line per point.
        folder: where v_variance.png goes.
    """
    path = folder / NAME
    panels = [kind for kind in PANELS if curves is not None and curves["series"].str.endswith(kind).any()]
    if curves is None or not panels:
        path.unlink(missing_ok=True)
        return []
    with plain_style(10, axes__labelcolor=INK):
        figure = new_figure(5.6 * len(panels), 4.0, dpi=160)
        for axes, kind in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _label(axes, _draw(axes, curves, kind), kind)
        _explain_styles(figure, [series for series in STYLES if curves["series"].str.startswith(f"{series} ").any()])
        return [write_bytes(picture(figure, "png"), path)]


def _draw(axes: Any, curves: pd.DataFrame, kind: str) -> list[End]:
    ends: dict[str, End] = {}
    for number, model in enumerate(dict.fromkeys(curves["model"])):
        colour = COLOURS[number % len(COLOURS)]
        for series, style in STYLES.items():
            line = curves[(curves["model"] == model) & (curves["series"] == f"{series} {kind}")]
            line = line.dropna(subset=["value"]).sort_values("t", ascending=False)
            if not line.empty:
                axes.plot(line["t"], line["value"], color=colour, solid_capstyle="round", **style)
                ends[model] = End(
                    float(line["value"].iloc[-1]), float(line["t"].iloc[-1]), _short(clean(model)), colour
                )
    return list(ends.values())


def _label(axes: Any, ends: list[End], kind: str) -> None:
    axes.set_title(PANELS[kind], loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
    axes.set_xlabel("t, from noise (1) to image (0)")
    axes.set_xlim(1.0, 0.0)
    low, high = axes.get_ylim()
    low = 0.0 if 0 < low < high / 2 else low
    axes.set_ylim(low, high)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=6, labelcolor=INK)
    ends = sorted(ends)
    heights = spread([(end.height - low) / (high - low) for end in ends])
    for end, height in zip(ends, heights, strict=True):
        axes.text(
            1.015 - end.t, height, end.name, transform=axes.transAxes, color=end.colour,
            fontweight="bold", va="center", parse_math=False,
        )  # fmt: skip


def _short(name: str) -> str:
    """Names of at most 20 characters: a long path keeps its end, which tells it apart."""
    return name if len(name) <= 20 else f"{name[:4]}…{name[-15:]}"


def spread(heights: list[float]) -> list[float]:
    """Ascending heights moved as little as needed to stand LABEL_GAP apart, around their middle."""
    groups: list[list[float]] = []  # heights that touch form a group, centred on their mean
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _bottom(groups[-1]) - _top(groups[-2]) < LABEL_GAP:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_bottom(group) + LABEL_GAP * place for group in groups for place in range(len(group))]


def _bottom(group: list[float]) -> float:
    return sum(group) / len(group) - LABEL_GAP * (len(group) - 1) / 2


def _top(group: list[float]) -> float:
    return _bottom(group) + LABEL_GAP * (len(group) - 1)


def _explain_styles(figure: Any, drawn: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=INK, **STYLES[series]) for series in reversed(drawn)]
    about = {"guided": "what moves the image", "conditional": "without guidance"}
    labels = [f"{series}: {about[series]}" for series in reversed(drawn)]
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, labelcolor=INK)
