"""Curves over t: the same bytes for the same numbers, log signal to noise in its places, and nothing for nothing."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reports import time_panels
from reports.time_panels import Curve, Panel, write_panels

TIMES = (0.1, 0.5, 0.9)
LEGEND = {"conditional": "told captions", "guided": "what moves"}


def panel(*values: float | None, name: str = "m", **changes: Any) -> Panel:
    ends = [None if value is None else value + 0.1 for value in values]
    curve = Curve(name, 0, "conditional", TIMES, values, [None] * 3, ends)
    return Panel(**{"title": "Error", "unit": "units", "curves": [curve]} | changes)


def test_the_same_curves_are_the_same_bytes(tmp_path: Path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        written = write_panels([panel(1, 2, 3, name="$x$ <b>\x1b[2J")], tmp_path / folder, "curves", 3, LEGEND)
        assert [path.name for path in written] == ["curves.png", "curves.svg"]
    for name in ("curves.png", "curves.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    svg = (tmp_path / "one" / "curves.svg").read_text()
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg
    assert not re.search(r"<dc:date>|\x1b", svg)
    assert "conditional: told captions" in svg
    assert "guided" not in svg
    with Image.open(tmp_path / "one" / "curves.png") as image:
        assert image.width > 500


def test_nothing_to_draw_takes_away_what_was_drawn(tmp_path: Path):
    write_panels([panel(1, 2, 3)], tmp_path, "curves", 3, LEGEND)
    assert write_panels([panel(None, None, None), panel(curves=[])], tmp_path, "curves", 3, LEGEND) == []
    assert list(tmp_path.iterdir()) == []


def test_log_signal_to_noise_stands_where_it_is_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    draw = time_panels._draw
    monkeypatch.setattr(time_panels, "_draw", lambda axes, panel: (draw(axes, panel), seen.append(axes)))
    write_panels([panel(1, None, 3), panel(0.001, 0.001, 5), panel(1, 2, 50, reference=1.0)], tmp_path, "c", 2, LEGEND)
    (above,) = seen[0].child_axes
    marks = {
        label.get_text().replace("\u2212", "-"): t
        for t, label in zip(above.get_xticks(), above.get_xticklabels(), strict=True)
    }
    for text, t in marks.items():
        assert 2 * math.log((1 - t) / t) == pytest.approx(float(text), abs=1e-9)
    assert seen[0].get_xlim() == (1.0, 0.0)
    assert [axes.get_yscale() for axes in seen] == ["linear", "log", "linear"]
    assert list(seen[0].lines[0].get_xdata()) == [0.9, 0.1]  # the gap is left out
    assert list(seen[0].lines[0].get_ydata()) == [3, 1]
