"""The difference of two recipes, each trained with several seeds: how far prompts and another training may move it.

Seeds are nested in recipes, and prompts are crossed with both, so that the variance of the difference of means is

    Var = V_a / R_a + V_b / R_b + max(0, W - U_a - U_b)

with R models, the variance V between their means, the variance W that prompts give to the difference of the means, and
what the models' own answers to single prompts give to W, U: V counts that already. This is the quasi-F of two crossed
random effects (Clark, Journal of Verbal Learning 12, 1973), with Satterthwaite's degrees of freedom (Biometrics
Bulletin 2, 1946). Where prompts add nothing it is Welch's t over training seeds (Biometrika 34, 1947); where seeds add
nothing, the t over prompts of a paired comparison. Why seeds belong in it: arXiv:2103.03098, arXiv:2108.13264.

Letters: R models of a recipe, G prompt families.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.paired import SAME
from evalsuite.power import POWER, errors_away, power
from evalsuite.resample import Floats
from evalsuite.stats import LEVEL
from evalsuite.student_t import quantile, two_sided_p

ENOUGH = 1_000
"""Training seeds of each recipe past which more are not counted."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Models that differ by their training seed alone.

    Attributes:
        values: (R,) the metric of each, R at least 2.
        influences: (R, G) what each prompt family adds to each value, rows adding to 0; None where that is not known.
    """

    values: Floats
    influences: Floats | None = None

    @property
    def count(self) -> int:
        """Models R."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Of the models' values."""
        return math.fsum(self.values) / self.count

    @property
    def seed_variance(self) -> float:
        """V: variance between the models' values, R - 1 degrees of freedom."""
        return float(np.var(self.values, ddof=1))

    @property
    def own_variance(self) -> float:
        """The part of V that comes of each model's own answers to single prompts; 0 where influences are not known."""
        if self.influences is None or self.influences.shape[1] < 2:
            return 0.0
        own = self.influences - self.influences.mean(axis=0)  # (R, G)
        families = own.shape[1]
        return float(families / (families - 1) * (own * own).sum() / (self.count - 1))

    @property
    def prompt_variance(self) -> float | None:
        """Squared standard error of one model's value over prompts, the mean over models."""
        if self.influences is None or self.influences.shape[1] < 2:
            return None
        families = self.influences.shape[1]
        return float(families / (families - 1) * (self.influences**2).sum() / self.count)


@dataclass(frozen=True, slots=True)
class SeedContrast:
    """The mean of one recipe minus that of another.

    Attributes:
        a: the first recipe.
        b: the second.
        value: the difference of their means.
        from_seeds: variance of it between training seeds.
        from_prompts: what prompts add to that; 0 where they are not counted.
        dof: Satterthwaite's degrees of freedom, at least those of the smallest part.
        families: prompt families G that are counted; 0 for none.
    """

    a: Recipe
    b: Recipe
    value: float
    from_seeds: float
    from_prompts: float
    dof: float
    families: int

    @property
    def error(self) -> float:
        """Standard error of the difference."""
        return math.sqrt(self.from_seeds + self.from_prompts)

    @property
    def seed_share(self) -> float | None:
        """The part of the error's square that is between training seeds, in [0, 1]; None where there is no error."""
        whole = self.from_seeds + self.from_prompts
        return self.from_seeds / whole if whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        half = quantile((1 + LEVEL) / 2, self.dof) * self.error
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided, that the recipes are equal."""
        if abs(self.value) <= SAME * max(abs(self.a.mean), abs(self.b.mean)):
            return 1.0
        return two_sided_p(self.value / self.error, self.dof) if self.error else 0.0

    @property
    def visible(self) -> float:
        """The true difference that so many seeds and prompts show with a chance of 80 %."""
        return errors_away(self.dof) * self.error

    def seeds_to_settle(self) -> int | None:
        """Seeds of each recipe with which a difference as large as this one shows with that chance, at these prompts.

        Returns:
            At least 2; None where prompts alone hide it, more than ENOUGH are needed, or there is no difference.
        """
        if self.p == 1 or not self._shows(ENOUGH):
            return None
        low, high = 1, ENOUGH
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._shows(middle) else (middle, high)
        return high

    def _shows(self, seeds: int) -> bool:
        parts = [(recipe.seed_variance / seeds, seeds - 1) for recipe in (self.a, self.b)]
        parts += [(self.from_prompts, self.families - 1)] if self.from_prompts else []
        error = math.sqrt(math.fsum(part for part, _ in parts))
        return error == 0 or power(abs(self.value) / error, _dof(parts)) >= POWER


def contrast(a: Recipe, b: Recipe) -> SeedContrast:
    """The difference of two recipes, over the same prompts.

    Where either has no influences, or there is one prompt family, prompts are not counted: the interval is then about
    other training seeds on these very prompts.

    Raises:
        ValueError: fewer than two models, or other prompt families in one than in the other.
    """
    if min(a.count, b.count) < 2:
        raise ValueError(f"{a.count} and {b.count} models: a recipe needs two at least")
    seeds = [(recipe.seed_variance / recipe.count, recipe.count - 1) for recipe in (a, b)]
    from_seeds = math.fsum(part for part, _ in seeds)
    prompts, families = _prompts(a, b)
    from_prompts = max(0.0, math.fsum(part for part, _ in prompts))
    dof = _dof(seeds + prompts) if from_prompts else _dof(seeds)
    return SeedContrast(a, b, a.mean - b.mean, from_seeds, from_prompts, dof, families)


def _prompts(a: Recipe, b: Recipe) -> tuple[list[tuple[float, int]], int]:
    """W, -U_a and -U_b with their degrees of freedom, and G; nothing where prompts are not counted."""
    if a.influences is None or b.influences is None:
        return [], 0
    families = a.influences.shape[1]
    if families != b.influences.shape[1]:
        raise ValueError(f"{families} and {b.influences.shape[1]} prompt families: both need the same")
    if families < 2:
        return [], 0
    apart = a.influences.mean(axis=0) - b.influences.mean(axis=0)  # (G,)
    between = families / (families - 1) * float((apart * apart).sum())
    own = [(-r.own_variance / r.count, (r.count - 1) * (families - 1)) for r in (a, b)]
    return [(between, families - 1), *own], families


def _dof(parts: Sequence[tuple[float, int]]) -> float:
    """Satterthwaite's, of a sum of estimated variances with their degrees of freedom.

    Differences of variances could give fewer than any part has: no fewer than the smallest are used.
    """
    whole = math.fsum(part for part, _ in parts)
    least = min(dof for _, dof in parts)
    squares = math.fsum(part * part / dof for part, dof in parts)
    return max(whole * whole / squares, least) if squares else float(math.fsum(dof for _, dof in parts))
