"""Every word that a caption of the embedded world can hold."""

from __future__ import annotations

from backbones.text import split_words
from backbones.training.artwork import STYLES
from backbones.training.names import NAMES
from backbones.training.scene import COLOURS, NUMBERS, RELATIONS

GRAMMAR = (*NUMBERS, *RELATIONS, *STYLES, *COLOURS, "an", "and", "on", "gradient", "background")


def vocabulary() -> list[str]:
    """The distinct words of the grammar and of all names, singular and plural, sorted."""
    nouns = [form for name, thing in NAMES.items() for form in (name, thing.plural)]
    return sorted({word for phrase in (*GRAMMAR, *nouns) for word in split_words(phrase)})
