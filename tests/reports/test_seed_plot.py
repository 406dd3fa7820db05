"""seeds.png and seeds.svg: the same bytes for the same numbers, and what is drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.seed_plot import NAMES, Panel, Recipe, Seed, write_seed_plot

PANELS = [
    Panel("Preference", "hps@scenes ↑", [
        Recipe("dit", [Seed(60.0, 55.0, 65.0), Seed(57.0, 50.0, 64.0)]),
        Recipe("a recipe of a very long name", [Seed(58.0, None, None), Seed(59.0, None, None), Seed(58.5, 50, 60)]),
    ]),
    Panel("A title that is longer than a line of a panel can hold", "$x_1$ <b>", [Recipe("$y$", [Seed(1.0, 0.5, 2)])]),
]  # fmt: skip


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append([path.read_bytes() for path in write_seed_plot(PANELS, tmp_path / name)])
    assert made[0] == made[1]
    assert [path.name for path in sorted((tmp_path / "one").iterdir())] == sorted(NAMES)


def test_every_seed_is_a_dot_and_has_a_bar_where_its_interval_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reports.seed_plot.COLOURS", ("#123456", "#654321"))
    (svg,) = [path for path in write_seed_plot(PANELS[:1], tmp_path) if path.suffix == ".svg"]
    text = svg.read_text()
    for colour, dots, lines in (("#123456", 2, 2 + 1), ("#654321", 3, 1 + 1)):  # bars and the mean's line
        assert len(re.findall(rf"<use [^>]*fill: {colour}", text)) == dots
        assert len(re.findall(rf"<path [^>]*stroke: {colour}", text)) == lines


def test_no_metric_is_no_picture(tmp_path: Path):
    assert write_seed_plot([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []
