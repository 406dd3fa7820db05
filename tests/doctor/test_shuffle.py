from __future__ import annotations

import random

import pytest

from evalsuite.doctor.shuffle import deranged, one_word_changed, shuffled
from prompts import load


@pytest.mark.parametrize("seed", range(30))
def test_a_derangement_is_a_permutation_that_gives_nothing_its_own_kind(seed: int):
    chance = random.Random(seed)
    kinds = [chance.randrange(chance.randrange(2, 9)) for _ in range(chance.randrange(2, 40))]
    found = deranged(kinds)
    largest = max(kinds.count(kind) for kind in kinds)
    if 2 * largest > len(kinds):
        assert found is None
        return
    assert found is not None
    assert sorted(found) == list(range(len(kinds)))
    assert all(kinds[place] != kinds[got] for place, got in enumerate(found))
    assert found == deranged(kinds)


def test_nothing_can_be_deranged_where_one_kind_has_the_majority():
    assert deranged([]) is None
    assert deranged(["a"]) is None
    assert deranged(["a", "a", "b"]) is None
    assert deranged(["a", "b"]) == [1, 0]


def test_shuffled_prompts_are_never_equal_and_keep_a_base_with_its_edit():
    found = load("edits").prompts
    texts, families = [p.text for p in found], [p.base or p.id for p in found]
    got = shuffled(texts, families)
    assert got is not None
    assert sorted(got) == sorted(texts)
    assert all(own != other for own, other in zip(texts, got, strict=True))
    family_of = dict(zip(texts, families, strict=True))
    assert all(family_of[text] != family for text, family in zip(got, families, strict=True))
    pairs = {family: [] for family in families}
    for text, family in zip(got, families, strict=True):
        pairs[family].append(family_of[text])
    kept = sum(len(set(came)) == 1 for came in pairs.values())
    assert kept == len(pairs)  # every family has two members: an edit gets the edit of the same other family


def test_one_family_of_all_prompts_still_gets_other_texts():
    assert shuffled(["a cat", "a dog"], ["one", "one"]) == ["a dog", "a cat"]
    assert shuffled(["a cat", "a cat", "a dog"], ["1", "2", "3"]) is None


def test_one_word_is_exchanged_for_one_that_stands_between_the_same_neighbours():
    texts = ["a fox on a blue hill", "an owl on a red hill", "a lamp beside a door"]
    fox, owl, lamp = one_word_changed(texts, texts)
    assert fox == "an owl on a blue hill"  # the article follows the name
    assert owl == "a fox on a red hill"
    assert lamp is None


def test_the_rarest_word_is_exchanged_and_plurals_stay_plural():
    pool = ["two cats on a red hill", "two dogs on a red hill", "two sheep on a red hill", "two cats on a blue hill"]
    assert one_word_changed(["two dogs on a red hill"], pool) == ["two cats on a red hill"]
    assert one_word_changed(["A fox ran"], ["A fox ran", "an owl ran"]) == ["An owl ran"]


@pytest.mark.parametrize("name", ["smoke", "scenes", "held-out"])
def test_of_our_own_sets_every_prompt_has_a_neighbour_that_differs_in_one_word(name: str):
    texts = [prompt.text for prompt in load(name).prompts]
    for own, other in zip(texts, one_word_changed(texts, texts), strict=True):
        assert other is not None
        a, b = ([word for word in text.split() if word.lower() not in ("a", "an")] for text in (own, other))
        assert len(a) == len(b)
        assert sum(x != y for x, y in zip(a, b, strict=True)) == 1
