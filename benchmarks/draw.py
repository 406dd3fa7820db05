"""What both plots share: a figure whose files are the same bytes for the same numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from reports.curves import COLOURS, FAINT, INK
from reports.files import write_bytes

__all__ = ["COLOURS", "FAINT", "FORMS", "INK", "figure_of", "save"]

FORMS: dict[str, dict[str, None]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
SALT = "evalsuite"  # of identifiers in the SVG: without one they would be random


@contextmanager
def figure_of(wide: float, tall: float) -> Iterator[Any]:
    """A figure of so many inches; it is drawn and saved inside."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {
        "font.family": "DejaVu Sans", "font.size": 9.5, "text.usetex": False, "axes.labelcolor": INK,
        "svg.hashsalt": SALT,
    }  # fmt: skip
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(wide, tall), dpi=160, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        yield figure


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write NAME.svg and NAME.png; return their paths."""
    paths = []
    for form, metadata in FORMS.items():
        picture = BytesIO()
        figure.savefig(picture, format=form, metadata=metadata)
        paths.append(write_bytes(picture.getvalue(), folder / f"{name}.{form}"))
    return paths
