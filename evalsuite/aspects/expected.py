"""How many objects a caption of the bundled world asks for: its grammar, read back.

    [STYLE] NUMBER [COLOUR] THING [RELATION NUMBER [COLOUR] THING] on a COLOUR [gradient] background

One drawing is one object, whatever its name says: "a cherries" is one.
"""

from __future__ import annotations

import re
from types import MappingProxyType

NUMBERS = MappingProxyType({"a": 1, "an": 1, "two": 2, "three": 3, "four": 4})
STYLES = ("flat", "shaded", "3d")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "gray", "white")
RELATIONS = ("and", "left of", "right of", "above", "below")


def _any(words: tuple[str, ...] | MappingProxyType[str, int]) -> str:
    return f"(?:{'|'.join(words)})"


_NOUN = rf"(?:{_any(COLOURS)} )?[^\W\d_]+"
_CAPTION = re.compile(
    rf"(?:{_any(STYLES)} )?(?P<first>{_any(NUMBERS)}) {_NOUN}"
    rf"(?: {_any(RELATIONS)} (?P<second>{_any(NUMBERS)}) {_NOUN})?"
    rf" on an? {_any(COLOURS)}(?: gradient)? background"
)


def expected(caption: str) -> int | None:
    """Objects that a caption asks for, at least 1; None for what is not of the grammar."""
    match = _CAPTION.fullmatch(caption)
    if match is None:
        return None
    second = match["second"]
    return NUMBERS[match["first"]] + (NUMBERS[second] if second else 0)
