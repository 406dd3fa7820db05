"""The recipe card: every setting of every run, side by side, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports import tables
from reports.contents import Recipe
from reports.digits import MISSING


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value in every run."""

    name: str
    values: tuple[str, ...]
    differs: bool


def settings(recipes: Sequence[Recipe]) -> list[Setting]:
    """Settings, then versions and hashes, in the order in which they first come."""
    cards = [dict(_flat(recipe)) for recipe in recipes]
    names = dict.fromkeys(name for card in cards for name in card)
    found = []
    for name in names:
        values = tuple(card.get(name, MISSING) for card in cards)
        found.append(Setting(name, values, len(set(values)) > 1))
    return found


def _flat(recipe: Recipe) -> Iterator[tuple[str, str]]:
    for name, value in recipe.settings.items():
        yield from _pairs(name, value)
    for name, version in recipe.versions.items():
        yield f"version of {name}", words(version)
    yield "scores.json, SHA-256", recipe.sha256 or MISSING


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _pairs(f"{name} {key}", inner)
    else:
        yield name, words(value)


def words(value: Any) -> str:
    """A setting as it is shown: lists with commas, nothing as a dash."""
    value = tables.plain(value)
    if value is None or value == [] or value == "":
        return MISSING
    if isinstance(value, list):
        return ", ".join(map(words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
