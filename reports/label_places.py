"""Words beside the points of a plot, where they cover neither a point nor each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from reports.text import clean

ORDER = ("surely", "possibly", "no", "out")
AWAY = 9.0  # points from a marker's middle to a word
MARK = 5.0  # half a marker's side, in points
PLACES = (  # above and below right first: steps of a front go to the right and then up
    (1, -1), (1, 1), (-1, 1), (0, 1), (0, -1), (-1, -1), (1, 0), (-1, 0),
)  # fmt: skip
LONGEST = 40  # characters of a label
STROKE = 2.0  # pixels, half a line's width
RINGS = (1.0, 1.9, 2.8)


class Box(NamedTuple):
    """Sides of a rectangle, in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def covers(self, other: Box) -> float:
        """The area that both share."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(wide, 0.0) * max(tall, 0.0)

    @property
    def area(self) -> float:
        """In square pixels."""
        return (self.right - self.left) * (self.top - self.bottom)


def place_labels(plot: Any, points: Sequence[Mapping[str, Any]], colours: Mapping[str, str], size: float) -> None:
    """Write each point's label: those of the front in any case, the others where there is room.

    Args:
        plot: axes whose place in the figure is final.
        points: see `reports.front_plot.write_front`.
        colours: of models.
        size: of the font, in points.
    """
    pixels = plot.figure.dpi / 72
    middles = [plot.transData.transform((point["cost"], point["value"])) for point in points]
    taken = [Box(x - MARK * pixels, y - MARK * pixels, x + MARK * pixels, y + MARK * pixels) for x, y in middles]
    edge = plot.get_window_extent()
    frame = Box(edge.x0, edge.y0, edge.x1, edge.y1)
    taken += [box for model in colours for box in _steps(points, middles, model)]
    order = sorted(
        range(len(points)),
        key=lambda i: (not points[i]["taken"], not points[i]["on_front"], ORDER.index(points[i]["standing"]), i),
    )
    for i in order:
        point, (x, y) = points[i], middles[i]
        main = point["taken"] or point["on_front"]
        text = _written(plot, point, main, colours[point["model"]], size)
        extent = text.get_window_extent()
        box, cost = _best(x, y, extent.width, extent.height, pixels, taken, frame)
        if cost > 0 and not main:
            text.remove()
            continue
        text.set_position(plot.transAxes.inverted().transform((box.left, box.bottom)))
        text.set_transform(plot.transAxes)  # holds at any resolution
        text.set_verticalalignment("bottom")
        taken.append(box)


def _written(plot: Any, point: Mapping[str, Any], main: bool, colour: str, size: float) -> Any:
    """A label at the corner of the figure; white around it keeps it apart from lines."""
    from matplotlib.patheffects import withStroke

    return plot.text(
        0, 0, clean(point["label"])[:LONGEST], fontsize=size, color=colour, transform=None,
        fontweight="bold" if main else "normal", alpha=1.0 if main else 0.7, parse_math=False, zorder=5,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip


def _steps(points: Sequence[Mapping[str, Any]], middles: Sequence[Any], model: str) -> list[Box]:
    """The lines of a model's front: from each point to the right, then up or down to the next."""
    own = [
        middle for point, middle in zip(points, middles, strict=True) if point["model"] == model and point["on_front"]
    ]
    own.sort(key=lambda middle: float(middle[0]))
    boxes = []
    for (x, y), (right, up) in pairwise(own):
        boxes.append(Box(x, y - STROKE, right, y + STROKE))
        boxes.append(Box(right - STROKE, min(y, up), right + STROKE, max(y, up)))
    return boxes


def _best(
    x: float, y: float, wide: float, tall: float, pixels: float, taken: Sequence[Box], frame: Box
) -> tuple[Box, float]:
    """The first place that covers least, and how much that is."""
    found: list[tuple[float, int, Box]] = []
    for number, (ring, (right, up)) in enumerate((ring, place) for ring in RINGS for place in PLACES):
        away = ring * AWAY * pixels * (0.75 if right and up else 1.0)
        left = x + right * away - (wide if right < 0 else 0 if right > 0 else wide / 2)
        bottom = y + up * away - (tall if up < 0 else 0 if up > 0 else tall / 2)
        box = Box(left, bottom, left + wide, bottom + tall)
        outside = box.area - box.covers(frame)
        found.append((sum(map(box.covers, taken)) + 2 * outside, number, box))
    cost, _, box = min(found)
    return box, cost
