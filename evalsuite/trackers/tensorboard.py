"""TensorBoard: an event file in the run's folder ``tensorboard``; `tensorboard --logdir outputs` shows all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.files import disk_errors, refuse_link
from evalsuite.images import read_rgb
from evalsuite.trackers.base import LoggedImage, Point, package, scalars
from reports.text import markdown

FOLDER = "tensorboard"
COLUMNS = ("model", "metric", "slice", "value", "low", "high", "n", "unit", "protocol", "note")


class TensorBoard:
    """Scalars, images and text at step 0; curves over round(1000 t)."""

    def __init__(self) -> None:
        package("tensorboard", "tensorboard", "tensorboard")
        self._module = package("torch.utils.tensorboard", "tensorboard", "tensorboard")
        self._writer: Any = None

    def start(self, title: str, config: Mapping[str, Any], folder: Path) -> None:
        """A new event file; that of an earlier logging of the same run goes, since points would be there twice."""
        place = folder / FOLDER
        refuse_link(place)
        with disk_errors(f"make {place}"):
            place.mkdir(exist_ok=True)
            for old in place.glob("events.out.tfevents.*"):
                old.unlink()
        self._writer = self._module.SummaryWriter(log_dir=str(place))
        self._writer.add_text("title", markdown(title))
        self._writer.add_text("config", _table(("setting", "value"), _flat(config)))

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """A scalar for each number, and all rows as a table."""
        for name, value in scalars(rows).items():
            self._writer.add_scalar(name, value, 0)
        self._writer.add_text("rows", _table(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]))

    def images(self, images: Sequence[LoggedImage]) -> None:
        """Each under its name; captions as a table, since images have none."""
        for image in images:
            self._writer.add_image(image.name, read_rgb(image.file), 0, dataformats="HWC")
        self._writer.add_text("captions", _table(("image", "prompt"), [(i.name, i.caption) for i in images]))

    def curves(self, points: Sequence[Point]) -> None:
        """A scalar over time for each series and model."""
        for point in points:
            self._writer.add_scalar(f"{point.series} over 1000 t/{point.model}", point.value, point.step)

    def end(self, failed: bool) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    for key, value in config.items():
        lines += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return lines


def _table(header: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    cells = [[markdown("" if cell is None else cell) for cell in line] for line in (header, *lines)]
    cells.insert(1, ["---"] * len(header))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
