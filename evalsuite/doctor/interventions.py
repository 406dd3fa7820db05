"""What is done to images and prompts whose effect is known beforehand, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from evalsuite.doctor import degrade
from evalsuite.doctor.roles import QUALITY, READS, Role
from evalsuite.records import Pixels

Kind = Literal["texts", "pixels", "set"]
Must = Literal["seen", "not wrong", ""]
"""What a metric has to do: see it, not see the contrary, or nothing: then it is information."""


class Level(NamedTuple):
    """How much is done, in words and as a number."""

    label: str
    strength: float


class Intervention(NamedTuple):
    """One thing that is done, at one or more levels from little to much.

    Attributes:
        key: short name.
        title: in tables.
        about: what is done.
        kind: whether prompts are exchanged, pixels changed, or images of the set.
        levels: from weak to strong; more than one are a ladder.
        apply: pixels of an image and a strength to other pixels; None where no pixel changes.
        harmful: whether a metric should find it worse; else it should not matter.
    """

    key: str
    title: str
    about: str
    kind: Kind
    levels: tuple[Level, ...]
    apply: Callable[[Pixels, float], Pixels] | None = None
    harmful: bool = True

    def concerns(self, role: Role) -> bool:
        """Whether a metric of this role can see it at all."""
        if role == "path":
            return False
        return {"texts": role in READS, "pixels": True, "set": role == "distance"}[self.kind]

    def must(self, role: Role) -> Must:
        """What a metric of this role has to do."""
        if self.key == "shuffled":
            return "seen"
        if not self.harmful or self.key == "word":
            return ""
        return "not wrong" if role in QUALITY or self.key == "grey" else ""


def _levels(words: str, *strengths: float) -> tuple[Level, ...]:
    return tuple(Level(words.format(strength), strength) for strength in strengths)


ONCE = (Level("", 1.0),)
TABLE: tuple[Intervention, ...] = (
    Intervention("shuffled", "prompts shuffled", "every image gets another image's prompt", "texts", ONCE),
    Intervention("word", "one word changed", "one word of the prompt is another's of the set", "texts", ONCE),
    Intervention("grey", "empty images", "every image is mid grey", "pixels", ONCE, degrade.grey),
    Intervention(
        "blur", "blur", "Gaussian blur, sigma in pixels of a 256 x 256 image", "pixels",
        _levels("{:g} px", 1, 2, 4, 8), degrade.blur,
    ),
    Intervention(
        "noise", "noise", "white noise on every value, sigma as a share of the range", "pixels",
        _levels("{:g}", 0.05, 0.1, 0.2, 0.4), degrade.noise,
    ),
    Intervention(
        "jpeg", "JPEG", "JPEG compression, by quality (Pillow, 4:2:0)", "pixels",
        _levels("q {:g}", 50, 20, 10, 5), degrade.jpeg,
    ),
    Intervention(
        "resize", "resize", "made smaller by this factor and larger again", "pixels",
        _levels("1/{:g}", 2, 4, 8, 16), degrade.resize,
    ),
    Intervention(
        "copies", "copies", "a share of the images are copies of others", "set",
        (Level("25 %", 0.25), Level("50 %", 0.5), Level("75 %", 0.75)),
    ),
    Intervention(
        "mirror", "mirrored", "left and right exchanged", "pixels", ONCE, degrade.mirror, harmful=False
    ),
)  # fmt: skip
