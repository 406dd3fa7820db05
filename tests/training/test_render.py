from random import Random

import numpy as np
import pytest

from backbones.training.data import SIZES, World
from backbones.training.render import Renderer, place, tint
from backbones.training.scene import COLOURS, NUMBERS, RELATIONS, Scene, Subject


def make(relation=None, count=1, background="blue", gradient=False, colour=None):
    subjects = (Subject("cat", colour),) if relation is None else (Subject("cat", colour), Subject("dog"))
    return Scene(subjects, relation, count, background, gradient, "3d", False)


def test_the_same_index_is_the_same_picture_and_another_purpose_is_not(sprites):
    world = World(sprites, "a", "train", 0, 8)
    again = World(sprites, "a", "train", 0, 8)
    other = World(sprites, "b", "train", 0, 8)
    assert all(np.array_equal(world[i].pixels, again[i].pixels) for i in range(8))
    assert not all(np.array_equal(world[i].pixels, other[i].pixels) for i in range(8))


@pytest.mark.parametrize("size", SIZES.values())
@pytest.mark.parametrize("relation", [*RELATIONS, "and"])
def test_places_keep_the_relation_and_do_not_overlap(relation, size):
    for seed in range(50):
        (ax, ay, a), (bx, by, b) = place(make(relation), *size, Random(seed))
        apart = (a + b) / 2
        assert max(abs(ax - bx), abs(ay - by)) >= apart * 0.99
        right = {"left of": ax < bx, "right of": ax > bx, "above": ay < by, "below": ay > by}
        assert right.get(relation, True)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("size", SIZES.values())
def test_as_many_places_as_the_number_says_all_inside(count, size):
    boxes = place(make(count=count), *size, Random(count))
    assert len(boxes) == count == NUMBERS.index(NUMBERS[count - 1]) + 1
    for x, y, side in boxes:
        assert x - side / 2 >= 0
        assert x + side / 2 <= size[0]
        assert y - side / 2 >= 0
        assert y + side / 2 <= size[1]


def test_a_plain_background_is_the_named_colour_at_the_border(sprites):
    picture = np.asarray(Renderer(sprites).draw(make(background="orange"), 256, 256, Random(0)))
    assert (picture[[0, -1]] == COLOURS["orange"]).all()


def test_a_gradient_ends_in_the_named_colour_and_starts_lighter(sprites):
    picture = np.asarray(Renderer(sprites).draw(make(gradient=True), 256, 256, Random(0))).astype(int)
    assert (picture[-1, 0] == COLOURS["blue"]).all()
    assert picture[0, 0].sum() > picture[-1, 0].sum() + 100


def test_a_tint_keeps_the_shape_and_moves_the_colour(sprites):
    drawing = Renderer(sprites).sprite(Subject("cat"), "3d")
    red, blue = (np.asarray(tint(drawing, COLOURS[name])).astype(int) for name in ("red", "blue"))
    assert (red[..., 3] == np.asarray(drawing)[..., 3]).all()
    assert red[8, 8, 0] > red[8, 8, 2]
    assert blue[8, 8, 2] > blue[8, 8, 0]


def test_a_sprite_file_of_another_world_is_refused(tmp_path):
    np.save(tmp_path / "sprites.npy", np.zeros((1, 2, 4, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="make it again"):
        Renderer(tmp_path / "sprites.npy")
