from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from evalsuite.doctor.floor import Floor, floor, referring
from evalsuite.metrics import fid, kid
from evalsuite.metrics.base import Array, Measure
from evalsuite.reference import ANY, Moments, Reference
from evalsuite.scorers import SCENES

D = 4
FID, KID = fid.measures(SCENES)[0], kid.measures(SCENES)[0]


def rows(count: int, seed: int, shift: float = 0.0) -> Array:
    return (np.random.default_rng(seed).standard_normal((count, D)) + shift).astype(np.float32)


def reference(n: int = 0, features: Mapping[str, Array] | None = None) -> Reference:
    exact = Moments(np.zeros(D), np.eye(D), n)
    return Reference({ANY: exact}, "scenes", "f", "p", "s", features or {})


def found(measure: Measure, against: Reference, real: Mapping[str, Array], own: Mapping[str, Array]) -> Floor:
    at_this = floor(measure, against, real, own)
    assert isinstance(at_this, Floor)
    return at_this


def expected(n: int) -> float:
    """Of n standard Gaussians in D dimensions from the exact moments, to the first order in 1 / n."""
    return (D + D * (D + 1) / 4) / n


def test_against_moments_of_many_images_the_floor_is_the_bias_of_the_draw_alone():
    at_this = found(FID, reference(100_000), {ANY: rows(400, 0)}, {"1:1": rows(50, 1)})
    assert (at_this.n, at_this.references, at_this.draws) == (50, 100_000, 40)
    assert at_this.value == pytest.approx(expected(50), rel=0.2)
    assert at_this.low < at_this.value < at_this.high
    assert at_this.own == pytest.approx(expected(50), rel=0.8)
    assert at_this.itself == pytest.approx(0, abs=1e-9)


def test_against_the_other_real_images_their_own_scatter_counts_too():
    real = {"1:1": rows(120, 0)}
    at_this = found(FID, referring(real, reference()), real, {"1:1": rows(40, 1)})
    assert (at_this.n, at_this.references) == (40, 80)
    assert at_this.value == pytest.approx(expected(40) + expected(80), rel=0.3)


def test_a_kernel_distance_has_no_bias_but_from_itself():
    real = {"1:1": rows(120, 0)}
    at_this = found(KID, referring(real, reference()), real, {"1:1": rows(40, 1)})
    assert at_this.low < 0 < at_this.high
    assert at_this.itself is not None
    assert at_this.itself < 0
    away = found(KID, referring(real, reference()), real, {"1:1": rows(40, 1, shift=1.0)})
    assert away.own is not None
    assert away.own > at_this.high
    assert away.value == at_this.value


def test_at_most_half_of_the_real_images_are_drawn_and_the_set_is_read_at_that_number():
    real = {"1:1": rows(60, 0)}
    at_this = found(FID, reference(100_000, real), real, {"1:1": rows(400, 1)})
    assert at_this.n == 30
    assert at_this.deviation > 0
    assert at_this.own == pytest.approx(expected(30), rel=0.3)  # not expected(400): both have the bias of 30


def test_draws_have_the_ratios_of_the_set_and_all_together_where_real_images_lack_one():
    real = {"1:1": rows(40, 0), "3:2": rows(40, 2)}
    both = found(FID, referring(real, reference()), real, {"1:1": rows(10, 1), "3:2": rows(4, 3)})
    assert both.n == 14
    lacking = found(FID, referring(real, reference()), real, {"1:1": rows(10, 1), "9:16": rows(4, 3)})
    assert (lacking.n, lacking.references) == (14, 66)


def test_without_features_of_single_images_there_is_no_floor():
    assert "keeps no features" in str(floor(FID, reference(1000), {}, {"1:1": rows(10, 1)}))
    assert floor(FID, reference(), {ANY: rows(4, 0)}, {"1:1": rows(1, 1)}) == "too few real images to draw from"
