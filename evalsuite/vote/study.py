"""What is voted on: the pairs of images that two models made of the same prompts, index by index and size by size."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.pairing import match
from evalsuite.scorecard import ScoredImage
from evalsuite.sources import Source, labels

QUESTION = "Which image is better?"
LONGEST_QUESTION = 200
SIDES = ("a", "b")
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SAME_PIXELS = "the same pixels in both"


@dataclass(frozen=True, slots=True)
class Picture:
    """One of the two images of a pair.

    Attributes:
        id: in its model's scorecard.
        file: relative to the side's folder where it lies in it, else absolute.
        pixel_sha256: of its pixels; what is shown must have them.
    """

    id: str
    file: str
    pixel_sha256: str


@dataclass(frozen=True, slots=True)
class Side:
    """A model that is voted on.

    Attributes:
        label: how results call it; the page never does.
        model: its name.
        folder: where its scorecard was read.
    """

    label: str
    model: str
    folder: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of one prompt.

    Attributes:
        number: from 0, in the order of prompts.
        prompt_id: of the prompt.
        cluster: what votes may depend on: the prompt, for an edit its base.
        text: the prompt, as it is.
        index: which of the images of this prompt and size.
        width: pixels.
        height: pixels.
        aspect: ratio as asked for.
        tags: the prompt's.
        a: of the first model.
        b: of the second.
    """

    number: int
    prompt_id: str
    cluster: str
    text: str
    index: int
    width: int
    height: int
    aspect: str
    tags: tuple[str, ...]
    a: Picture
    b: Picture


@dataclass(frozen=True, slots=True)
class Study:
    """A vote before anyone has voted.

    Attributes:
        a: the first model.
        b: the second.
        pairs: what is shown.
        question: above the images.
        seed: of every order that follows.
        left_out: why images are not shown, and how many.
    """

    a: Side
    b: Side
    pairs: tuple[Pair, ...]
    question: str
    seed: int
    left_out: Mapping[str, int]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what raters see and of the seed; where folders lie is no part of it."""
        facts = [[p.text, p.width, p.height, p.a.id, p.a.pixel_sha256, p.b.id, p.b.pixel_sha256] for p in self.pairs]
        return digest([self.a.model, self.b.model, self.question, self.seed, facts])

    def place(self, side: str, picture: Picture) -> Path:
        """Where an image lies now."""
        return Path((self.a if side == "a" else self.b).folder, picture.file)


def plan_study(
    sources: Sequence[Source], *, limit: int | None = None, question: str = QUESTION, seed: int = 0
) -> Study:
    """Pair the images of two scorecards.

    Args:
        sources: two of them.
        limit: pairs to draw, at random by the seed and the same for all raters; None means all.
        question: above the images.
        seed: of what is drawn, of orders and of sides.

    Raises:
        InputError: not two models, no image has a partner, an image is not there, or the question is empty or long.
    """
    if len(sources) != 2:
        names = ", ".join(source.card.model for source in sources)
        raise InputError(f"a vote is between two models, these are {len(sources)} ({names}): name two, as FOLDER:MODEL")
    question = " ".join(question.split())
    if not question or len(question) > LONGEST_QUESTION:
        raise InputError(f"--question has {len(question)} characters: use 1 to {LONGEST_QUESTION}")
    one, other = labels(sources)
    sides = [Side(name, s.card.model, str(_folder(s.path))) for name, s in zip((one, other), sources, strict=True)]
    matched = match(sources[0].card, sources[1].card, (one, other))
    left_out = Counter(image.why for image in matched.unpaired)
    found: list[Pair] = []
    for a, b in matched.pairs:
        if a.pixel_sha256 == b.pixel_sha256:
            left_out[SAME_PIXELS] += 1
        else:
            found.append(_pair(len(found), a, b))
    if not found:
        reasons = "; ".join(f"{count} {why}" for why, count in left_out.items()) or "no images"
        raise InputError(f"{one} and {other} have no images to vote on: {reasons}")
    chosen = found if limit is None else sorted(random.Random(seed).sample(found, min(limit, len(found))), key=_number)
    study = Study(sides[0], sides[1], tuple(chosen), question, seed, dict(left_out))
    _check_files(study)
    return study


def slug(study: Study) -> str:
    """A folder's name for the votes: both labels and the fingerprint."""
    a, b = (re.sub(r"[^a-z0-9]+", "-", side.label.lower()).strip("-")[:24].strip("-") for side in (study.a, study.b))
    return f"vote-{a or 'a'}-{b or 'b'}-{study.fingerprint[:8]}"


def visible(text: str) -> str:
    """Text on one line in which nothing hides: control characters and overrides of direction are shown as escapes."""
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in ("Cc", "Cs") or char in BIDI else char
        for char in " ".join(text.replace("\t", " ").split("\n"))
    )


def _pair(number: int, a: ScoredImage, b: ScoredImage) -> Pair:
    assert a.width is not None  # images that were scored have a size
    about: dict[str, Any] = {name: getattr(a, name) for name in ("prompt_id", "cluster", "index", "width", "height")}
    text = a.text or b.text
    pictures = [Picture(i.id, str(i.file), str(i.pixel_sha256)) for i in (a, b)]
    return Pair(number, **about, text=text, aspect=a.aspect, tags=a.tags, a=pictures[0], b=pictures[1])


def _number(pair: Pair) -> int:
    return pair.number


def _folder(path: Path) -> Path:
    return (path if path.is_dir() else path.parent).absolute()


def _check_files(study: Study) -> None:
    lost = [
        study.place(side, getattr(pair, side))
        for pair in study.pairs
        for side in SIDES
        if not study.place(side, getattr(pair, side)).is_file()
    ]
    if lost:
        others = f" and {len(lost) - 1} others" if lost[1:] else ""
        raise InputError(f"{lost[0]}{others}: no such image; vote where the images are, or make them again")
