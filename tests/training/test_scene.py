from random import Random

import pytest

from backbones.text import split_words
from backbones.training.names import NAMES
from backbones.training.scene import COLOURS, Scene, Subject, is_held_out, sample_scene
from backbones.training.vocabulary import vocabulary


def scene(*subjects, relation=None, count=1, background="blue", gradient=False, style="3d", style_named=False):
    return Scene(subjects, relation, count, background, gradient, style, style_named)


@pytest.mark.parametrize(
    ("made", "caption"),
    [
        (scene(Subject("cat")), "a cat on a blue background"),
        (scene(Subject("apple", "red"), background="green"), "a red apple on a green background"),
        (scene(Subject("apple"), background="orange"), "an apple on an orange background"),
        (scene(Subject("unicorn", "orange")), "an orange unicorn on a blue background"),
        (scene(Subject("unicorn")), "a unicorn on a blue background"),
        (scene(Subject("mouse"), count=3), "three mice on a blue background"),
        (scene(Subject("dog"), Subject("owl"), relation="left of"), "a dog left of an owl on a blue background"),
        (scene(Subject("car"), style_named=True, gradient=True), "3d a car on a blue gradient background"),
    ],
)
def test_captions_follow_the_grammar(made, caption):
    assert made.caption == caption


def test_no_subject_of_a_training_scene_is_in_a_held_out_combination():
    random = Random(0)
    for _ in range(2000):
        made = sample_scene(random, "train")
        assert not any(
            is_held_out(scene(subject, relation=made.relation, count=made.count)) for subject in made.subjects
        )
        assert is_held_out(sample_scene(random, "held-out"))


def test_a_plain_single_object_is_never_held_out():
    assert not any(is_held_out(scene(Subject(name))) for name in NAMES)


def test_about_one_tinted_combination_in_twelve_is_held_out():
    held = [is_held_out(scene(Subject(name, colour))) for name in NAMES for colour in COLOURS]
    assert sum(held) / len(held) == pytest.approx(1 / 12, rel=0.25)


def test_an_object_never_has_the_colour_of_its_background():
    random = Random(1)
    for _ in range(500):
        made = sample_scene(random, "train")
        assert all(subject.colour != made.background for subject in made.subjects)


def test_the_vocabulary_covers_every_caption():
    random, words = Random(2), set(vocabulary())
    for _ in range(500):
        assert set(split_words(sample_scene(random, "held-out").caption)) <= words
