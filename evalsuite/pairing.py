"""Which images of two scorecards can be compared, which numbers, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from evalsuite.scorecard import Scorecard, ScoredImage

SCORED = ("ok", "constant")
KINDS = ("aspect", "tag")
Key = tuple[str, int, int | None, int | None]


class Pair(NamedTuple):
    """The same prompt, index and size by two models."""

    a: ScoredImage
    b: ScoredImage

    @property
    def key(self) -> Key:
        """What they share."""
        return self.a.pair


@dataclass(frozen=True, slots=True)
class Unpaired:
    """An image that has no partner, and why."""

    prompt_id: str
    index: int
    width: int | None
    height: int | None
    why: str


class Seeds(NamedTuple):
    """Pairs by whether both images began from the same noise."""

    same: int
    different: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Matched:
    """Two scorecards, image by image."""

    a: Scorecard
    b: Scorecard
    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]

    @property
    def seeds(self) -> Seeds:
        """How many pairs share their noise: those that do not are as good, but tell less."""
        known = [(pair.a.seed, pair.b.seed) for pair in self.pairs if None not in (pair.a.seed, pair.b.seed)]
        same = sum(a == b for a, b in known)
        return Seeds(same, len(known) - same, len(self.pairs) - len(known))


def match(a: Scorecard, b: Scorecard, labels: tuple[str, str] = ("the first", "the second")) -> Matched:
    """Pair images by prompt, index and size. Prompts of one id and different texts (or bases) are different prompts."""
    one, other = ({image.pair: image for image in card.images} for card in (a, b))
    pairs: list[Pair] = []
    unpaired: list[Unpaired] = []
    for key in sorted(one.keys() | other.keys(), key=str):
        reason = _why_not(one.get(key), other.get(key), labels)
        if reason:
            unpaired.append(Unpaired(*key, reason))
        else:
            pairs.append(Pair(one[key], other[key]))
    return Matched(a, b, tuple(pairs), tuple(unpaired))


def _why_not(a: ScoredImage | None, b: ScoredImage | None, labels: tuple[str, str]) -> str:
    if a is None or b is None:
        return f"only in {labels[0] if b is None else labels[1]}"
    lost = [f"{image.status} in {label}" for image, label in zip((a, b), labels, strict=True) if not is_scored(image)]
    if lost:
        return ", ".join(lost)
    return "another prompt of the same id" if (a.text, a.base) != (b.text, b.base) else ""


def is_scored(image: ScoredImage) -> bool:
    """Whether the image is there and metrics could look at it."""
    return image.status in SCORED


def belongs(image: ScoredImage, part: str) -> bool:
    """Whether an image is of a slice: ``all``, ``aspect=16:9`` or ``tag=colour``."""
    kind, _, value = part.partition("=")
    return kind == "all" or (image.aspect == value if kind == "aspect" else value in image.tags)


def slices(a: Scorecard, b: Scorecard, name: str, by: tuple[str, ...] = KINDS) -> list[str]:
    """Slices on which both have a row of a metric: all of it first, then those of the kinds asked for."""
    there = {row.slice for row in b.metrics[name].rows}
    return [
        row.slice
        for row in a.metrics[name].rows
        if row.slice in there and (row.slice == "all" or row.slice.partition("=")[0] in by)
    ]


def clash(one: str, other: str) -> str:
    """In what two protocols (``hash version; words; words``) differ; empty where they are the same."""
    if one == other:
        return ""
    (mark, *words), (mark_too, *words_too) = one.split("; "), other.split("; ")
    mine = [word for word in words if word not in words_too]
    theirs = [word for word in words_too if word not in words]
    if mine or theirs:
        return f"protocols differ: {'; '.join(mine) or 'nothing'} against {'; '.join(theirs) or 'nothing'}"
    return f"protocols differ in what has no words, such as weights or version: {mark} against {mark_too}"


def settings(a: Scorecard, b: Scorecard) -> Iterator[tuple[str, Any, Any]]:
    """Settings in which two runs differ: name, the first's value, the second's."""
    one, other = (dict(card.run.get("spec") or {}) | {"prompts": card.run.get("prompts")} for card in (a, b))
    for name in sorted(one.keys() | other.keys()):
        if name not in ("models", "fingerprint", "metrics") and one.get(name) != other.get(name):
            yield name, one.get(name), other.get(name)
