"""The detector: its crops, what it learns, and how relations follow from names and boxes."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from backbones.training.names import NAMES
from backbones.training.render import Renderer
from backbones.training.scene import COLOURS, RELATIONS, Scene, Subject
from evalsuite.aspects.components import Box
from evalsuite.aspects.counter import Objects
from evalsuite.encoders.training import train_detector
from evalsuite.encoders.training.detector import MARGIN, SIDE, Detector, Named, crop, placed
from evalsuite.errors import InputError

NAME_LIST = list(NAMES)
SCENE = Scene((Subject("cat"),), None, 1, "white", False, "flat", False)


def known(box: Box, name: str) -> Named:
    scores = torch.full((len(NAMES),), -9.0)
    scores[NAME_LIST.index(name)] = -0.1
    return Named(box, scores)


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_holds_in_one_of_four_directions_and_its_opposite_swaps_the_names(relation):
    middle = Box(100, 100, 150, 150)
    ways = {"left of": (100, 9), "right of": (-100, 9), "above": (9, 100), "below": (9, -100)}  # of the second
    for way, (across, down) in ways.items():
        other = Box(100 + across, 100 + down, 150 + across, 150 + down)
        found = [known(middle, "cat"), known(other, "dog")]
        assert placed(found, "cat", "dog", relation) == placed(found[::-1], "cat", "dog", relation) == (way == relation)
    assert not placed(found[:1], "cat", "dog", relation)


def test_a_crop_is_the_square_around_a_box_and_beyond_the_picture_its_edge():
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[:, :, 0] = np.arange(300)[None] * 255 // 299
    cut = crop(picture, Box(100, 40, 180, 60))
    assert cut.shape == (3, SIDE, SIDE)
    left = 140 - MARGIN * 40
    expected = (left + (np.arange(SIDE) + 0.5) * MARGIN * 80 / SIDE) * 255 / 299 / 127.5 - 1
    np.testing.assert_allclose(cut[0].mean(dim=0), expected, atol=0.01)
    assert (cut[1:] == -1).all()
    corner = crop(picture, Box(0, 0, 40, 40))
    assert torch.isfinite(corner).all()
    assert corner[0, :, 0].max() <= -0.99


def test_a_detector_learns_what_it_is_shown_and_comes_back_from_its_file(sprites, tmp_path, monkeypatch, capsys):
    words = ["--sprites", str(sprites), "--out", str(tmp_path), "--steps", "2", "--batch", "8", "--tested", "12"]
    monkeypatch.setattr("sys.argv", ["train_detector", *words])
    train_detector.main()
    card = json.loads((tmp_path / "detector.json").read_text())
    assert card["measured"]["names"] + card["measured"]["relations"] <= 12
    first = (tmp_path / "detector.safetensors").read_bytes()
    train_detector.main()
    assert (tmp_path / "detector.safetensors").read_bytes() == first
    picture, boxes = np.full((64, 128, 3), 99, np.uint8), [Box(0, 0, 40, 40), Box(60, 20, 100, 60)]
    found = Detector.load(tmp_path).name(picture, Objects(np.ones((64, 128), bool), boxes))
    assert [each.box for each in found] == boxes
    assert all(float(each.scores.exp().sum()) == pytest.approx(1, abs=1e-5) for each in found)
    with pytest.raises(InputError, match="train_detector"):
        Detector.load(tmp_path / "none")


def test_crops_show_their_drawing_on_its_ground(sprites):
    drawings = train_detector.Drawings(sprites)
    scene = replace(SCENE, subjects=(Subject("lion", "green"),), background="blue", gradient=True)
    (row,) = train_detector.wanted(scene, Random(0))
    toned = np.asarray(Renderer(sprites).sprite(Subject("lion", "green"), "flat"))
    np.testing.assert_allclose(drawings(row.subject, row.style)[:3, 32, 32], toned[8, 8, :3], atol=3)
    assert sum(row.top) > sum(row.bottom) >= sum(COLOURS["blue"])
    crops = train_detector.crops_of([row] * 64, drawings, torch.Generator().manual_seed(0))
    assert crops.shape == (64, 3, SIDE, SIDE)
    middle, corner = crops[:, :, 22:26, 22:26].mean((0, 2, 3)), crops[:, :, :2, :2].mean((0, 2, 3))
    assert middle[1] > middle[2]  # green above blue
    assert corner[2] > corner[1]  # the ground
