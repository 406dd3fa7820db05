from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.ranking import in_order, letters

COUNT = 6
PAIRS = list(combinations(range(COUNT), 2))


@given(st.sets(st.sampled_from(PAIRS)))
def test_two_share_a_letter_exactly_when_they_are_not_told_apart(apart: set[tuple[int, int]]):
    found = letters(COUNT, apart)
    for i, j in PAIRS:
        assert bool(set(found[i]) & set(found[j])) == ((i, j) not in apart)


@given(st.sets(st.sampled_from(PAIRS)))
def test_no_group_is_inside_another_and_the_first_has_the_letter_a(apart: set[tuple[int, int]]):
    found = letters(COUNT, apart)
    groups = [{i for i in range(COUNT) if letter in found[i]} for letter in sorted(set("".join(found)))]
    assert not any(one < other for one in groups for other in groups)
    assert "a" in found[0]


@pytest.mark.parametrize(
    ("count", "apart", "expected"),
    [
        (3, [], ["a", "a", "a"]),
        (3, [(0, 1), (0, 2), (1, 2)], ["a", "b", "c"]),
        (3, [(0, 2)], ["a", "ab", "b"]),
        (3, [(2, 0)], ["a", "ab", "b"]),
        (4, [(0, 2), (0, 3), (1, 3)], ["a", "ab", "bc", "c"]),
        (1, [], ["a"]),
    ],
)
def test_letters_of_known_groups(count: int, apart: list[tuple[int, int]], expected: list[str]):
    assert letters(count, apart) == expected


def test_letters_go_on_after_z():
    found = letters(28, list(combinations(range(28), 2)))
    assert found[25:] == ["z", "a1", "b1"]


def test_the_best_comes_first():
    assert in_order([1.0, 3.0, 2.0], True) == [1, 2, 0]
    assert in_order([1.0, 3.0, 2.0], False) == [0, 2, 1]
    assert in_order([1.0, 3.0, 3.0], None) == [1, 2, 0]
