"""Which class a prompt means, for models that know classes and no texts."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from evalsuite.errors import InputError
from evalsuite.progress import plain
from prompts import load

IMAGENET = "imagenet"
"""The bundled prompt set: its ids and texts, in the order of the classes."""
SHOWN = 60  # characters of a prompt in a message
_NUMBER = re.compile(r"class (\d{1,6})")


class ClassLabels:
    """Class numbers of prompts; "" is the null class.

    A prompt names its class as ``class 207``; of the 1,000 of ImageNet also by the text or the id of the bundled set
    ``imagenet``. Case counts only where two names differ by nothing else: Cardigan is a dog, cardigan is not.

    Args:
        count: classes, without the null class.
        null: the null class, or None where the model has none: its label is then -1.
        model: name, for messages.
    """

    def __init__(self, count: int, null: int | None, model: str) -> None:
        self.count = count
        self.null = null
        self.model = model
        self._exact, self._folded = imagenet_names() if count == 1000 else ({}, {})

    def of(self, text: str) -> int:
        """The label of a prompt.

        Raises:
            InputError: it names no class of the model.
        """
        if not text:
            return -1 if self.null is None else self.null
        words = text.strip()
        match = _NUMBER.fullmatch(words.casefold())
        if match and int(match[1]) < self.count:
            return int(match[1])
        label = self._exact.get(words, self._folded.get(words.casefold()))
        if label is None:
            named = f", a name or an id of --prompts {IMAGENET}" if self._exact else ""
            raise InputError(
                f"model {self.model!r} knows {self.count} classes and no texts, and prompt {plain(words[:SHOWN])!r} is"
                f" none of them: write class 0 to class {self.count - 1}{named}"
            )
        return label


@cache
def imagenet_names() -> tuple[dict[str, int], dict[str, int]]:
    """Labels of ImageNet's classes by name and by id; and by name without case, where only one class has it."""
    prompts = load(IMAGENET).prompts
    exact = {name: label for label, prompt in enumerate(prompts) for name in (prompt.text, prompt.id)}
    often = Counter(name.casefold() for name in exact)
    return exact, {name.casefold(): label for name, label in exact.items() if often[name.casefold()] == 1}
