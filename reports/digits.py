"""How many digits of a number are shown: as many as its interval supports."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

MISSING = "—"
MINUS, TIMES = "\u2212", "\u00d7"
MAX_DECIMALS = 6


ROUNDING = 5e-6
"""Half-width, over the value, under which an interval is rounding: no reader sees its ends apart."""


class Number(NamedTuple):
    """A value with its interval and sample size; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def sensible(self) -> bool:
        """Whether the interval exists and holds the value."""
        if self.value is None or self.low is None or self.high is None:
            return False
        return self.low <= self.value <= self.high

    @property
    def half(self) -> float:
        """Half the interval's width; 0 where there is none, or where it is within rounding of the value."""
        if self.value is None or self.low is None or self.high is None:
            return 0.0
        half = (self.high - self.low) / 2
        return half if half > ROUNDING * abs(self.value) else 0.0


def decimals(numbers: Iterable[Number]) -> int:
    """Decimals of a line: two significant digits of its intervals, or four of the values where there are none.

    The widest interval decides; a narrower one gains a digit at most, and none beyond six of its value.
    """
    numbers = tuple(numbers)
    halves = [number.half for number in numbers if number.half > 0]
    if halves:
        coarse, fine = (1 - math.floor(math.log10(half)) for half in (max(halves), min(halves)))
        return min(fine, coarse + 1)
    values = [abs(x.value) for x in numbers if x.value]
    return 3 - math.floor(math.log10(max(values))) if values else 3


def show(number: Number, digits: int) -> str:
    """``0.412 ±0.031``, ``0.412 [0.371, 0.434]`` for a lopsided interval, or the value alone.

    Args:
        number: what to show.
        digits: decimals; past 6, all parts share a power of ten; below 0, whole numbers are shown.
    """
    if number.value is None:
        return MISSING
    if digits > MAX_DECIMALS:
        return _with_power(number, digits)
    digits, value, low, high = max(digits, 0), number.value, number.low, number.high
    text = _fixed(value, digits)
    if low is None or high is None or low > high:
        return text
    lopsided = abs((high - value) - (value - low)) > 0.05 * (high - low)
    if number.sensible and not (lopsided and number.half):
        return f"{text} ±{_fixed((high - low) / 2, digits)}"
    return f"{text} [{_fixed(low, digits)}, {_fixed(high, digits)}]"


def _with_power(number: Number, digits: int) -> str:
    parts = (number.value, number.low, number.high)
    largest = max(abs(part) for part in parts if part is not None)
    if largest < 1e-300:  # nothing, to any reader
        return show(number, 0)
    power = math.floor(math.log10(largest))
    value, low, high = (None if part is None else part / 10.0**power for part in parts)
    text = show(Number(value, low, high, number.n), min(max(digits + power, 0), MAX_DECIMALS))
    return f"({text})e{power}" if " " in text else f"{text}e{power}"


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text
