"""Training seeds and prompts as crossed effects: against Welch, a paired t, an analysis of variance; by simulation."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from evalsuite.paired import of_means
from evalsuite.stats import cluster_error
from evalsuite.training_seeds import Recipe, contrast

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import seed_coverage
from seed_coverage import WORLDS, coverage, recipe

PROMPTS = 40
NAMES = [f"{place:04}" for place in range(PROMPTS)]


def table(seeds: int, seed: float, recipe_sd: float, own: float, noise: int, prompts: int = PROMPTS) -> Any:
    """Scores (R, G)."""
    generator = np.random.default_rng(noise)
    world = seed_coverage.World(prompts=prompts, recipe=recipe_sd, own=own)
    common = 2 * np.random.default_rng(7).standard_normal((1, prompts))
    return seed_coverage.scores(world, seeds, seed, generator, common)


def test_without_an_effect_of_prompts_it_is_the_t_of_welch():
    prompt = np.random.default_rng(1).standard_normal(PROMPTS)
    a = prompt + np.array([[0.3], [1.1], [0.2]])
    b = prompt + np.array([[0.9], [1.4], [1.2], [2.0], [1.7]])
    found = contrast(recipe(a), recipe(b))
    welch = stats.ttest_ind(a.mean(axis=1), b.mean(axis=1), equal_var=False)
    assert found.p == pytest.approx(welch.pvalue, rel=1e-9)
    assert found.dof == pytest.approx(welch.df, rel=1e-9)
    assert found.interval == pytest.approx(tuple(welch.confidence_interval(0.95)), rel=1e-9)
    assert found.seed_share == pytest.approx(1)


def test_without_an_effect_of_seeds_it_is_the_paired_t_over_prompts():
    a, b = (np.repeat(table(1, 0, 1, 1, noise), 3, axis=0) for noise in (1, 2))
    found = contrast(recipe(a), recipe(b))
    paired = stats.ttest_rel(a[0], b[0])
    assert found.p == pytest.approx(paired.pvalue, rel=1e-9)
    assert found.interval == pytest.approx(tuple(paired.confidence_interval(0.95)), rel=1e-9)
    assert found.dof == pytest.approx(PROMPTS - 1)
    assert found.seed_share == pytest.approx(0, abs=1e-12)


def test_with_many_seeds_it_comes_to_the_paired_t_of_the_recipes_means():
    a, b = (table(400, 0, 1, 0.5, noise) for noise in (1, 2))
    found = contrast(recipe(a), recipe(b))
    paired = stats.ttest_rel(a.mean(axis=0), b.mean(axis=0))
    assert found.error == pytest.approx(abs(found.value / paired.statistic), rel=0.01)
    assert found.dof == pytest.approx(PROMPTS - 1, rel=0.02)


def test_the_ratio_is_the_quasi_f_of_an_analysis_of_variance():
    a, b = (table(4, 0.4, 1, 1, noise) for noise in (3, 4))
    both, seeds = np.stack([a, b]), 4  # (2, R, G)
    whole, models = both.mean(), both.mean(axis=2)
    of_prompt, of_recipe, cell = both.mean(axis=(0, 1)), both.mean(axis=(1, 2)), both.mean(axis=1)
    treatment = seeds * PROMPTS * ((of_recipe - whole) ** 2).sum()
    within = PROMPTS * ((models - of_recipe[:, None]) ** 2).sum() / (2 * (seeds - 1))
    crossed = seeds * ((cell - of_recipe[:, None] - of_prompt + whole) ** 2).sum() / (PROMPTS - 1)
    rest = both - models[:, :, None] - cell[:, None] + of_recipe[:, None, None]
    own = (rest**2).sum() / (2 * (seeds - 1) * (PROMPTS - 1))
    found = contrast(recipe(a), recipe(b))
    assert found.from_prompts > 0
    assert (found.value / found.error) ** 2 == pytest.approx(treatment / (within + crossed - own), rel=1e-9)


def test_each_model_has_its_own_clustered_error_and_sizes_of_families_may_differ():
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(20), np.tile([1, 2, 3, 4], 5)).tolist()
    values = generator.standard_normal((3, len(clusters)))
    alone = [of_means(row.tolist(), None, clusters) for row in values]
    made = Recipe(np.array([one.value for one in alone]), np.stack([one.influences for one in alone]))
    errors = [cluster_error(one.influences.tolist(), 1) for one in alone]
    assert made.prompt_variance == pytest.approx(sum(e * e for e in errors if e is not None) / 3, rel=1e-12)
    assert contrast(made, made).value == 0


def test_exchanging_recipes_turns_the_sign_and_units_do_not_matter():
    a, b = (table(3, 0.5, 1, 1, noise) for noise in (5, 6))
    here, there = contrast(recipe(a), recipe(b)), contrast(recipe(b), recipe(a))
    assert there.interval == pytest.approx((-here.interval[1], -here.interval[0]))
    assert (there.p, there.dof, there.error) == pytest.approx((here.p, here.dof, here.error))
    scaled = contrast(recipe(100 * a + 7), recipe(100 * b + 7))
    assert (scaled.p, scaled.dof, scaled.error) == pytest.approx((here.p, here.dof, 100 * here.error))
    assert scaled.seeds_to_settle() == here.seeds_to_settle()


def test_interval_and_p_agree_at_five_percent():
    for noise in range(40):
        found = contrast(recipe(table(3, 0.3, 1, 1, noise)), recipe(table(3, 0.3, 1, 1, 100 + noise) + 0.6))
        low, high = found.interval
        assert (low <= 0 <= high) == (found.p >= 0.05)


def test_without_influences_or_with_one_family_prompts_are_not_counted():
    values = np.array([1.0, 1.2, 1.7]), np.array([2.0, 2.6, 2.1])
    bare = contrast(*map(Recipe, values))
    one_family = contrast(*(Recipe(x, np.zeros((3, 1))) for x in values))
    welch = stats.ttest_ind(*values, equal_var=False)
    for found in (bare, one_family):
        assert found.families == 0
        assert (found.p, found.dof) == pytest.approx((welch.pvalue, welch.df), rel=1e-9)
    assert bare.a.prompt_variance is None


def test_nothing_differs_where_nothing_does():
    same = recipe(np.repeat(table(1, 0, 1, 1, 1), 2, axis=0))
    found = contrast(same, same)
    assert (found.value, found.error, found.p, found.interval) == (0, 0, 1, (0, 0))
    assert found.seed_share is None
    assert found.seeds_to_settle() is None


def test_the_seeds_that_settle_it_are_the_fewest_that_do():
    a, b = table(3, 0.5, 0.5, 0.1, 11), table(3, 0.5, 0.5, 0.1, 12)
    found = contrast(recipe(a), recipe(b - b.mean() + a.mean() - 0.45))
    seeds = found.seeds_to_settle()
    assert seeds is not None
    assert seeds > 3

    def power(count: int) -> float:
        parts = [(r.seed_variance / count, count - 1) for r in (found.a, found.b)]
        parts.append((found.from_prompts, PROMPTS - 1))
        whole = sum(part for part, _ in parts)
        dof = whole**2 / sum(part**2 / dof for part, dof in parts)
        edge, away = stats.t.ppf(0.975, dof), abs(found.value) / math.sqrt(whole)
        return float(stats.nct.sf(edge, dof, away))

    assert power(seeds) >= 0.8 - 1e-3
    assert power(seeds - 1) < 0.8 + 1e-3
    hidden = contrast(recipe(table(3, 0, 3, 0.1, 1)), recipe(table(3, 0, 3, 0.1, 2)))
    assert hidden.seeds_to_settle() is None


def test_recipes_that_cannot_be_contrasted_are_refused():
    one, three = recipe(table(1, 0, 1, 1, 1)), recipe(table(3, 0, 1, 1, 1))
    with pytest.raises(ValueError, match="3 and 1 models"):
        contrast(three, one)
    with pytest.raises(ValueError, match="40 and 10 prompt families"):
        contrast(three, recipe(table(3, 0, 1, 1, 1, prompts=10)))


@pytest.mark.parametrize(
    "name", ["seeds alone", "prompts alone", "seeds as large as the error over prompts", "skewed prompts", "two seeds"]
)
def test_the_interval_holds_the_truth_as_often_as_it_says(name: str):
    assert 0.93 <= coverage(WORLDS[name], 1000).both <= 0.98


def test_one_training_of_each_promises_too_much():
    found = coverage(WORLDS["seeds above it"], 500)
    assert found.paired < 0.5
    assert found.both > 0.93
