from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

import evalsuite
from backbones.training.data import SIZES, random_for
from backbones.training.scene import COLOURS, sample_scene
from evalsuite.aspects import counter
from evalsuite.aspects.background import background
from evalsuite.aspects.components import Box, components, eroded
from evalsuite.aspects.counter import accuracy, count_objects
from evalsuite.images import read_rgb

REFERENCE = Path(evalsuite.__file__).parent / "encoders" / "data" / "reference"
RATIOS = pytest.mark.parametrize("size", SIZES.values(), ids=[aspect.replace(":", "x") for aspect in SIZES])


def ground(size: tuple[int, int], gradient: bool) -> np.ndarray:
    """A flat green, or from a light one at the top to it."""
    width, height = size
    share = np.linspace(0.6 * gradient, 0, height)[:, None, None]
    colour = np.array(COLOURS["green"])
    return np.broadcast_to(colour + (255 - colour) * share, (height, width, 3)).round().astype(np.uint8)


def discs(
    size: tuple[int, int], places: list[tuple[float, float]], radius: float, gradient: bool = False
) -> np.ndarray:
    """Purple discs at shares of the sides, their radius a share of the shorter one."""
    picture = ground(size, gradient).copy()
    height, width, _ = picture.shape
    y, x = np.mgrid[:height, :width]
    for across, down in places:
        inside = (x - across * width) ** 2 + (y - down * height) ** 2 <= (radius * min(size)) ** 2
        picture[inside] = COLOURS["purple"]
    return picture


def row(number: int, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Places side by side along the longer side."""
    along = [(place + 0.5) / number for place in range(number)]
    return [(share, 0.5) for share in along] if size[0] >= size[1] else [(0.5, share) for share in along]


@RATIOS
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_discs_are_counted_at_every_ratio(number: int, gradient: bool, size: tuple[int, int]):
    grid = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] if number == 4 else row(number, size)
    radius = 0.35 if number == 1 else 0.15 if number == 3 and size == (256, 256) else 0.19
    assert count_objects(discs(size, grid, radius, gradient)) == number


@RATIOS
def test_more_than_the_world_ever_shows_are_counted_too(size: tuple[int, int]):
    places = [(x, y) for x in (1 / 6, 1 / 2, 5 / 6) for y in (1 / 4, 3 / 4)]
    assert count_objects(discs(size, places, 0.15)) == 6


@RATIOS
def test_a_part_in_the_colour_of_the_background_splits_no_object(size: tuple[int, int]):
    picture = discs(size, [(0.5, 0.5)], 0.35)
    height = size[1]
    band = slice(round(0.5 * height) - 8, round(0.5 * height) + 8)
    picture[band] = ground(size, False)[band]
    assert len(components(np.abs(picture.astype(int) - ground(size, False)).sum(axis=2) > 0)) == 2
    assert count_objects(picture) == 1


def test_a_fragment_belongs_to_its_nearest_object():
    picture = discs((320, 208), [(0.25, 0.5), (0.75, 0.5)], 0.19)
    picture[20:35, 235:250] = COLOURS["purple"]
    assert count_objects(picture) == 2


def test_a_turned_picture_has_the_same_number():
    for number in (1, 2, 3):
        picture = discs((336, 192), row(number, (336, 192)), 0.2)
        assert {count_objects(np.ascontiguousarray(np.rot90(picture, turns))) for turns in range(4)} == {number}


def test_noise_has_no_plain_border_and_is_not_counted():
    noise = np.random.default_rng(0).integers(256, size=(128, 96, 3), dtype=np.uint8)
    assert count_objects(noise) is None
    assert count_objects(np.zeros((5, 5, 3), np.uint8)) is None


def test_slight_noise_changes_nothing():
    picture = discs((320, 208), row(3, (320, 208)), 0.19, gradient=True).astype(int)
    noisy = (picture + np.random.default_rng(1).normal(0, 4, picture.shape)).clip(0, 255).round().astype(np.uint8)
    assert count_objects(noisy) == 3


def test_the_background_of_a_gradient_is_that_gradient_though_an_object_reaches_the_border():
    picture = discs((256, 256), [(0.5, 0.95)], 0.2, gradient=True)
    found = background(picture)
    assert np.abs(found.colours - ground((256, 256), True)).max() < 2
    assert found.roughness < 1


@pytest.mark.parametrize("seed", range(6))
def test_components_are_those_of_scipy(seed: int):
    mask = np.random.default_rng(seed).random((40, 57)) < (0.2, 0.35, 0.5)[seed % 3]
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    slices = ndimage.find_objects(labels)
    theirs = sorted(
        (int((labels == n + 1).sum()), Box(c.start, r.start, c.stop, r.stop)) for n, (r, c) in enumerate(slices)
    )
    assert sorted(components(mask)) == theirs
    assert len(theirs) == count
    assert np.array_equal(eroded(mask), ndimage.binary_erosion(mask, border_value=1))


def test_an_empty_mask_has_no_component():
    assert components(np.zeros((5, 7), bool)) == []


@pytest.mark.parametrize("place", range(len(SIZES)))
def test_the_reference_pictures_are_counted_right(place: int):
    """Their scenes are drawn again from their seeds, as `make_reference` did; one of 60 may be wrong at each ratio."""
    aspect = list(SIZES)[place]
    wrong = 0
    for index in range(0, 60, 3):
        scene = sample_scene(random_for("reference", 7 + place, index), "held-out")
        pixels = read_rgb(REFERENCE / f"{aspect.replace(':', 'x')}-{index:03}.webp")
        wrong += count_objects(pixels) != len(scene.subjects) * scene.count
    assert wrong <= 1


def test_the_stated_accuracy_is_of_this_counter_and_adds_up():
    found = accuracy()
    assert found["recipe"]["split"] == "held-out"
    assert set(found["aspects"]) == set(SIZES)
    for aspect, kinds in found["aspects"].items():
        assert (kinds["width"], kinds["height"]) == SIZES[aspect]
        for kind in ("renders", "decoded", "doubled"):
            measured = kinds[kind]
            pairs = Counter(
                {(n, c): many for n, row in measured["confusion"].items() for c, many in row.items() if c != "None"}
            )
            assert pairs.total() == measured["n"]
            wrong = sum(many for (number, count), many in pairs.items() if number != count)
            assert measured["wrong"]["value"] == pytest.approx(wrong / measured["n"])
            error = sum(many * (int(count) - int(number)) for (number, count), many in pairs.items())
            assert measured["error"]["value"] == pytest.approx(error / measured["n"])
            assert measured["wrong"]["low"] <= measured["wrong"]["value"] <= measured["wrong"]["high"] < 0.06


def test_an_accuracy_of_another_counter_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stated = json.loads(counter.ACCURACY.read_text(encoding="utf-8"))
    changed = tmp_path / "counter.json"
    changed.write_text(json.dumps(stated | {"counter": "0" * 64}), encoding="utf-8")
    monkeypatch.setattr(counter, "ACCURACY", changed)
    accuracy.cache_clear()
    with pytest.raises(ValueError, match="another counter"):
        accuracy()
    accuracy.cache_clear()
