from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reports.front_plot import write_front
from reports.label_places import Box

AXES = {"x": "Seconds per image", "y": "hps, higher is better", "key": "g: guidance, s: steps"}


def point(cost: float, value: float, **more: Any) -> dict[str, Any]:
    return {
        "model": "dit", "label": f"g{value:g} s{cost:g}", "cost": cost, "cost_low": cost * 0.9,
        "cost_high": cost * 1.1, "value": value, "low": value - 1, "high": value + 1, "standing": "possibly",
        "on_front": True, "taken": False,
    } | more  # fmt: skip


def panel(*points: Mapping[str, Any], title: str = "all images") -> dict[str, Any]:
    return {"title": title, "points": list(points)}


def test_the_same_points_give_the_same_bytes(tmp_path: Path):
    points = [point(1, 1), point(2, 3, taken=True), point(4, 2, standing="no", on_front=False), point(9, 4, low=None)]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = write_front([panel(*points), panel(*points[:2], title="aspect 1:1")], AXES, tmp_path / name)
        assert [path.name for path in files] == ["front.png", "front.svg"]
    for kind in ("png", "svg"):
        assert (tmp_path / "one" / f"front.{kind}").read_bytes() == (tmp_path / "two" / f"front.{kind}").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one" / "front.svg").read_bytes()


def test_no_points_mean_no_picture_and_an_old_one_goes(tmp_path: Path):
    write_front([panel(point(1, 1))], AXES, tmp_path)
    assert write_front([panel()], AXES, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["$x_1$", "<script>", "\x1b[31mred", "猫", "a_b^c", "\ud800", "x" * 300])
def test_any_name_is_drawn_as_it_is(tmp_path: Path, word: str):
    write_front([panel(point(1, 1, model=word, label=word), point(3, 2), title=word)], AXES | {"key": word}, tmp_path)
    assert b"<script>" not in (tmp_path / "front.svg").read_bytes()
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.format == "PNG"


def test_one_point_and_equal_points_can_be_drawn(tmp_path: Path):
    assert write_front([panel(point(1, 1, cost_low=1, cost_high=1))], AXES, tmp_path)
    assert write_front([panel(*[point(2.0, 5.0, low=5.0, high=5.0)] * 4)], AXES, tmp_path)


def test_labels_of_the_front_cover_neither_each_other_nor_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from reports import label_places

    taken: list[Box] = []
    best = label_places._best

    def noted(*given: Any) -> tuple[Box, float]:
        box, cost = best(*given)
        taken.append(box)
        assert cost == 0
        return box, cost

    monkeypatch.setattr(label_places, "_best", noted)
    write_front([panel(*[point(1.6**k, k, label=f"g{k} s{10 * k} heun") for k in range(8)])], AXES, tmp_path)
    assert len(taken) == 8
    assert all(a.covers(b) == 0 for i, a in enumerate(taken) for b in taken[:i])


def test_boxes_share_the_area_where_they_overlap():
    a = Box(0, 0, 4, 2)
    assert a.area == 8
    assert a.covers(Box(1, 1, 9, 9)) == a.covers(Box(1, 1, 4, 2)) == 3
    assert a.covers(Box(4, 0, 5, 2)) == 0
