"""Student's t with any degrees of freedom: against scipy, and where it has a closed form."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalsuite import student_t
from evalsuite.power import POWER, errors_away, power

KNOWN = [
    (0.975, 1, 12.7062047362),
    (0.975, 2, 4.3026527297),
    (0.975, 3, 3.1824463053),
    (0.975, 5, 2.5705818366),
    (0.975, 10, 2.2281388520),
    (0.995, 7, 3.4994832974),
    (0.95, 30, 1.6972608866),
    (0.975, 100, 1.9839715185),
    (0.9, 4, 1.5332062741),
]
DOFS = (0.5, 1, 1.3, 2, 2.7, 4, 9.9, 39, 400, 1e4)


@pytest.mark.parametrize("dof", DOFS)
def test_p_and_quantile_are_those_of_scipy(dof: float):
    for t in (0.0, 1e-6, 0.1, 1.0, -2.3, 5.0, 20.0, 80.0):
        assert student_t.two_sided_p(t, dof) == pytest.approx(2 * stats.t.sf(abs(t), dof), rel=1e-9, abs=1e-14)
    for level in (0.5, 0.95, 0.999):
        assert student_t.quantile((1 + level) / 2, dof) == pytest.approx(stats.t.ppf((1 + level) / 2, dof), rel=1e-9)


def test_one_degree_of_freedom_is_cauchy():
    assert student_t.two_sided_p(3.0, 1) == pytest.approx(1 - 2 / math.pi * math.atan(3.0), abs=1e-14)
    assert student_t.quantile(0.9, 1) == pytest.approx(math.tan(math.pi * 0.4), rel=1e-9)


@pytest.mark.parametrize("dof", [1, 1.3, 2, 4, 9.9, 39, 400])
def test_power_is_that_of_the_noncentral_t(dof: float):
    edge = stats.t.ppf(0.975, dof)
    for away in (0.5, 2.0, 4.0):
        exact = stats.nct.sf(edge, dof, away) + stats.nct.cdf(-edge, dof, away)
        assert power(away, dof) == pytest.approx(exact, abs=4e-4)
    assert power(0.0, dof) == pytest.approx(0.05, abs=4e-4)
    seen = errors_away(dof)  # there the other tail is nothing
    assert stats.nct.sf(edge, dof, seen) == pytest.approx(POWER, abs=4e-4)


def test_no_degrees_of_freedom_are_refused():
    with pytest.raises(ValueError, match="positive degrees of freedom, got 0"):
        student_t.two_sided_p(1.0, 0)


@pytest.mark.parametrize(("probability", "dof", "expected"), KNOWN)
def test_quantile_equals_known_values(probability: float, dof: int, expected: float):
    assert student_t.quantile(probability, dof) == pytest.approx(expected, abs=1e-8)
    assert student_t.quantile(1 - probability, dof) == pytest.approx(-expected, abs=1e-8)


@pytest.mark.parametrize("dof", [1, 2, 9, 50, 199, 200, 500, 3000])
@pytest.mark.parametrize("probability", [0.75, 0.975, 0.999])
def test_quantile_and_cdf_equal_scipy(dof: int, probability: float):
    expected = float(stats.t.ppf(probability, dof))
    assert student_t.quantile(probability, dof) == pytest.approx(expected, abs=1e-6, rel=1e-9)
    assert student_t.two_sided_p(expected, dof) == pytest.approx(2 * (1 - probability), abs=1e-12)


def test_quantile_tends_to_the_normal():
    assert student_t.quantile(0.975, 10**9) == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-8)


@given(st.floats(0, 30), st.floats(0.5, 40))
def test_p_looks_at_both_sides(t: float, dof: float):
    assert student_t.two_sided_p(t, dof) == student_t.two_sided_p(-t, dof) <= 1


@pytest.mark.parametrize(("probability", "dof"), [(0.0, 3), (1.0, 3), (0.9, 0)])
def test_arguments_out_of_range_are_refused(probability: float, dof: int):
    with pytest.raises(ValueError, match=r"probability|degree"):
        student_t.quantile(probability, dof)
