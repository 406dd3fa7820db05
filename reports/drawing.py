"""What all plots share: figures whose files are the same bytes for the same numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

FORMS: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""Kinds of files, each with what matplotlib would write into it that is not the picture."""
SALT = "evalsuite"  # of identifiers in an SVG: without one they would be random


@contextmanager
def plain_style(font_size: float, **more: Any) -> Iterator[None]:
    """Whatever the user's own settings: one font, in points, and further settings of matplotlib by name.

    Dots of names are written as ``__``: ``axes__labelcolor``.
    """
    import matplotlib as mpl

    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": font_size,
        "text.usetex": False,
        "svg.hashsalt": SALT,
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names in any script
        yield


def new_figure(wide: float, tall: float, dpi: int, layout: Any = "constrained") -> Any:
    """A white figure of so many inches, which no window ever shows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(wide, tall), dpi=dpi, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def picture(figure: Any, form: str) -> bytes:
    """The figure as a file of a kind of FORMS."""
    found = BytesIO()
    figure.savefig(found, format=form, metadata=FORMS[form])
    return found.getvalue()


def pictures(figure: Any) -> tuple[bytes, bytes]:
    """The PNG and the SVG."""
    return picture(figure, "png"), picture(figure, "svg")
