"""Student's t with any degrees of freedom: against scipy, and where it has a closed form."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from evalsuite import student_t
from evalsuite.power import POWER
from evalsuite.stats import student_t_quantile

DOFS = (0.5, 1, 1.3, 2, 2.7, 4, 9.9, 39, 400, 1e4)


@pytest.mark.parametrize("dof", DOFS)
def test_p_and_quantile_are_those_of_scipy(dof: float):
    for t in (0.0, 1e-6, 0.1, 1.0, -2.3, 5.0, 20.0, 80.0):
        assert student_t.two_sided_p(t, dof) == pytest.approx(2 * stats.t.sf(abs(t), dof), rel=1e-9, abs=1e-14)
    for level in (0.5, 0.95, 0.999):
        assert student_t.half_width(dof, level) == pytest.approx(stats.t.ppf((1 + level) / 2, dof), rel=1e-9)


def test_one_degree_of_freedom_is_cauchy_and_whole_ones_agree_with_the_series():
    assert student_t.two_sided_p(3.0, 1) == pytest.approx(1 - 2 / math.pi * math.atan(3.0), abs=1e-14)
    for dof in (1, 2, 5, 30, 199):
        assert student_t.half_width(dof) == pytest.approx(student_t_quantile(0.975, dof), abs=1e-8)


@pytest.mark.parametrize("dof", [1, 1.3, 2, 4, 9.9, 39, 400])
def test_power_is_that_of_the_noncentral_t(dof: float):
    edge = stats.t.ppf(0.975, dof)
    for away in (0.5, 2.0, 4.0):
        exact = stats.nct.sf(edge, dof, away) + stats.nct.cdf(-edge, dof, away)
        assert student_t.power(away, dof) == pytest.approx(exact, abs=4e-4)
    assert student_t.power(0.0, dof) == pytest.approx(0.05, abs=4e-4)
    seen = student_t.errors_away(dof)  # there the other tail is nothing
    assert stats.nct.sf(edge, dof, seen) == pytest.approx(POWER, abs=4e-4)


def test_no_degrees_of_freedom_are_refused():
    with pytest.raises(ValueError, match="positive degrees of freedom, got 0"):
        student_t.two_sided_p(1.0, 0)
