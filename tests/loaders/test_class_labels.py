"""Prompts as classes."""

from __future__ import annotations

import pytest

from evalsuite.errors import InputError
from evalsuite.loaders.class_labels import ClassLabels
from prompts import load


def test_every_text_and_id_of_the_bundled_set_names_its_own_class():
    labels = ClassLabels(1000, 1000, "m")
    prompts = load("imagenet").prompts
    assert [labels.of(prompt.text) for prompt in prompts] == list(range(1000))
    assert [labels.of(prompt.id) for prompt in prompts] == list(range(1000))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("golden retriever", 207),
        (" Golden Retriever ", 207),
        ("class 207", 207),
        ("Class 0207", 207),
        ("Cardigan", 264),  # the dog
        ("cardigan", 474),  # the garment
        ("crane", 517),
        ("crane bird", 134),
        ("", 1000),
    ],
)
def test_the_ways_to_write_a_class(text: str, label: int):
    assert ClassLabels(1000, 1000, "m").of(text) == label


@pytest.mark.parametrize("text", ["a golden retriever on a sofa", "class 1000", "CARDIGAN", "207", "imagenet-1000"])
def test_other_texts_are_refused_with_what_is_known(text: str):
    with pytest.raises(InputError, match=r"'m' knows 1000 classes.*class 0 to class 999, a name or an id of --prompts"):
        ClassLabels(1000, None, "m").of(text)


def test_classes_of_another_world_have_numbers_alone():
    labels = ClassLabels(10, None, "m")
    assert (labels.of("class 9"), labels.of("")) == (9, -1)
    with pytest.raises(InputError, match=r"write class 0 to class 9$"):
        labels.of("tench")
