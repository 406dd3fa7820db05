"""Paired statistics: against enumeration, closed forms and textbooks, and by simulation with fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalsuite import power
from evalsuite.gate_decide import Check, decide
from evalsuite.paired import Contrast, count_wins, holm, of_influences, of_means, of_ratios
from evalsuite.resample import EXACT, FLIPS, least_p, sign_flip_p
from evalsuite.stats import clustered_mean, clustered_ratio

PROMPTS = 100
SIZES = np.tile([1, 2, 3, 4], PROMPTS // 4)
CLUSTERS = np.repeat(np.arange(PROMPTS), SIZES).tolist()
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def lognormal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of mean 0, with a skewness of 3.7."""
    return np.exp(0.8 * generator.standard_normal(shape)) - math.exp(0.32)


def exponential(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of mean 0, with a skewness of 2."""
    return generator.exponential(size=shape) - 1


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_normal(shape)


def differences(draw: Draw, replicates: int, seed: int) -> np.ndarray:
    """(R, n) differences: one part by prompt, one by image."""
    generator = np.random.default_rng(seed)
    shared = draw(generator, (replicates, PROMPTS))[:, CLUSTERS]
    return shared + 0.5 * draw(generator, (replicates, len(CLUSTERS)))


@pytest.mark.parametrize(("draw", "seed"), [(lognormal, 1), (exponential, 2), (normal, 3)])
def test_the_interval_of_a_mean_covers_93_to_97_per_cent_at_100_prompts(draw: Draw, seed: int):
    """Several images a prompt, unequal numbers of them; 1,500 data sets, so that two standard errors are 1.1 points."""
    covered = 0
    for row in differences(draw, 1500, seed):
        interval = of_means(row.tolist(), None, CLUSTERS).interval()
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    assert 0.93 <= covered / 1500 <= 0.97


def test_the_interval_of_a_difference_of_ratios_covers_93_to_97_per_cent():
    generator = np.random.default_rng(4)
    covered = 0
    for _ in range(1500):
        weights = generator.gamma(8, size=(2, PROMPTS))[:, CLUSTERS]
        shared = generator.gamma(4, size=PROMPTS)[CLUSTERS] / 10
        a, b = shared + 0.05 * exponential(generator, (2, len(CLUSTERS)))
        interval = of_ratios(a, weights[0], b, weights[1], CLUSTERS).interval()
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    assert 0.93 <= covered / 1500 <= 0.97


def test_a_gate_at_no_difference_fails_in_at_most_5_per_cent_of_2000_pairs():
    """Four metrics of one set of images, two of them nearly the same; both models drawn alike, skewed and clustered."""
    generator = np.random.default_rng(5)
    prompts, alarms, runs = 40, 0, 2000
    clusters = np.repeat(np.arange(prompts), 2).tolist()
    for _ in range(runs):
        shared = lognormal(generator, (4, prompts))[:, clusters]
        a, b = shared + lognormal(generator, (2, 4, 2 * prompts))
        a[1], b[1] = a[0] + 0.1 * a[1], b[0] + 0.1 * b[1]
        checks = [Check(of_means(x, y, clusters), 0.0, -1, "significant") for x, y in zip(a, b, strict=True)]
        alarms += any(decision.fails for decision in decide(checks))
    assert 0.005 <= alarms / runs <= 0.05


@pytest.mark.parametrize(("true", "prompts", "seed"), [(0.2, 100, 6), (0.3, 100, 7), (0.5, 30, 8), (0.0, 30, 9)])
def test_the_power_that_is_printed_is_the_share_of_runs_that_see_the_difference(true: float, prompts: int, seed: int):
    generator = np.random.default_rng(seed)
    clusters, runs = np.repeat(np.arange(prompts), 2).tolist(), 800
    seen, printed = 0, []
    for _ in range(runs):
        row = true + generator.standard_normal(prompts)[clusters] + 0.5 * generator.standard_normal(2 * prompts)
        found = of_means(row, None, clusters)
        interval, p = found.interval(), found.p()
        assert found.error is not None
        assert interval is not None
        assert p is not None
        seen += p <= 0.05 and not interval.low <= 0 <= interval.high
        printed.append(power.power(true / found.error, prompts - 1))
    assert seen / runs == pytest.approx(float(np.mean(printed)), abs=0.05)


@pytest.mark.parametrize("clusters", [2, 3, 5, 10, 30, 100, 1000])
def test_power_equals_the_noncentral_t(clusters: int):
    edge = stats.t.ppf(0.975, clusters - 1)
    for away in np.linspace(0.1, 6, 20):
        exact = stats.nct.sf(edge, clusters - 1, away) + stats.nct.cdf(-edge, clusters - 1, away)
        assert power.power(away, clusters - 1) == pytest.approx(exact, abs=4e-4)


def test_what_is_visible_is_seen_four_times_in_five_and_prompts_grow_with_the_square():
    for clusters in (5, 20, 400):
        assert power.power(power.smallest_visible(0.3, clusters) / 0.3, clusters - 1) == pytest.approx(0.8, abs=1e-9)
    visible = power.smallest_visible(0.3, 50)
    assert power.to_settle(visible, 0.3, 50, 60) == 60
    assert power.to_settle(-visible / 2, 0.3, 50, 60) == 240
    assert power.to_settle(visible / 10.001, 0.3, 50, 60) == math.ceil(60 * 10.001**2)
    assert power.to_settle(0.0, 0.3, 50, 60) is None


@pytest.mark.parametrize("clusters", [1, 4, EXACT])
def test_p_equals_the_enumeration_of_all_signs(clusters: int):
    sums = np.random.default_rng(clusters).normal(0.3, 1, clusters)
    signs = np.array(list(product([-1, 1], repeat=clusters)))
    expected = np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12)
    assert sign_flip_p(sums[:, None])[0] == pytest.approx(expected)
    assert least_p(clusters) == pytest.approx(min(1, 2 / len(signs)))


def test_p_of_many_clusters_is_near_the_enumeration_and_never_0():
    sums = np.random.default_rng(0).normal(0.5, 1, EXACT + 2)
    signs = np.array(list(product([-1, 1], repeat=len(sums))))
    expected = np.mean(np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12)
    assert sign_flip_p(sums[:, None])[0] == pytest.approx(expected, abs=4 * math.sqrt(expected / FLIPS))
    assert sign_flip_p(np.ones((60, 1)))[0] == pytest.approx(1 / (FLIPS + 1)) == least_p(60)


def test_p_of_symmetric_data_is_uniform():
    """1,000 columns at once: the share under 5 % is 5 %, within three binomial standard errors."""
    sums = np.random.default_rng(3).standard_t(3, size=(25, 1000))
    assert np.mean(sign_flip_p(sums) <= 0.05) == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 1000))


def test_holm_equals_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.6]) == [1.0, None, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert q is not None
        assert p <= q <= min(1, len(p_values) * p)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)  # type: ignore[type-var]


def pairs(seed: int = 0) -> tuple[list[float], list[float], list[int]]:
    generator = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(30), 2)
    shared = generator.exponential(size=30)[clusters]
    a, b = shared + 0.3 * generator.standard_normal((2, 60))
    return (a + 0.1).tolist(), b.tolist(), clusters.tolist()


def weighted(a: list[float], b: list[float], clusters: list[int]) -> Contrast:
    return of_ratios(a, [1 + x * x for x in b], b, [1 + x * x for x in a], clusters)


@pytest.mark.parametrize("build", [of_means, weighted])
def test_exchanging_the_models_changes_the_sign_and_nothing_else(build: Callable[..., Contrast]):
    a, b, clusters = pairs()
    one, other = build(a, b, clusters), build(b, a, clusters)
    here, there = one.interval(), other.interval()
    assert here is not None
    assert there is not None
    assert one.value == -other.value
    assert one.error == pytest.approx(other.error)
    assert one.p() == pytest.approx(other.p())
    assert here.low == pytest.approx(-there.high)
    assert here.high == pytest.approx(-there.low)


def test_the_same_scores_differ_by_nothing():
    a, _, clusters = pairs()
    for found in (
        of_means(a, a, clusters),
        weighted(a, a, clusters),
        of_influences(3.0, {1: 0.5, 2: -0.5}, 3.0, {1: 0.5, 2: -0.5}, 60),
    ):
        interval = found.interval()
        assert interval is not None
        assert (found.value, found.error, found.p()) == (0, 0, 1)
        assert (interval.low, interval.high) == (0, 0)
        assert found.effect is None
        assert found.visible == 0


def test_rounding_is_no_difference():
    a, b, clusters = pairs()
    moved = of_influences(3.0, {1: 1e-13, 2: -1e-13}, 3.0 + 1e-12, {}, 60)
    assert moved.p() == 1
    assert of_means(a, [x + 1e-12 for x in a], clusters).p() == 1
    assert of_means(a, b, clusters).p() != 1


def test_error_equals_that_of_the_clustered_mean_and_ratio():
    a, b, clusters = pairs()
    expected = clustered_mean([x - y for x, y in zip(a, b, strict=True)], clusters)
    assert of_means(a, b, clusters).value == pytest.approx(expected.value)
    assert of_means(a, b, clusters).error == pytest.approx(expected.error)
    weights = [1 + x * x for x in b]
    ratio = clustered_ratio([x * w for x, w in zip(a, weights, strict=True)], weights, clusters)
    alone = of_ratios(a, weights, None, None, clusters)
    assert (alone.value, alone.error) == pytest.approx((ratio.value, ratio.error))
    equal = of_ratios(a, [2.0] * 60, b, [3.0] * 60, clusters)
    assert (equal.value, equal.error) == pytest.approx((expected.value, expected.error))


def test_influences_of_a_mean_give_the_means_own_error():
    a, b, clusters = pairs()
    found = of_means(a, b, clusters)
    parts = [dict.fromkeys(range(30), 0.0), dict.fromkeys(range(30), 0.0)]
    for values, sums in zip((a, b), parts, strict=True):
        for value, cluster in zip(values, clusters, strict=True):
            sums[cluster] += (value - float(np.mean(values))) / 60
    same = of_influences(float(np.mean(a)), parts[0], float(np.mean(b)), parts[1], 60)
    assert (same.value, same.error) == pytest.approx((found.value, found.error))
    assert same.p() == pytest.approx(found.p(), abs=0.02)


def test_pairing_sees_what_two_intervals_do_not():
    a, b, clusters = pairs()
    paired, apart = of_means(a, b, clusters), [of_means(x, None, clusters).error for x in (a, b)]
    assert paired.error is not None
    assert paired.error < 0.4 * math.hypot(*apart)  # type: ignore[arg-type]


def test_repeating_every_image_adds_nothing():
    a, b, clusters = pairs()
    once, thrice = of_means(a, b, clusters), of_means(a * 3, b * 3, clusters * 3)
    assert (thrice.value, thrice.error, thrice.p()) == pytest.approx((once.value, once.error, once.p()))


def test_one_cluster_has_neither_interval_nor_p():
    found = of_means([1.0, 2.0], [0.0, 0.0], ["p", "p"])
    assert (found.value, found.error, found.interval(), found.p(), found.visible) == (1.5, None, None, None, None)
    assert found.least_p == 1


def test_a_bootstrap_that_cannot_be_falls_back_on_t():
    """One prompt of 30 differs: most resamples of it have no spread."""
    found = of_means([1.0] + [0.0] * 29, None, range(30))
    interval = found.interval()
    assert interval is not None
    assert math.isfinite(interval.low)
    assert math.isfinite(interval.high)
    assert interval.low <= found.value <= interval.high


def test_p_against_a_value_is_p_of_the_shifted_scores():
    a, b, clusters = pairs()
    shifted = of_means([x - 0.2 for x in a], b, clusters)
    assert of_means(a, b, clusters).p(0.2) == pytest.approx(shifted.p())
    assert weighted(a, b, clusters).p(weighted(a, b, clusters).value) == 1


def test_weights_that_sum_to_0_are_refused():
    with pytest.raises(ValueError, match="the ratio is undefined"):
        of_ratios([1.0], [0.0], None, None, ["p"])


def test_wins_are_counted_in_the_metrics_direction_and_near_values_tie():
    a, b = [3.0, 1.0, 2.0, 2.0], [1.0, 3.0, 2.0, 2.0 + 1e-6]
    assert count_wins(a, b, True)[:3] == (1, 2, 1)
    assert count_wins([5.0, *a], [1.0, *b], True)[:3] == (2, 2, 1)
    assert count_wins([5.0, *a], [1.0, *b], False)[:3] == (1, 2, 2)
    assert count_wins(a, a, True)[:3] == (0, 4, 0)
