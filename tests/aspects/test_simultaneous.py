from __future__ import annotations

import numpy as np
import pytest

from evalsuite.aspects.simultaneous import bonferroni, simultaneous
from evalsuite.student_t import quantile


def influences(values: np.ndarray) -> np.ndarray:
    """Of means of values (G, K)."""
    return (values - values.mean(axis=0)) / len(values)


def test_one_difference_of_many_prompts_has_the_width_of_the_normal():
    normal = np.random.default_rng(0).normal(size=(2000, 1))
    found = simultaneous(influences(normal))
    assert found is not None
    assert found.errors == pytest.approx(1.96, abs=0.1)  # 3,999 resamples: standard error 0.03
    assert found.method.startswith("simultaneous over 1, max-t bootstrap")


def test_independent_differences_need_the_width_of_their_largest():
    """P(max of K |z| < c) = (2 Phi(c) - 1)^K: c = 2.4909 at 0.95 for K = 4."""
    found = simultaneous(influences(np.random.default_rng(1).normal(size=(2000, 4))))
    assert found is not None
    assert found.errors == pytest.approx(2.491, abs=0.12)


def test_equal_differences_need_no_more_than_one():
    one = influences(np.random.default_rng(2).normal(size=(60, 1)))
    single, copies = simultaneous(one), simultaneous(np.repeat(one, 5, axis=1))
    assert single is not None
    assert copies is not None
    assert copies.errors == pytest.approx(single.errors)


def test_the_same_scores_get_the_same_width():
    some = influences(np.random.default_rng(3).normal(size=(30, 3)))
    assert simultaneous(some) == simultaneous(some.copy())


def test_few_prompts_get_students_t_after_bonferroni():
    some = influences(np.random.default_rng(4).normal(size=(6, 4)))
    found = simultaneous(some)
    assert found == bonferroni(4, 6)
    assert found is not None
    assert found.errors == pytest.approx(quantile(1 - 0.025 / 4, 5))


def test_a_difference_that_two_prompts_alone_make_gets_no_bootstrap():
    values = np.zeros((40, 2))
    values[:, 1] = np.random.default_rng(5).normal(size=40)
    values[:2, 0] = 1
    found = simultaneous(influences(values))
    assert found is not None
    assert "Bonferroni" in found.method


@pytest.mark.parametrize("values", [np.zeros((20, 3)), np.ones((1, 3)), np.zeros((0, 3))])
def test_where_nothing_moves_or_one_prompt_is_all_there_is_no_width(values: np.ndarray):
    assert simultaneous(values - values.mean(axis=0) if len(values) else values) is None


def test_intervals_hold_for_the_ratio_that_was_picked_by_its_value():
    """Scores of 30 prompts at a square and six ratios that are all as good.

    The farthest of six is no change: its simultaneous interval covers 0 in 95 %, an interval for a ratio that was
    chosen beforehand in far less. The worst is picked from one side alone, so that its interval covers more often.
    """
    generator, rounds = np.random.default_rng(6), 250
    farthest = worst = naive = 0
    for _ in range(rounds):
        scores = generator.exponential(size=(30, 1)) + generator.normal(size=(30, 7))
        moved = scores[:, 1:] - scores[:, :1]
        t = moved.mean(axis=0) / (moved.std(axis=0, ddof=1) / 30**0.5)
        found = simultaneous(influences(moved))
        assert found is not None
        farthest += np.abs(t).max() <= found.errors
        worst += -t.min() <= found.errors
        naive += np.abs(t).max() <= quantile(0.975, 29)
    assert 0.91 <= farthest / rounds <= 0.985  # standard error 0.014
    assert worst / rounds >= farthest / rounds
    assert naive / rounds < 0.88
