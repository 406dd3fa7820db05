from __future__ import annotations

import math
from statistics import fmean, stdev

import numpy as np
import pytest

from evalsuite.stats import clustered_mean, clustered_ratio
from evalsuite.student_t import quantile


# R: qt(p, df), 10 digits
def test_clusters_of_one_give_the_plain_t_interval():
    values = [0.1, 0.5, 0.2, 0.9, 0.4]
    got = clustered_mean(values, range(5))
    half = quantile(0.975, 4) * stdev(values) / math.sqrt(5)
    assert got.value == pytest.approx(fmean(values))
    assert (got.low, got.high) == pytest.approx((fmean(values) - half, fmean(values) + half))


def test_repeating_every_image_adds_nothing():
    values = [0.1, 0.5, 0.2, 0.9]
    once, thrice = clustered_mean(values, "abcd"), clustered_mean(values * 3, "abcd" * 3)
    assert (once.low, once.high) == pytest.approx((thrice.low, thrice.high))
    naive = clustered_mean(values * 3, range(12))
    assert naive.error is not None
    assert thrice.error is not None
    assert naive.error < 0.6 * thrice.error


def test_equal_clusters_give_the_interval_of_their_means():
    values = [0.0, 0.2, 0.5, 0.7, 0.1, 0.6]
    got = clustered_mean(values, "aabbcc")
    means = clustered_mean([0.1, 0.6, 0.35], "abc")
    assert got[:4] == pytest.approx(means[:4])


def test_one_cluster_has_no_interval():
    got = clustered_mean([1.0, 2.0], "aa")
    assert (got.value, got.low, got.high, got.clusters) == (1.5, None, None, 1)
    assert got.method == "none: one prompt family"


def test_coverage_of_clustered_means():
    generator = np.random.default_rng(0)
    covered, runs, prompts, images = 0, 600, 8, 3
    clusters = np.repeat(np.arange(prompts), images).tolist()
    for _ in range(runs):
        shared = np.repeat(generator.standard_normal(prompts), images)
        values = shared + 0.5 * generator.standard_normal(prompts * images)
        got = clustered_mean(values.tolist(), clusters)
        assert got.low is not None
        assert got.high is not None
        covered += got.low <= 0 <= got.high
    assert 0.92 <= covered / runs <= 0.98


def test_coverage_of_ratios():
    generator = np.random.default_rng(1)
    covered, runs, prompts = 0, 600, 25
    for _ in range(runs):
        power = np.repeat(generator.gamma(8, size=prompts), 2)
        straightness = power * (0.3 + 0.1 * generator.standard_normal(prompts * 2))
        got = clustered_ratio(straightness.tolist(), power.tolist(), [i // 2 for i in range(prompts * 2)])
        assert got.low is not None
        assert got.high is not None
        covered += got.low <= 0.3 <= got.high
    assert 0.91 <= covered / runs <= 0.98


def test_ratio_is_of_the_sums_and_scales():
    got = clustered_ratio([1, 2, 6], [1, 4, 10], "abc")
    assert got.value == pytest.approx(9 / 15)
    twice = clustered_ratio([2, 4, 12], [1, 4, 10], "abc")
    assert twice[:4] == pytest.approx([2 * x for x in got[:4]])  # type: ignore[operator]


@pytest.mark.parametrize("arguments", [([], [], []), ([1.0], [1.0, 2.0], "a"), ([1.0], [0.0], "a")])
def test_undefined_ratios_are_refused(arguments: tuple[list[float], list[float], str]):
    with pytest.raises(ValueError, match=r"lengths|undefined"):
        clustered_ratio(*arguments)


def test_rounding_of_equal_values_is_no_interval():
    got = clustered_mean([1.0, 1.0 - 2e-16, 1.0], "abc")
    assert got.low == got.value == got.high
    assert got.value <= 1
    assert clustered_mean([1.0, 1.0 - 1e-9], "ab").low < 1 - 1e-9
