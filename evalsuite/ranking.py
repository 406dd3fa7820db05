"""A ranking with groups that cannot be told apart: models that share a letter."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from string import ascii_lowercase


@dataclass(frozen=True, slots=True)
class Place:
    """A model's place: those that share a letter cannot be told apart."""

    label: str
    value: float
    letters: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """Models by one metric on one slice, the best first (the highest, where neither direction is better).

    Attributes:
        metric: in full.
        slice: of the images.
        higher_is_better: None where neither direction is better.
        places: in order.
        tests: pairs that Holm counted.
        n: images of each model.
    """

    metric: str
    slice: str
    higher_is_better: bool | None
    places: tuple[Place, ...]
    tests: int
    n: int


def letters(count: int, apart: Collection[tuple[int, int]]) -> list[str]:
    """Compact letter display of things 0 .. count - 1, in their order.

    Two share a letter exactly when they are not told apart (insert and absorb: Piepho, Journal of Computational and
    Graphical Statistics 13, 2004).

    Args:
        count: how many.
        apart: pairs that are told apart, in either order.
    """
    groups = [frozenset(range(count))]
    for i, j in sorted(tuple(sorted(pair)) for pair in apart):
        split = [part for group in groups for part in ((group - {i}, group - {j}) if {i, j} <= group else (group,))]
        unique = list(dict.fromkeys(split))
        groups = [group for group in unique if not any(group < other for other in unique)]
    groups.sort(key=sorted)
    return ["".join(_letter(place) for place, group in enumerate(groups) if i in group) for i in range(count)]


def in_order(values: Sequence[float], higher_is_better: bool | None) -> list[int]:
    """Positions of values, the best first; equal ones keep their order."""
    return sorted(range(len(values)), key=lambda i: values[i] if higher_is_better is False else -values[i])


def _letter(place: int) -> str:
    """Letters a to z, then a1 to z1 and so on."""
    turn, letter = divmod(place, len(ascii_lowercase))
    return ascii_lowercase[letter] + (str(turn) if turn else "")
