from __future__ import annotations

from random import Random

import pytest

from backbones.training.scene import COLOURS as WORLD_COLOURS
from backbones.training.scene import sample_scene
from evalsuite.aspects.expected import COLOURS, expected
from prompts import load


@pytest.mark.parametrize(
    ("caption", "number"),
    [
        ("a fox on a blue background", 1),
        ("an orange unicorn on a blue background", 1),
        ("four black envelopes on a purple background", 4),
        ("three mice on a blue gradient background", 3),
        ("3d a car on an orange gradient background", 1),
        ("shaded two red fish on a gray background", 2),
        ("a dog left of an owl on a blue background", 2),
        ("an orange sunflower and a white mushroom on a black background", 2),
        ("a cherries above a glasses on a white background", 2),
    ],
)
def test_numbers_are_read_from_captions(caption: str, number: int):
    assert expected(caption) == number


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "tench",
        "a fox",
        "five foxes on a blue background",
        "a fox on a teal background",
        "a very red fox on a blue background",
        "a fox left of an owl above a dog on a blue background",
        "a fox on a blue background with a hat",
        "A retired fisherman mending a net on his doorstep",
        "a fox on a blue background\n",
    ],
)
def test_what_is_not_of_the_grammar_has_no_expectation(caption: str):
    assert expected(caption) is None


@pytest.mark.parametrize(
    ("name", "understood"),
    [("held-out", True), ("scenes", True), ("smoke", True), ("edits", True), ("open", False), ("imagenet", False)],
)
def test_every_bundled_caption_is_understood_or_none_is(name: str, understood: bool):
    found = [expected(prompt.text) for prompt in load(name).prompts]
    assert len(found) >= 16
    assert [number is not None for number in found] == [understood] * len(found)


def test_tags_of_the_held_out_set_agree():
    for prompt in load("held-out").prompts:
        number = expected(prompt.text)
        kind = prompt.tags[0]
        assert number in {"single": {1}, "pair": {2}, "relation": {2}, "count": {2, 3, 4}}[kind], prompt.text


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_the_parser_inverts_the_grammar(split):
    random = Random(5)
    for _ in range(1000):
        scene = sample_scene(random, split)
        assert expected(scene.caption) == len(scene.subjects) * scene.count, scene.caption
    assert set(COLOURS) == set(WORLD_COLOURS)
