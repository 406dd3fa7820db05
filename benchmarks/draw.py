"""What both plots share: a figure whose files are the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reports.curves import COLOURS, FAINT, INK
from reports.drawing import FORMS, new_figure, picture, plain_style
from reports.files import write_bytes

__all__ = ["COLOURS", "FAINT", "FORMS", "INK", "figure_of", "save"]


@contextmanager
def figure_of(wide: float, tall: float) -> Iterator[Any]:
    """A figure of so many inches; it is drawn and saved inside."""
    with plain_style(9.5, axes__labelcolor=INK):
        yield new_figure(wide, tall, dpi=160)


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write NAME.svg and NAME.png; return their paths."""
    return [write_bytes(picture(figure, form), folder / f"{name}.{form}") for form in FORMS]
