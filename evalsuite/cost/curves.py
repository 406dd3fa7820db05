"""FLOP of a subject as polynomials of a picture's area, with both kinds of attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import lcm
from typing import Literal, NamedTuple

from evalsuite.cost.count import Counts
from evalsuite.cost.growth import Quadratic, through
from evalsuite.cost.size import Size

BASE = 256  # pixels: no network that we know pads a multiple of it, or has fewer tokens there than words
BASES = (1, 2, 3, 4)
PADS = "cannot be told: its cost is no quadratic of the area, or it takes too few sizes"
BUILT, CALCULATED = "built so, and counted", "calculated from the shapes of its attention"
NONE, UNKNOWN = "no attention", "its attention is of a kind that the shapes do not tell"


class Cores(NamedTuple):
    """FLOP of attention's core by kind, or None where it cannot be told; and where the other one is from."""

    softmax: int | None
    linear: int | None
    origin: str


class Curves:
    """Counts a subject at four squares, and draws polynomials through them.

    Args:
        counts: of the subject.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        side = lcm(BASE, counts.subject.stride)
        bases = [Size(side, side).times(base) for base in BASES]
        self._bases = [size for size in bases if not counts.subject.refuses(size)]

    def cores(self, size: Size) -> Cores:
        """The core of a forward, with softmax attention and with linear attention."""
        subject, found = self._counts.subject, self._counts.split("denoiser", size)
        if subject.softmax is not None:
            return Cores(self._counts.split("softmax", size).core, found.core, BUILT)
        if subject.linear is not None:
            return Cores(found.core, self._counts.split("linear", size).core, BUILT)
        if not found.core:
            return Cores(None, None, NONE)
        if found.linear_core is None:
            return Cores(None, None, UNKNOWN)
        return Cores(found.core, found.linear_core, CALCULATED)

    def of(self, value: Callable[[Size], int]) -> Quadratic | None:
        """The quadratic of the area in pixels; None where counts lie on none, or the subject takes too few sizes."""
        return self._through([(size.area, value(size)) for size in self._bases])

    def core(self) -> Quadratic | None:
        """Of attention's core."""
        return self.of(lambda size: self._counts.split("denoiser", size).core)

    def rest(self) -> Quadratic | None:
        """Of everything else."""
        return self.of(lambda size: self._counts.split("denoiser", size).rest)

    def kind(self, name: Literal["softmax", "linear"]) -> Quadratic | None:
        """Of the core with one kind of attention; None also where that cannot be told."""
        values = [(size.area, getattr(self.cores(size), name)) for size in self._bases]
        return None if any(value is None for _, value in values) else self._through(values)

    def origin(self) -> str:
        """Where the other kind of attention is from, or why there is none."""
        side = self._counts.subject.stride
        return self.cores(self._bases[0] if self._bases else Size(side, side)).origin

    def words(self) -> int | None:
        """Tokens of the longest attention that are there at any size; None where they cannot be told."""
        line = self.of(lambda size: self._counts.split("denoiser", size).longest)
        return None if line is None or line.c or line.a.denominator != 1 else int(line.a)

    def _through(self, points: Sequence[tuple[int, int]]) -> Quadratic | None:
        return through(points) if len(points) == len(BASES) else None
