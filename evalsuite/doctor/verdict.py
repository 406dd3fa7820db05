"""From what was seen at each level to one word for the whole ladder: plain logic on tested changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from evalsuite.doctor.interventions import Must
from evalsuite.stats import LEVEL

Sight = Literal["seen", "wrong", "none", "unclear", "untested"]
"""Of a level: the expected change, its contrary, hardly any, none seen though there may be one, no test."""
Step = Literal["right", "flat", "reversed", "slightly wrong", "wrong", "untested"]
"""Of a step to the next level: the expected change, none seen, the contrary within noise, or beyond it."""
Word = Literal["sees", "blind", "wrong way", "moves", "unmoved", "cannot tell"]
Shape = Literal["monotone", "within noise", "not monotone", ""]

SEEN = 1 - LEVEL


class Scale(NamedTuple):
    """What is large and what is a trifle, in the unit that effects are given in."""

    large: float
    trifle: float


OF_IMAGES = Scale(1.0, 0.1)
"""In standard deviations of the scores of single images."""
OF_SETS = Scale(2.0, 1.0)
"""In standard deviations of a distance between real sets of this size: less is not told from chance in one run."""


class Change(NamedTuple):
    """A tested difference in units of its scale, turned so that the expected direction is above 0.

    Attributes:
        value: the difference; None where there is none.
        p: after correction for all tests; None where it was not tested.
        low: lower end of its 95 % interval; None where there is none.
        high: upper end.
    """

    value: float | None
    p: float | None
    low: float | None = None
    high: float | None = None


class Verdict(NamedTuple):
    """Of a metric on an intervention.

    Attributes:
        word: what it comes to.
        first: position of the weakest level from which on all are seen; None where the strongest is not.
        shape: whether every step to a stronger level goes the expected way; empty for a single level.
        wrong: positions of levels that changed it the wrong way.
        back: positions of levels to which it went the wrong way from the level before.
        failed: whether the metric does not do what it must. A trifle is shown, and fails nothing.
    """

    word: Word
    first: int | None
    shape: Shape
    wrong: tuple[int, ...]
    back: tuple[int, ...]
    failed: bool


def sight(change: Change, scale: Scale) -> Sight:
    """What was seen of a change. Seen is what p and the interval both say."""
    if change.value is None or change.p is None or change.low is None or change.high is None:
        return "untested"
    if change.p <= SEEN and not change.low <= 0 <= change.high:
        return "seen" if change.value > 0 else "wrong"
    far = max(-change.low, change.high)
    hint = not change.low <= 0 <= change.high and far >= scale.trifle  # the interval alone says that there is something
    return "none" if far < scale.large and not hint else "unclear"


def step(change: Change, scale: Scale) -> Step:
    """What a step to a stronger level does."""
    if change.value is None or change.p is None:
        return "untested"
    if change.p > SEEN:
        return "reversed" if change.value < 0 else "flat"
    if change.value > 0:
        return "right"
    return "wrong" if change.value < -scale.trifle else "slightly wrong"


def judge(
    sights: Sequence[Sight], steps: Sequence[Step], must: Must, directed: bool = True, trifling: Sequence[int] = ()
) -> Verdict:
    """The verdict.

    Args:
        sights: of the levels, from weak to strong; at least one.
        steps: from nothing to the first level and so on; empty for a single level.
        must: what the metric has to do.
        directed: whether a direction is expected; else any change is a move and none is wrong.
        trifling: positions of levels whose change is a trifle.
    """
    if not directed:
        moved = any(found in ("seen", "wrong") for found in sights)
        word: Word = "moves" if moved else "unmoved" if sights[-1] == "none" else "cannot tell"
        return Verdict(word, None, "", (), (), False)
    wrong = tuple(place for place, found in enumerate(sights) if found == "wrong")
    back = tuple(place for place, found in enumerate(steps) if found in ("wrong", "slightly wrong"))
    first, shape = _first(sights), _shape(steps)
    word = "sees" if first is not None else _unseen(sights[-1])
    against = "wrong" in steps or any(place not in trifling for place in wrong)
    unseen = must == "seen" and word not in ("sees", "cannot tell")
    return Verdict(word, first, shape, wrong, back, unseen or (bool(must) and against))


def _unseen(strongest: Sight) -> Word:
    if strongest == "wrong":
        return "wrong way"
    return "blind" if strongest == "none" else "cannot tell"


def _first(sights: Sequence[Sight]) -> int | None:
    """Where the seen levels at the strong end begin."""
    first = None
    for place in range(len(sights) - 1, -1, -1):
        if sights[place] != "seen":
            break
        first = place
    return first


def _shape(steps: Sequence[Step]) -> Shape:
    if not steps or all(found == "untested" for found in steps):
        return ""
    if "wrong" in steps or "slightly wrong" in steps:
        return "not monotone"
    return "within noise" if "reversed" in steps else "monotone"
