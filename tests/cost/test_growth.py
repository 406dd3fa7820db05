from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.cost.count import Counts
from evalsuite.cost.curves import CALCULATED, Curves
from evalsuite.cost.growth import Quadratic, overtakes, through
from evalsuite.cost.size import Size

WHOLE = st.integers(-50, 50)


def quadratic(a: int, b: int, c: int) -> Quadratic:
    return Quadratic(Fraction(a), Fraction(b), Fraction(c))


@given(WHOLE, WHOLE, WHOLE)
def test_a_quadratic_is_found_exactly_from_its_values(a: int, b: int, c: int):
    curve = quadratic(a, b, c)
    assert through([(n, int(curve(n))) for n in (2, 3, 7, 11)]) == curve


def test_a_point_beside_the_curve_shows():
    assert through([(1, 1), (2, 4), (3, 9), (4, 17)]) is None


@given(WHOLE, WHOLE, WHOLE)
def test_from_the_crossing_on_and_not_just_before_it_one_is_larger(a: int, b: int, c: int):
    found = overtakes(quadratic(a, b, c), quadratic(0, 0, 0))
    value = quadratic(a, b, c)
    if found is None:
        assert value(10**6) <= 0
        return
    assert value(Fraction(found) + Fraction(1, 10**6)) > 0
    assert found == 0 or abs(value(Fraction(found))) < Fraction(1, 10**6)


@pytest.mark.parametrize(
    ("rising", "expected"),
    [((0, 0, 1), 0.0), ((-9, 0, 1), 3.0), ((3, -4, 1), 3.0), ((-6, 2, 0), 3.0), ((5, 0, 0), 0.0), ((0, 0, 0), None),
     ((-1, 0, 0), None), ((9, -1, 0), None), ((9, 9, -1), None), ((5, -4, 1), 0.0)],
)  # fmt: skip
def test_crossings_are_those_of_school(rising: tuple[int, int, int], expected: float | None):
    assert overtakes(quadratic(*rising), quadratic(0, 0, 0)) == expected


def crossing(found: Counts) -> float:
    """The side from which on attention's core leads."""
    curves = Curves(found)
    rising, rest = curves.core(), curves.rest()
    assert rising is not None
    assert rest is not None
    area = overtakes(rising, rest)
    assert area is not None
    return sqrt(area)


def test_the_crossing_of_attention_is_where_trying_every_side_finds_it(
    card: Callable[..., str], counts: Callable[[str], Counts]
):
    found = counts(card())
    leads = [side for side in range(32, 641, 32) if (at := found.split("denoiser", Size(side, side))).core > at.rest]
    assert leads == list(range(leads[0], 641, 32))
    assert leads[0] - 32 < crossing(found) <= leads[0]


@pytest.mark.parametrize("name", ["unet", "shape:dit-s-2"])
def test_attention_leads_after_the_crossing_and_not_before(name: str, counts: Callable[[str], Counts]):
    side = crossing(counts(name))
    below = int(side // 64) * 64
    before, after = (counts(name).split("denoiser", Size(edge, edge)) for edge in (below, below + 64))
    assert before.core <= before.rest
    assert after.core > after.rest


@pytest.mark.parametrize("kind", ["dit", "unet"])
def test_the_curves_hold_where_they_were_not_drawn_through(
    kind: str, card: Callable[..., str], counts: Callable[[str], Counts]
):
    found = counts(card(kind))
    curves = Curves(found)
    rising, rest, linear = curves.core(), curves.rest(), curves.kind("linear")
    for size in (Size(128, 384), Size(2048, 2048), Size(8192, 4096)):
        at = found.split("denoiser", size)
        assert (rising(size.area), rest(size.area)) == (at.core, at.rest)  # type: ignore[misc]
        assert linear(size.area) == curves.cores(size).linear  # type: ignore[misc]


def test_linear_attention_pays_from_where_tokens_outnumber_a_head_s_width(counts: Callable[[str], Counts]):
    """2 n^2 (2 w) = 2 (2 n w^2 + n w), so n = w + 1/2: 64 wide heads, 16 pixels a token."""
    curves = Curves(counts("shape:dit-s-2"))
    softmax, linear = curves.kind("softmax"), curves.kind("linear")
    assert softmax is not None
    assert linear is not None
    area = overtakes(softmax, linear)
    assert area == pytest.approx(64.5 * 16 * 16, rel=1e-12)
    assert curves.origin() == CALCULATED


def test_words_are_told_from_tokens_of_the_picture(card: Callable[..., str], counts: Callable[[str], Counts]):
    assert Curves(counts(card("dit"))).words() == 3
    assert Curves(counts(card("unet"))).words() == 0
