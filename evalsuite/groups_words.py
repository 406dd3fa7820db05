"""What a comparison of training seeds says in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evalsuite import verdicts
from evalsuite.difference import Difference
from evalsuite.groups import GroupComparison, GroupDifference, Spread
from evalsuite.verdicts import digits_of, number
from reports.digits import Number, decimals

LISTED = 3
FEW = 5
ESTIMATOR = (
    "The interval is 95 % and covers another training seed of each group and other prompts: variance between a group's "
    "models over their number, and what prompt families add to the difference of the groups beyond it (two crossed "
    "random effects; Clark 1973), Student's t with Satterthwaite's degrees of freedom; where prompts add nothing it is "
    "Welch's t over training seeds."
)
COLUMNS = (
    "seed sd: standard deviation between a group's models, each its mean over the same images. prompt error: standard "
    "error of one model over prompt families. from seeds: part of the squared error of the difference that is between "
    "training seeds; the rest is prompts. visible: the smallest true difference that so many seeds and prompts show "
    "with a chance of 80 % (level 0.05, before Holm). seeds to settle: seeds of each group with which a difference as "
    "large as the one here would be seen so, at these prompts; > 1000 where more seeds alone are not enough."
)


def about(found: GroupComparison) -> str:
    """``dit (3 training seeds) against unet (3 training seeds)``."""
    return " against ".join(f"{name} ({len(labels)} training seeds)" for name, labels in found.groups.items())


def headline(found: GroupComparison) -> str:
    """The verdict on all images, in a sentence."""
    return verdicts.headline_of_two(tuple(found.groups), [one.test for one in found.found], found.refused)


def of_seeds(one: GroupDifference) -> str:
    """What the training seeds say of one difference."""
    digits = digits_of(one.test)
    both = (one.first, one.second)
    sd, training, error = (
        " and ".join(f"{number(getattr(spread, name), digits)} ({spread.name})" for spread in both)
        for name in ("sd", "training", "error")
    )
    said = f"between seeds the standard deviation is {sd}"
    if one.seed_share is None:
        return said
    return (
        f"{said}, of which {training} is more than the noise of single prompts; one model's error over prompts is "
        f"{error}; {one.seed_share:.0%} of the squared error of the difference is between seeds"
    )


def notes(found: GroupComparison) -> Iterator[str]:
    """What a reader must know to judge the numbers, the comparison's own caveats first."""
    yield from _caveats(found)
    first, second = found.groups
    yield f"Differences are {first} minus {second}. {ESTIMATOR}"
    sizes = {one.test.slice.partition("=")[0]: one.test.family for one in found.found}
    words = {"all": "the tests on all images ({})", "aspect": "those by aspect ratio ({})", "tag": "those by tag ({})"}
    families = ", ".join(words[kind].format(size) for kind, size in sizes.items())
    yield f"p is two-sided, of the same t, after Holm over {families}. A difference is seen (*) where both agree."
    yield COLUMNS


def settled(one: GroupDifference) -> str:
    """Seeds of each group that would show the difference."""
    if one.seeds_to_settle is None:
        return "-" if one.test.p == 1 else ">1000"
    return str(one.seeds_to_settle)


def seed_digits(one: GroupDifference) -> int:
    """Decimals of the models' own values: of their intervals, or of the seeds' spread."""
    numbers = [Number(s.value, s.low, s.high, one.test.n) for spread in _both(one) for s in spread.seeds]
    return decimals(numbers) if any(n.half for n in numbers) else digits_of(one.test)


def _both(one: GroupDifference) -> tuple[Spread, Spread]:
    return one.first, one.second


def _caveats(found: GroupComparison) -> Iterator[str]:
    counts = [len(labels) for labels in found.groups.values()]
    if min(counts) < FEW:
        dofs = [one.dof for one in found.found if one.test.slice == "all"]
        freedom = " to ".join(dict.fromkeys(f"{dof:.1f}" for dof in (min(dofs), max(dofs)))) if dofs else "few"
        yield (
            f"{counts[0]} + {counts[1]} training seeds are few: t has {freedom} degrees of freedom, and intervals are "
            "rightly wide. In simulated worlds they hold the truth in 94 to 98 %; in 93 % of 3 + 3 seeds, and 89 % of "
            "2 + 2, where one group's seeds scatter 10 times as much as the other's."
        )
    if found.left_out:
        yield f"In neither group, and not used: {', '.join(found.left_out)}."
    refused: dict[str, str] = {}
    for refusal in found.refused:
        refused.setdefault(f"{refusal.metric}{'' if refusal.slice == 'all' else f' on {refusal.slice}'}", refusal.why)
    yield from (f"{name} is not compared: {why}." for name, why in refused.items())
    if images := found.unpaired:
        shown = [f"{image.prompt_id} {image.index} ({image.why})" for image in images[:LISTED]]
        more = ", ..." if len(images) > LISTED else ""
        yield f"{len(images)} images are not in all models and are left out: {', '.join(shown)}{more}."
    if found.settings:
        shown = [f"{name} {_short(one)} / {_short(other)}" for name, one, other in found.settings]
        yield f"Settings that differ: {', '.join(shown)}."
    yield from _noted(one.test for one in found.found)


def _noted(tests: Iterable[Difference]) -> Iterator[str]:
    """Each note once, with the metrics that it is about."""
    metrics: dict[str, list[str]] = {}
    for test in tests:
        if test.note and test.slice == "all":
            metrics.setdefault(test.note, []).append(test.metric)
    yield from (f"{', '.join(names)}: {note}." for note, names in metrics.items())


def _short(value: object) -> str:
    text = str(value.get("name", value)) if isinstance(value, dict) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
