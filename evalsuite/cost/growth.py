"""How FLOP grow with the picture: polynomials through counts, and where one overtakes another.

Every operator of a network costs a constant, a multiple of the tokens, or of their square (attention), so that three
counts give all of the polynomial, exactly, in rational numbers; a fourth shows that it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt


@dataclass(frozen=True, slots=True)
class Quadratic:
    """a + b n + c n^2, exactly."""

    a: Fraction
    b: Fraction
    c: Fraction

    def __call__(self, n: int | Fraction) -> Fraction:
        """The value at n."""
        return self.a + n * (self.b + n * self.c)

    def __sub__(self, other: Quadratic) -> Quadratic:
        return Quadratic(self.a - other.a, self.b - other.b, self.c - other.c)


def through(points: Sequence[tuple[int, int]]) -> Quadratic | None:
    """The quadratic through the first three points (n, value), or None where another point is not on it.

    Args:
        points: four or more, at different n.
    """
    (x0, y0), (x1, y1), (x2, y2) = points[:3]
    slope = Fraction(y1 - y0, x1 - x0)
    c = (Fraction(y2 - y0, x2 - x0) - slope) / (x2 - x1)  # divided differences (Newton)
    b = slope - c * (x0 + x1)
    found = Quadratic(y0 - x0 * (b + c * x0), b, c)
    return found if all(found(x) == y for x, y in points[3:]) else None


def overtakes(rising: Quadratic, other: Quadratic) -> float | None:
    """The n > 0 from which on ``rising`` is larger than ``other`` for good; 0.0 where it always is, None where never.

    The discriminant is exact; only its root is rounded, to 2^-60 of itself.
    """
    gap = rising - other
    if (gap.c or gap.b or gap.a) <= 0:  # the sign for large n
        return None
    if gap.c == 0:
        last = -gap.a / gap.b if gap.b else Fraction(0)
    else:
        inside = gap.b**2 - 4 * gap.a * gap.c
        last = (-gap.b + _root(inside)) / (2 * gap.c) if inside >= 0 else Fraction(0)
    return max(float(last), 0.0)


def _root(value: Fraction) -> Fraction:
    """The square root, from below."""
    scale = 1 << 120
    return Fraction(isqrt(value.numerator * value.denominator * scale), value.denominator << 60)
