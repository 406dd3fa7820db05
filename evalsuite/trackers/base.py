"""What a tracker is told of an evaluation: settings, rows, images and curves, the same as the report has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from evalsuite.errors import InputError

STEPS = 1000
"""Trackers count steps in whole numbers: a curve's time t in [0, 1] is step round(1000 t)."""


class LoggedImage(NamedTuple):
    """An image and what to say of it.

    Attributes:
        file: a PNG, JPEG or WebP.
        name: unique among the images of an evaluation: prompt, model and aspect ratio.
        caption: the prompt, on one line.
    """

    file: Path
    name: str
    caption: str


class Point(NamedTuple):
    """A point of a curve of the prediction along the sampling path.

    Attributes:
        model: whose.
        series: such as ``guided variance``.
        t: time in [0, 1], 1 is noise.
        value: the mean over images.
    """

    model: str
    series: str
    t: float
    value: float

    @property
    def step(self) -> int:
        """The time as trackers count."""
        return round(STEPS * self.t)


class Tracker(Protocol):
    """Told of one evaluation, in this order; every method is called once, but after a fault only ``end``.

    A tracker is made without arguments, before any work: where its package is missing it raises InputError then.
    """

    def start(self, title: str, config: Mapping[str, Any], folder: Path) -> None:
        """An evaluation, its settings (plain values or lists of them, without secrets), and its folder."""

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The scores in long form, by the fields of evalsuite.Row."""

    def images(self, images: Sequence[LoggedImage]) -> None:
        """The images that the report shows."""

    def curves(self, points: Sequence[Point]) -> None:
        """The curves that the report draws; none for images that were made elsewhere."""

    def end(self, failed: bool) -> None:
        """Nothing more comes; everything is to be kept."""


def package(module: str, tracker: str, install: str) -> Any:
    """A module of an optional package.

    Raises:
        InputError: it is not installed, or broken; says the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"--log {tracker} needs a package that is missing ({error}): pip install {install}") from error


def scalars(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """A name and a number for each row that has one, and for the ends of its interval."""
    found: dict[str, float] = {}
    for row in rows:
        name = f"{row['metric']}/{row['slice']}/{row['model']}"
        for part, suffix in (("value", ""), ("low", "/low"), ("high", "/high")):
            if row[part] is not None:
                found[name + suffix] = float(row[part])
    return found
