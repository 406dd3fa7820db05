"""seeds.png and seeds.svg: every training seed's mean with its interval, by recipe, a panel per metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from reports.curves import COLOURS, FAINT, INK
from reports.drawing import new_figure, pictures, plain_style
from reports.files import write_bytes
from reports.text import clean

NAMES = ("seeds.png", "seeds.svg")
ACROSS = 3  # panels in a row
TITLE = 40  # characters of a title's line
REMARK = 48  # characters of a remark's line
LONGEST = 16  # characters of a recipe's name
SPREAD = 0.5  # of the distance of two recipes: how far their seeds stand apart
MEAN = 0.36  # half the length of a mean's line


class Seed(NamedTuple):
    """One model's mean; ends of its interval over prompts are None where that is not known."""

    value: float
    low: float | None
    high: float | None


class Recipe(NamedTuple):
    """The models of one recipe."""

    name: str
    seeds: Sequence[Seed]


class Panel(NamedTuple):
    """One metric."""

    title: str
    remark: str  # below it: the difference, or the unit
    recipes: Sequence[Recipe]


def write_seed_plot(panels: Sequence[Panel], folder: Path) -> list[Path]:
    """Draw both files; return their paths, or nothing where there is no panel.

    Args:
        panels: in their order; every recipe has a seed.
        folder: exists.
    """
    if not panels:
        return []
    across, down = min(len(panels), ACROSS), -(-len(panels) // ACROSS)
    with plain_style(9.5, axes__labelcolor=INK):
        figure = new_figure(max(3.7 * across, 4.6), 3.0 * down + 0.35, dpi=160)
        axes = figure.subplots(down, across, squeeze=False).flatten()
        for place, panel in zip(axes, panels, strict=False):
            _draw(place, panel)
        for place in axes[len(panels) :]:
            place.set_visible(False)
        figure.supxlabel(
            "dot: one training seed; bar: its 95 % interval over prompts; line: mean of the seeds",
            fontsize=8.5, color=INK,
        )  # fmt: skip
        return [write_bytes(data, folder / name) for name, data in zip(NAMES, pictures(figure), strict=True)]


def _draw(axes: Any, panel: Panel) -> None:
    for at, recipe in enumerate(panel.recipes):
        colour, count = COLOURS[at % len(COLOURS)], len(recipe.seeds)
        for number, seed in enumerate(recipe.seeds):
            x = at + SPREAD * ((number + 0.5) / count - 0.5)
            if seed.low is not None and seed.high is not None:
                axes.plot([x, x], [seed.low, seed.high], color=colour, linewidth=1.3, alpha=0.7, zorder=2)
            axes.plot([x], [seed.value], "o", color=colour, markersize=5.5, markeredgecolor="white", zorder=3)
        mean = sum(seed.value for seed in recipe.seeds) / count
        axes.plot([at - MEAN, at + MEAN], [mean, mean], color=colour, linewidth=1.8, zorder=1)
    _frame(axes, panel)


def _frame(axes: Any, panel: Panel) -> None:
    remark = wrap(clean(panel.remark).replace(" %", "\N{NO-BREAK SPACE}%"), REMARK)
    title = "\n".join(wrap(clean(panel.title), TITLE))
    axes.set_title(
        title + "\n" * len(remark), loc="left", fontsize=10.5, fontweight="bold", color=INK, parse_math=False
    )
    axes.text(
        0.0, 1.03, "\n".join(remark), transform=axes.transAxes, fontsize=8, color=INK, va="bottom", parse_math=False
    )
    axes.set_xticks(range(len(panel.recipes)), [_short(clean(recipe.name)) for recipe in panel.recipes])
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    axes.set_xlim(-0.5, len(panel.recipes) - 0.5)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.tick_params(length=0, pad=5, labelcolor=INK)


def _short(name: str) -> str:
    """A long name keeps its end, which tells it apart."""
    return name if len(name) <= LONGEST else f"{name[:4]}…{name[5 - LONGEST :]}"
