"""Compare two groups of models, each one recipe trained with several seeds: every metric over every slice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from evalsuite import training_seeds
from evalsuite.compare import Refusal, chosen_metrics
from evalsuite.difference import Difference, with_holm
from evalsuite.errors import InputError
from evalsuite.group_names import Group
from evalsuite.paired import Contrast
from evalsuite.pairing import KINDS, Unpaired, settings
from evalsuite.scorecard import Scorecard
from evalsuite.shared_images import Estimates, Shared, shared
from evalsuite.stats import interval
from evalsuite.training_seeds import Recipe, SeedContrast

PROMPTS_TAKEN = "its interval is of other training seeds on these very prompts: what single prompts add is not known"


class SeedValue(NamedTuple):
    """One model's value, with its 95 % interval over prompts; None where that is not known."""

    label: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """What the seeds of one recipe say of one metric on one slice.

    Attributes:
        name: of the group.
        seeds: each model's value.
        sd: standard deviation between the models' values.
        training: the same without what their own answers to single prompts add, which more prompts would average out;
            None where that is not known.
        error: standard error of one model's value over prompts, the root of the mean square; None likewise.
    """

    name: str
    seeds: tuple[SeedValue, ...]
    sd: float
    training: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """A metric's difference between two recipes on one slice.

    Attributes:
        test: the difference of the groups' means, its interval and p; ``clusters`` is 0 where prompts are not in it.
        first: the first group's seeds.
        second: the second's.
        dof: degrees of freedom of interval and p.
        seed_share: part of the error's square that is between training seeds; None where prompts are not in it.
        seeds_to_settle: seeds of each group with which such a difference would be seen at these prompts, with a chance
            of 80 %; None where no number of them is enough, or there is nothing to see.
    """

    test: Difference
    first: Spread
    second: Spread
    dof: float
    seed_share: float | None
    seeds_to_settle: int | None


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """What `compare_groups` found.

    Attributes:
        groups: labels of the models by the name of their group.
        about: a line on each model, by its label.
        found: by metric and slice; values are the first group's minus the second's.
        refused: numbers that were not compared.
        left_out: labels of models that are in no group.
        unpaired: images that not all models have.
        settings: in which runs differ from the first model's: name, the first's, another's.
    """

    groups: Mapping[str, tuple[str, ...]]
    about: Mapping[str, str]
    found: tuple[GroupDifference, ...]
    refused: tuple[Refusal, ...]
    left_out: tuple[str, ...]
    unpaired: tuple[Unpaired, ...]
    settings: tuple[tuple[str, Any, Any], ...]


def compare_groups(
    cards: Sequence[Scorecard],
    groups: tuple[Group, Group],
    *,
    by: Iterable[str] = KINDS,
    metrics: Iterable[str] | None = None,
    labels: Sequence[str],
) -> GroupComparison:
    """Compare two groups on every metric and slice, over the images that all their models have.

    Holm's family is all metrics on ``all``, and all metrics and parts of each further kind of slice.

    Args:
        cards: of all models.
        groups: which of them are whose; at least two each.
        by: kinds of slices besides ``all``: ``aspect``, ``tag``.
        metrics: names in full, or families; None means all.
        labels: of the models.

    Raises:
        InputError: a metric that none has, two models with the same scores, or nothing in common.
    """
    first, second = groups
    chosen, split = (*first.places, *second.places), len(first.places)
    members = shared([cards[place] for place in chosen], [labels[place] for place in chosen])
    for places in (range(split), range(split, len(chosen))):
        members.refuse_copies(places)
    names = (first.name, second.name)
    found, refused = _all(members, split, names, chosen_metrics(members.cards, metrics), tuple(by))
    if not found:
        why = dict.fromkeys(f"{one.metric}: {one.why}" for one in refused[:3])
        raise InputError(f"{first.name}, {second.name}: nothing to compare: {'; '.join(why) or 'no metric in all'}")
    tests = with_holm([one.test for one in found], by_kind=True)
    different = [setting for other in members.cards[1:] for setting in settings(members.cards[0], other)]
    return GroupComparison(
        groups={first.name: members.labels[:split], second.name: members.labels[split:]},
        about={name: card.about for name, card in zip(members.labels, members.cards, strict=True)},
        found=tuple(replace(one, test=test) for one, test in zip(found, tests, strict=True)),
        refused=tuple(refused),
        left_out=tuple(label for place, label in enumerate(labels) if place not in chosen),
        unpaired=members.unpaired,
        settings=tuple({name: (name, one, other) for name, one, other in different}.values()),
    )


def _all(
    members: Shared, split: int, names: tuple[str, str], metrics: Sequence[str], by: tuple[str, ...]
) -> tuple[list[GroupDifference], list[Refusal]]:
    found: list[GroupDifference] = []
    refused: list[Refusal] = []
    for metric in metrics:
        if why := members.unlike(metric):
            refused.append(Refusal(*names, metric, "all", why))
            continue
        for part in members.parts(metric, by):
            estimates = members.estimates(metric, part)
            if isinstance(estimates, str):
                refused.append(Refusal(*names, metric, part, estimates))
            else:
                found.append(_difference(members, metric, part, names, split, estimates))
    return found, refused


def _difference(
    members: Shared, metric: str, part: str, names: tuple[str, str], split: int, estimates: Estimates
) -> GroupDifference:
    models = estimates.models
    a, b = _recipe(models[:split]), _recipe(models[split:])
    found = training_seeds.contrast(a, b)
    first = _spread(names[0], members.labels[:split], models[:split], a)
    second = _spread(names[1], members.labels[split:], models[split:], b)
    test = _test(members.cards[0], metric, part, names, found, estimates)
    return GroupDifference(
        test, first, second, found.dof, found.seed_share if found.families else None, found.seeds_to_settle()
    )


def _recipe(models: Sequence[Contrast]) -> Recipe:
    values = np.array([one.value for one in models], np.float64)  # (R,)
    known = models[0].clusters > 1
    return Recipe(values, np.stack([one.influences for one in models]) if known else None)  # (R, G)


def _test(
    card: Scorecard, metric: str, part: str, names: tuple[str, str], found: SeedContrast, estimates: Estimates
) -> Difference:
    about = card.metrics[metric]
    low, high = found.interval
    covered = f"seeds and prompts, G={found.families}" if found.families else "seeds alone"
    return Difference(
        *names,
        metric,
        about.title,
        about.unit,
        about.higher_is_better,
        part,
        a=found.a.mean,
        b=found.b.mean,
        value=found.value,
        error=found.error,
        low=low,
        high=high,
        p=found.p,
        n=estimates.models[0].n,
        prompts=estimates.prompts,
        clusters=found.families,
        visible=found.visible,
        method=f"t, {found.dof:.1f} degrees of freedom, {covered}, {found.a.count} + {found.b.count} training seeds",
        note="" if found.families else PROMPTS_TAKEN,
    )


def _spread(name: str, labels: Sequence[str], models: Sequence[Contrast], recipe: Recipe) -> Spread:
    seeds = []
    for label, one in zip(labels, models, strict=True):
        limits = interval(one.value, one.error, one.clusters)
        seeds.append(SeedValue(label, one.value, limits.low, limits.high))
    over_prompts, between = recipe.prompt_variance, recipe.seed_variance
    if over_prompts is None:
        return Spread(name, tuple(seeds), math.sqrt(between), None, None)
    training = math.sqrt(max(0.0, between - recipe.own_variance))
    return Spread(name, tuple(seeds), math.sqrt(between), training, math.sqrt(over_prompts))
