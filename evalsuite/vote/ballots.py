"""What a rater sees and says: pairs in an order of their own, and votes."""

from __future__ import annotations

import random
import unicodedata
from typing import Literal, NamedTuple, TypeAlias, get_args

from evalsuite.errors import InputError
from evalsuite.vote.study import Pair, Study

Choice: TypeAlias = Literal["left", "right", "tie", "skip"]
CHOICES = get_args(Choice)
LONGEST_NAME = 40


class Stale(Exception):  # noqa: N818 - nothing is wrong: the page shows a pair that was voted on already
    """The vote is not for the pair that the rater sees now."""


class Shown(NamedTuple):
    """A pair as one rater sees it."""

    pair: Pair
    left_side: str

    def side(self, place: str) -> str:
        """Whose image is on the ``left`` or ``right``."""
        return self.left_side if place == "left" else "b" if self.left_side == "a" else "a"


class Turn(NamedTuple):
    """Where a rater is; ``current`` is None at the end, ``following`` is what comes after it."""

    total: int
    done: int
    current: Shown | None
    following: Shown | None


class Ballot(NamedTuple):
    """A vote that counts."""

    rater: str
    pair: Pair
    left_side: str
    choice: Choice
    milliseconds: int

    @property
    def winner(self) -> str | None:
        """``a``, ``b``, or None for a tie or a skip."""
        if self.choice not in ("left", "right"):
            return None
        return Shown(self.pair, self.left_side).side(self.choice)

    @property
    def score(self) -> float | None:
        """Of the first model: 1, 0, half a point for a tie, None for a skip."""
        if self.choice == "skip":
            return None
        return {"a": 1.0, "b": 0.0, None: 0.5}[self.winner]


def order(study: Study, seed: str) -> list[tuple[int, str]]:
    """Pair numbers in a random order, each with the side that stands on the left: either on half of the pairs."""
    draw = random.Random(seed)
    numbers = [pair.number for pair in study.pairs]
    sides = [("a", "b")[place % 2] for place in range(len(numbers))]
    if draw.random() < 0.5:  # of an odd number, the pair too many goes to either
        sides = ["b" if side == "a" else "a" for side in sides]
    draw.shuffle(numbers)
    draw.shuffle(sides)
    return list(zip(numbers, sides, strict=True))


def rater_name(text: str) -> str:
    """A name as it is kept: composed characters, single spaces.

    Raises:
        InputError: empty, too long, or not printable.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"rater {name[:LONGEST_NAME]!r}: use 1 to {LONGEST_NAME} printable characters")
    return name
