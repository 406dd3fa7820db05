"""What a scene of the embedded world is, how it is captioned, and which combinations training never sees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random
from typing import Literal

from backbones.training.artwork import STYLES
from backbones.training.names import NAMES

COLOURS: dict[str, tuple[int, int, int]] = {  # sRGB, 0..255
    "red": (229, 57, 53),
    "orange": (251, 140, 0),
    "yellow": (253, 216, 53),
    "green": (67, 160, 71),
    "blue": (30, 136, 229),
    "purple": (142, 36, 170),
    "pink": (244, 143, 177),
    "brown": (121, 85, 72),
    "black": (33, 33, 33),
    "gray": (158, 158, 158),
    "white": (250, 250, 250),
}
NUMBERS = ("a", "two", "three", "four")
RELATIONS = ("left of", "right of", "above", "below")
HELD_OUT_SHARE = 12  # one combination in so many
Split = Literal["train", "held-out"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing, tinted when `colour` is named."""

    name: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture in words: one subject (`count` times) or two in a relation, on a background."""

    subjects: tuple[Subject, ...]
    relation: str | None  # "and" or one of RELATIONS when there are two subjects
    count: int
    background: str
    gradient: bool
    style: str  # one of STYLES: what is drawn
    style_named: bool  # whether the caption says so

    @property
    def layout(self) -> str:
        """`single`, `count 3`, `and`, `left of` ...: the third part of a held-out combination."""
        return self.relation or ("single" if self.count == 1 else f"count {self.count}")

    @property
    def caption(self) -> str:
        """The scene in the world's grammar."""
        style = f"{self.style} " if self.style_named else ""
        subjects = f" {self.relation} ".join(_phrase(subject, self.count) for subject in self.subjects)
        ground = f"{self.background} gradient" if self.gradient else self.background
        return f"{style}{subjects} on {_article(ground)} {ground} background"


def _phrase(subject: Subject, count: int) -> str:
    noun = subject.name if count == 1 else NAMES[subject.name].plural
    words = f"{subject.colour} {noun}" if subject.colour else noun
    return f"{_article(words) if count == 1 else NUMBERS[count - 1]} {words}"


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" and not words.startswith("unicorn") else "a"


def is_held_out(scene: Scene) -> bool:
    """Whether some name x colour x layout of the scene is kept from training; a plain single object never is."""
    return any(
        (subject.colour is not None or scene.layout != "single") and _held_out(subject, scene.layout)
        for subject in scene.subjects
    )


def _held_out(subject: Subject, layout: str) -> bool:
    key = f"{subject.name}|{subject.colour or 'natural'}|{layout}"
    return hashlib.sha256(key.encode()).digest()[0] % HELD_OUT_SHARE == 0


def sample_scene(random: Random, split: Split) -> Scene:
    """Draw a scene of the split: 55 % one object, 15 % two to four of it, 30 % two objects; a third tinted."""
    while True:
        scene = _sample(random)
        if is_held_out(scene) == (split == "held-out"):
            return scene


def _sample(random: Random) -> Scene:
    background = random.choice(list(COLOURS))
    kind = random.choices(("single", "count", "pair"), (55, 15, 30))[0]
    names = random.sample(list(NAMES), 2 if kind == "pair" else 1)
    tints = [colour for colour in COLOURS if colour != background]
    subjects = tuple(Subject(name, random.choice(tints) if random.random() < 0.33 else None) for name in names)
    return Scene(
        subjects=subjects,
        relation=random.choice(("and", *RELATIONS)) if kind == "pair" else None,
        count=random.randint(2, 4) if kind == "count" else 1,
        background=background,
        gradient=random.random() < 0.2,
        style=random.choice(STYLES),
        style_named=random.random() < 0.3,
    )
