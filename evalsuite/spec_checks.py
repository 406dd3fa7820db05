"""What a field of a spec may hold; every refusal names the field, its value, and what it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evalsuite.errors import InputError
from evalsuite.sizes import parse_aspect


def check_names(name: str, values: Any) -> None:
    """Raise InputError unless the value is a tuple of names, none of them twice."""
    if not isinstance(values, tuple) or not values or not all(isinstance(value, str) for value in values):
        raise InputError(f"{name} is {values!r}: give a list of at least one name")
    for value in values:
        if not value or "|" in value or not value.isprintable():
            raise InputError(f"{name} has {value!r}: not a name")
        if values.count(value) > 1:
            raise InputError(f"{name} has {value!r} twice: name each once")


def check_whole(name: str, value: Any, lowest: int, highest: int) -> None:
    """Raise InputError unless the value is a whole number in a range, or what stands for one."""
    if (name == "batch_size" and value == "auto") or (name in ("limit", "threads") and value is None):
        return
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise InputError(f"{name} is {value!r}: use a whole number from {lowest} to {highest}")


def check_real(name: str, value: Any, least: float, most: float) -> None:
    """Raise InputError unless the value is a finite number in a range, or no shift."""
    if name == "shift" and value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        raise InputError(f"{name} is {value!r}: use a number from {least:g} to {most:g}")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise InputError unless the value is one of a few words."""
    if value not in choices:
        raise InputError(f"{name} {value!r} is unknown: use {', '.join(choices)}")


def check_aspects(aspects: Sequence[str]) -> None:
    """Raise InputError where an aspect is no ratio, or two are the same."""
    seen: dict[Any, str] = {}
    for aspect in aspects:
        other = seen.setdefault(parse_aspect(aspect), aspect)
        if other != aspect:
            raise InputError(f"aspects {other} and {aspect} are the same ratio: drop one")
