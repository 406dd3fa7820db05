"""Draw a scene: sprites pasted on a background, the same pixels for the same scene, size and seed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageOps

from backbones.training.artwork import STYLES
from backbones.training.names import NAMES
from backbones.training.scene import COLOURS, Scene, Subject

Box = tuple[float, float, float]  # centre x, centre y, side; in pixels
Colour = tuple[int, int, int]


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of b, the rest a."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


class Renderer:
    """The sprites of one `sprites.npy`, and the ways to put them into a picture."""

    def __init__(self, sprites: Path) -> None:
        self._sprites = np.load(sprites, mmap_mode="r")  # (styles, names, side, side, 4) uint8
        self._index = {name: position for position, name in enumerate(NAMES)}
        if self._sprites.shape[:2] != (len(STYLES), len(NAMES)):
            raise ValueError(
                f"{sprites}: holds {self._sprites.shape[:2]} styles x names, the code knows "
                f"{(len(STYLES), len(NAMES))}; make it again with backbones.training.artwork"
            )

    def sprite(self, subject: Subject, style: str) -> Image.Image:
        """The subject's drawing in its tint, RGBA."""
        pixels = self._sprites[STYLES.index(style), self._index[subject.name]]
        drawing = Image.fromarray(np.ascontiguousarray(pixels))
        return drawing if subject.colour is None else tint(drawing, COLOURS[subject.colour])

    def draw(self, scene: Scene, width: int, height: int, random: Random) -> Image.Image:
        """Render to RGB, width x height pixels; `random` decides only places and sizes within the layout."""
        picture = background(scene, width, height)
        subjects = scene.subjects * scene.count if len(scene.subjects) == 1 else scene.subjects
        for subject, (x, y, side) in zip(subjects, place(scene, width, height, random), strict=True):
            size = max(8, round(side))
            drawing = self.sprite(subject, scene.style).resize((size, size), Image.Resampling.BICUBIC)
            picture.paste(drawing, (round(x - size / 2), round(y - size / 2)), drawing)
        return picture


def tint(drawing: Image.Image, colour: Colour) -> Image.Image:
    """Recolour by luminance: shadows go to a dark shade of the colour, highlights to a light one."""
    dark, light = _mix(colour, (0, 0, 0), 0.65), _mix(colour, (255, 255, 255), 0.55)
    toned = ImageOps.colorize(drawing.convert("L"), dark, light, mid=colour)
    toned.putalpha(drawing.getchannel("A"))
    return toned


def background(scene: Scene, width: int, height: int) -> Image.Image:
    """Flat colour, or a vertical gradient from a lighter tint at the top to the colour at the bottom."""
    colour = COLOURS[scene.background]
    if not scene.gradient:
        return Image.new("RGB", (width, height), colour)
    ramp = Image.linear_gradient("L").resize((width, height), Image.Resampling.BILINEAR)
    top = _mix(colour, (255, 255, 255) if scene.background != "white" else (150, 150, 150), 0.6)
    return ImageOps.colorize(ImageChops.invert(ramp), colour, top)


def place(scene: Scene, width: int, height: int, random: Random) -> list[Box]:
    """Boxes in the order of the caption; slots keep relations true whatever the jitter."""
    grow = random.uniform(0.84, 1.0)
    boxes = []
    for x, y, room in _slots(scene, width, height):
        slack = room * (1 - grow) / 2 + 0.04 * room
        boxes.append((x + random.uniform(-slack, slack), y + random.uniform(-slack, slack), 0.92 * room * grow))
    return boxes


def _slots(scene: Scene, width: int, height: int) -> list[Box]:
    """Square slots (centre x, centre y, side): one, a row, a column or a grid, whatever fits the shape best."""
    if scene.relation is None and scene.count == 1:
        return [(width / 2, height / 2, 0.8 * min(width, height))]
    columns, rows = _grid(scene, width, height)
    side = min(width / columns, height / rows)
    side = min(side, 0.62 * min(width, height)) if columns * rows == 2 else side
    cells = [
        (width * (column + 0.5) / columns, height * (row + 0.5) / rows, 0.96 * side)
        for row in range(rows)
        for column in range(columns)
    ]
    reverse = scene.relation in ("right of", "below")
    return cells[::-1] if reverse else cells[: max(scene.count, len(scene.subjects))]


def _grid(scene: Scene, width: int, height: int) -> tuple[int, int]:
    if scene.relation in ("left of", "right of"):
        return 2, 1
    if scene.relation in ("above", "below"):
        return 1, 2
    number = max(scene.count, len(scene.subjects))
    options = {2: ((2, 1), (1, 2)), 3: ((3, 1), (1, 3), (2, 2)), 4: ((2, 2), (4, 1), (1, 4))}[number]
    return max(options, key=lambda grid: min(width / grid[0], height / grid[1]))
