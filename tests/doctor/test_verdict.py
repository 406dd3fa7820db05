from __future__ import annotations

import random
from itertools import product

import pytest

from evalsuite.doctor.multiple import over_ladders
from evalsuite.doctor.verdict import OF_IMAGES, OF_SETS, Change, Scale, judge, sight, step
from evalsuite.paired import holm


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(1.2, 0.01, 0.8, 1.6), "seen"),
        (Change(-1.2, 0.01, -1.6, -0.8), "wrong"),
        (Change(0.4, 0.2, -0.1, 0.9), "none"),  # a large change is excluded
        (Change(0.4, 0.2, -0.1, 1.1), "unclear"),
        (Change(-0.4, 0.2, -1.1, 0.1), "unclear"),
        (Change(0.4, 0.06, 0.1, 0.7), "unclear"),  # the interval alone says that there is something
        (Change(0.04, 0.06, 0.01, 0.07), "none"),  # which is a trifle
        (Change(0.4, 0.01, -0.1, 0.9), "none"),  # p and the interval disagree
        (Change(None, None), "untested"),
        (Change(0.4, None, 0.1, 0.7), "untested"),
    ],
)
def test_what_is_seen_of_a_change(change: Change, expected: str):
    assert sight(change, OF_IMAGES) == expected


def test_what_is_large_or_a_trifle_depends_on_the_unit():
    change = Change(0.4, 0.2, -0.1, 1.4)
    assert sight(change, OF_IMAGES) == "unclear"
    assert sight(change, OF_SETS) == "none"
    assert sight(Change(0.0, 1.0, 0.0, 0.0), Scale(0, 0)) == "unclear"  # without a unit nothing is excluded
    assert step(Change(-0.5, 0.01), OF_IMAGES) == "wrong"
    assert step(Change(-0.5, 0.01), OF_SETS) == "slightly wrong"
    assert step(Change(-0.5, 0.2), OF_IMAGES) == "reversed"
    assert step(Change(0.5, 0.2), OF_IMAGES) == "flat"
    assert step(Change(0.5, 0.01), OF_IMAGES) == "right"
    assert step(Change(None, 0.01), OF_IMAGES) == "untested"


@pytest.mark.parametrize(
    ("sights", "word", "first"),
    [
        ("seen seen seen", "sees", 0),
        ("none seen seen", "sees", 1),
        ("wrong none seen", "sees", 2),
        ("seen none seen", "sees", 2),
        ("seen seen none", "blind", None),
        ("seen seen unclear", "cannot tell", None),
        ("none none none", "blind", None),
        ("seen seen wrong", "wrong way", None),
        ("untested untested untested", "cannot tell", None),
    ],
)
def test_the_verdict_begins_at_the_strongest_level(sights: str, word: str, first: int | None):
    found = judge(sights.split(), [], "")
    assert (found.word, found.first) == (word, first)
    assert not found.failed  # it must do nothing


def test_a_ladder_is_monotone_within_noise_or_not():
    seen = ["seen"] * 3
    assert judge(seen, ["right", "flat", "right"], "not wrong").shape == "monotone"
    weak = judge(seen, ["right", "reversed", "right"], "not wrong")
    assert (weak.shape, weak.failed) == ("within noise", False)
    trifle = judge(seen, ["right", "slightly wrong", "right"], "not wrong")
    assert (trifle.shape, trifle.back, trifle.failed) == ("not monotone", (1,), False)
    broken = judge(seen, ["right", "right", "wrong"], "not wrong")
    assert (broken.shape, broken.back, broken.failed) == ("not monotone", (2,), True)
    assert not judge(seen, ["right", "right", "wrong"], "").failed
    assert judge(seen, ["untested"] * 3, "").shape == ""


def test_what_must_be_seen_fails_when_blind_and_not_when_nobody_can_tell():
    assert judge(["none"], [], "seen").failed
    assert judge(["wrong"], [], "seen").failed
    assert not judge(["seen"], [], "seen").failed
    assert not judge(["unclear"], [], "seen").failed
    assert not judge(["untested"], [], "seen").failed
    assert not judge(["none"], [], "not wrong").failed
    assert judge(["wrong", "seen"], ["right", "right"], "not wrong").failed
    assert not judge(["wrong", "seen"], ["right", "right"], "not wrong", trifling=[0]).failed


def test_without_a_direction_nothing_is_wrong():
    assert judge(["none", "wrong"], [], "", directed=False).word == "moves"
    assert judge(["seen", "none"], [], "", directed=False).word == "moves"
    assert judge(["none", "none"], [], "", directed=False).word == "unmoved"
    assert judge(["none", "unclear"], [], "", directed=False).word == "cannot tell"


def test_over_ladders_of_one_level_it_is_holm():
    chance = random.Random(0)
    for _ in range(20):
        ps = [None if chance.random() < 0.1 else chance.random() ** 3 for _ in range(12)]
        assert [levels[0] for levels in over_ladders([[p] for p in ps])] == pytest.approx(holm(ps))


def test_one_ladder_costs_nothing_but_its_stronger_levels():
    assert over_ladders([[0.001, 0.04, 0.002]]) == [[0.04, 0.04, 0.002]]
    assert over_ladders([[0.03, None, 0.01]]) == [[0.03, None, 0.01]]
    assert over_ladders([]) == []
    assert over_ladders([[None, None], [0.01]]) == [[None, None], [0.01]]


def test_two_ladders_share_the_level_until_one_is_seen_whole():
    # The first is seen whole at 2 x 0.01, so that the second is tested at the full level from there on.
    assert over_ladders([[0.01, 0.01], [0.2, 0.03]]) == [[0.02, 0.02], [0.2, 0.03]]
    # Not whole: nothing is handed on.
    assert over_ladders([[0.5, 0.01], [0.6, 0.02]]) == [[1.0, 0.02], [1.0, 0.04]]


def test_the_adjusted_p_is_the_level_at_which_the_rule_itself_rejects():
    """Against the rule step by step: at level a, ladders are seen from the top while p <= a / (those not yet whole)."""
    chance = random.Random(1)
    for _ in range(40):
        ladders = [[chance.random() ** 4 for _ in range(chance.randrange(1, 4))] for _ in range(5)]
        found = over_ladders(ladders)
        for level in (0.01, 0.05, 0.2, 0.6):
            whole: set[int] = set()
            while True:
                share = level / max(1, len(ladders) - len(whole))
                reached = [_from_the_top(levels, share) for levels in ladders]
                now = {place for place, levels in enumerate(ladders) if reached[place] == len(levels)}
                if now <= whole:
                    break
                whole |= {min(now - whole)}
            seen = [level if place in whole else 0 for place in range(len(ladders))]
            for place, levels in enumerate(ladders):
                count = len(levels) if seen[place] else reached[place]
                by_rule = [k >= len(levels) - count for k in range(len(levels))]
                assert [p <= level for p in found[place]] == by_rule  # type: ignore[operator]


def test_null_tables_are_clean_as_often_as_the_level_says():
    chance, alarms, tables = random.Random(2), 0, 4000
    for _ in range(tables):
        shared = chance.random()
        ladders = [[shared if chance.random() < 0.5 else chance.random() for _ in range(3)] for _ in range(6)]
        alarms += any(p is not None and p <= 0.05 for levels in over_ladders(ladders) for p in levels)
    assert alarms / tables <= 0.05 + 0.008  # two and a half standard errors


def _from_the_top(levels: list[float], share: float) -> int:
    count = 0
    for p in reversed(levels):
        if p > share:
            break
        count += 1
    return count


def test_every_verdict_has_a_word():
    words = set()
    for sights in product(("seen", "wrong", "none", "unclear", "untested"), repeat=2):
        for directed in (True, False):
            words.add(judge(sights, ["right", "right"], "seen", directed).word)
    assert words == {"sees", "blind", "wrong way", "moves", "unmoved", "cannot tell"}
