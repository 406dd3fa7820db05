"""``--group NAME=MODEL,MODEL``: which models are one recipe, trained with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from evalsuite.errors import InputError

LISTED = 8
LEAST = 2


class Group(NamedTuple):
    """Models that differ by their training seed.

    Attributes:
        name: of the recipe.
        places: of its models among all that were read.
    """

    name: str
    places: tuple[int, ...]


def parse(given: Sequence[str], labels: Sequence[str], short: Sequence[str]) -> tuple[Group, Group]:
    """Two groups of models.

    Args:
        given: ``NAME=MODEL,...``, where ``*`` and ``?`` stand for any text and any letter of a model's label.
        labels: of all models.
        short: likewise, without folders; either may be written.

    Raises:
        InputError: not two groups, or a group that cannot be read, has fewer than two models, or one of the other's.
    """
    if len(given) != 2:
        raise InputError(
            f"--group names {len(given)} group(s): name two, as --group A=MODEL,MODEL --group B=MODEL,MODEL"
        )
    first, second = (_group(words, labels, short) for words in given)
    if first.name == second.name:
        raise InputError(f"--group {first.name!r} is given twice: give the two groups different names")
    if both := sorted(set(first.places) & set(second.places)):
        raise InputError(f"--group: {labels[both[0]]} is in {first.name} and in {second.name}: name it in one of them")
    return first, second


def _group(words: str, labels: Sequence[str], short: Sequence[str]) -> Group:
    name, sign, models = words.partition("=")
    name, patterns = name.strip(), [pattern.strip() for pattern in models.split(",") if pattern.strip()]
    if not sign or not name or not patterns:
        raise InputError(
            f"--group {words!r} cannot be read: write NAME=MODEL,MODEL, as in dit=dit-0,dit-1 or dit=dit-*"
        )
    places: list[int] = []
    for pattern in patterns:
        found = [place for place, both in enumerate(zip(labels, short, strict=True)) if _matches(pattern, both)]
        if not found:
            known = ", ".join(short[:LISTED]) + (", ..." if len(short) > LISTED else "")
            raise InputError(f"--group {name}: no model is called {pattern!r}; there are {known}")
        places += found
    unique = tuple(dict.fromkeys(places))
    if len(unique) < LEAST:
        raise InputError(
            f"--group {name} has {len(unique)} model, {short[unique[0]]}: training seeds need {LEAST} models of each "
            "group at least; compare single models without --group"
        )
    return Group(name, unique)


def _matches(pattern: str, names: Sequence[str]) -> bool:
    return any(pattern == name or fnmatchcase(name, pattern) for name in names)
