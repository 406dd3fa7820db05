"""Groups of models from their scorecards alone: against hand-made contrasts, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_cards import card, with_metric, without
from scipy import stats

from evalsuite import groups_words
from evalsuite.errors import InputError
from evalsuite.group_names import Group, parse
from evalsuite.groups import GroupComparison, GroupDifference, compare_groups
from evalsuite.scorecard import Scorecard
from evalsuite.training_seeds import Recipe, contrast

LABELS = ("a-0", "a-1", "a-2", "b-0", "b-1", "b-2")
GROUPS = (Group("a", (0, 1, 2)), Group("b", (3, 4, 5)))


def six(shift: float = 0.0, prompts: int = 20, **more: Any) -> list[Scorecard]:
    """Two groups of three; the first scores ``shift`` higher, and seeds scatter by 0.2 about their group."""
    scatter = 0.2 * np.random.default_rng(3).standard_normal(6)
    return [
        card(name, prompts, shift=float(scatter[k]) + (shift if k < 3 else 0.0), noise=k + 1, **more)
        for k, name in enumerate(LABELS)
    ]


def compared(cards: Sequence[Scorecard], **more: Any) -> GroupComparison:
    return compare_groups(cards, GROUPS, labels=[one.model for one in cards], **more)


def find(found: GroupComparison, metric: str, part: str = "all") -> GroupDifference:
    (one,) = [one for one in found.found if (one.test.metric, one.test.slice) == (metric, part)]
    return one


def test_a_shift_is_seen_and_is_that_of_the_models_means():
    cards = six(shift=2.0)
    one = find(compared(cards), "hps@scenes")
    rows = [card.metrics["hps@scenes"].row() for card in cards]
    means = [row.value for row in rows if row is not None]
    assert [seed.value for seed in (*one.first.seeds, *one.second.seeds)] == pytest.approx(means)
    assert one.test.value == pytest.approx(np.mean(means[:3]) - np.mean(means[3:]))  # type: ignore[arg-type]
    assert one.test.verdict == "better"
    assert one.first.sd == pytest.approx(np.std(means[:3], ddof=1))  # type: ignore[arg-type]
    assert (one.test.n, one.test.prompts, one.test.clusters) == (40, 20, 20)
    assert one.first.training is not None
    assert one.first.training < one.first.sd


def test_it_is_the_contrast_of_the_tables_of_scores():
    cards = six(shift=0.4)

    def recipe(some: Sequence[Scorecard]) -> Recipe:
        tables = np.array(
            [[one.metrics["hps@scenes"].values[image.id] for image in one.images] for one in some]
        ).reshape(3, 20, 2)  # images are sorted by prompt: two sizes of each
        means = tables.mean(axis=(1, 2))
        return Recipe(means, (tables.sum(axis=2) - 2 * means[:, None]) / 40)

    by_hand = contrast(recipe(cards[:3]), recipe(cards[3:]))
    one = find(compared(cards), "hps@scenes")
    assert (one.test.value, one.test.error, one.test.p) == pytest.approx((by_hand.value, by_hand.error, by_hand.p))
    assert (one.dof, one.seed_share) == pytest.approx((by_hand.dof, by_hand.seed_share))
    assert (one.test.low, one.test.high) == pytest.approx(by_hand.interval)


def test_every_kind_of_metric_and_slice_is_there_and_holm_counts_them():
    found = compared(six(shift=0.5))
    assert {(one.test.slice.partition("=")[0], one.test.family) for one in found.found} == {
        ("all", 3),
        ("aspect", 6),
        ("tag", 4),
    }
    ratio = find(found, "v_variance@trajectory", "aspect=1:1")
    assert ratio.test.verdict in ("none", "differs")
    assert ratio.seed_share is not None
    fid = find(found, "fid@scenes")
    assert fid.test.clusters == 20
    assert {one.test.metric for one in compared(six(), metrics=["hps"], by=()).found} == {"hps@scenes"}
    with pytest.raises(InputError, match="no run was scored by 'kid'"):
        compared(six(), metrics=["kid"])


def test_exchanging_the_groups_turns_every_sign_and_verdict():
    cards = six(shift=0.7)
    here, there = compared(cards), compare_groups(cards, GROUPS[::-1], labels=LABELS)
    turned = {"better": "worse", "worse": "better"}
    for one, other in zip(here.found, there.found, strict=True):
        assert one.test.value == pytest.approx(-other.test.value)  # type: ignore[operator]
        assert (one.test.p, one.seed_share) == pytest.approx((other.test.p, other.seed_share))
        assert turned.get(one.test.verdict, one.test.verdict) == other.test.verdict
        assert one.first == other.second


def test_a_metric_that_single_images_say_nothing_of_is_tested_over_seeds_alone():
    cards = six(shift=1.0)
    cards = [with_metric(one, "hps@scenes", values={}) for one in cards]
    one = find(compared(cards), "hps@scenes")
    values = [seed.value for seed in (*one.first.seeds, *one.second.seeds)]
    assert one.test.p == pytest.approx(stats.ttest_ind(values[:3], values[3:], equal_var=False).pvalue)
    assert (one.test.clusters, one.seed_share, one.first.error, one.first.seeds[0].low) == (0, None, None, None)
    assert "on these very prompts" in " ".join(groups_words.notes(compared(cards)))
    assert "squared error" not in groups_words.of_seeds(one)


def test_one_prompt_is_no_interval_over_prompts():
    one = find(compared(six(shift=1.0, prompts=1)), "hps@scenes")
    assert (one.test.clusters, one.seed_share) == (0, None)
    assert one.test.p is not None


def test_the_same_scores_twice_are_not_two_seeds():
    cards = six()
    cards[2] = replace(cards[0], model="a-2")
    with pytest.raises(InputError, match="a-0 and a-2 have the same scores on every image"):
        compared(cards)


def test_images_that_one_model_lacks_are_left_out_for_all_and_distances_refused():
    cards = six(shift=0.5)
    cards[4] = without(cards[4], "p003", "nonfinite")
    found = compared(cards)
    assert {one.metric for one in found.refused} == {"fid@scenes"}
    assert all("over the same images only" in one.why for one in found.refused)
    assert find(found, "hps@scenes").test.n == 38
    fewer = find(compared([without(one, "p003", "nonfinite") for one in cards]), "hps@scenes").test
    assert (fewer.value, fewer.p) == (find(found, "hps@scenes").test.value, find(found, "hps@scenes").test.p)
    assert "2 images are not in all models" in " ".join(groups_words.notes(found))


def test_other_protocols_and_missing_metrics_are_refused_with_the_reason():
    cards = six()
    cards[5] = with_metric(cards[5], "hps@scenes", protocol="9999 v1; scenes 7a7a: centre crop")
    cards[1] = replace(cards[1], metrics={k: v for k, v in cards[1].metrics.items() if k != "fid@scenes"})
    found = compared(cards)
    assert {(one.metric, one.why.partition(":")[0]) for one in found.refused} == {
        ("hps@scenes", "protocols differ"),
        ("fid@scenes", "a-1 was not scored by it"),
    }
    with pytest.raises(InputError, match="a, b: nothing to compare: hps@scenes: protocols differ"):
        compared(cards, metrics=["hps"])


def test_models_with_no_image_in_common_are_refused():
    cards = six()
    cards[5] = replace(cards[5], images=tuple(replace(image, width=1) for image in cards[5].images))
    with pytest.raises(InputError, match="nothing to compare: no image is of the same prompt"):
        compared(cards)


def test_what_a_reader_must_know_is_said():
    cards = [*six(), card("extra", noise=9)]
    cards[1] = replace(cards[1], run={**cards[1].run, "spec": {**cards[1].run["spec"], "steps": 7}})
    found = compared(cards)
    notes = " ".join(groups_words.notes(found))
    assert found.left_out == ("extra",)
    assert "In neither group, and not used: extra." in notes
    assert "Settings that differ: steps 20 / 7." in notes
    assert "3 + 3 training seeds are few" in notes
    assert "Differences are a minus b" in notes
    assert groups_words.about(found) == "a (3 training seeds) against b (3 training seeds)"
    assert "between seeds the standard deviation is" in groups_words.of_seeds(find(found, "hps@scenes"))


def test_patterns_name_models_by_their_whole_or_short_label():
    labels, short = ("runs/dit-0", "runs/dit-1", "unet-0", "unet-1"), ("dit-0", "dit-1", "unet-0", "unet-1")
    both = (Group("dit", (0, 1)), Group("u", (2, 3)))
    for words in (
        ["dit=dit-*", "u=unet-0,unet-1"],
        ["dit = runs/dit-? ", "u=unet-1,unet-0"],
        ["dit=*dit*,dit-0", "u=u*"],
    ):
        found = parse(words, labels, short)
        assert [(one.name, sorted(one.places)) for one in found] == [(one.name, list(one.places)) for one in both]
    bracket = parse(["a=x[1],x[2]", "b=dit-0,dit-1"], ("x[1]", "x[2]", *labels), ("x[1]", "x[2]", *short))
    assert bracket[0].places == (0, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a=dit-*"], "names 1 group"),
        (["a=dit-*", "b=unet-*", "c=dit-*"], "names 3 group"),
        (["a=dit-*", "dit"], "'dit' cannot be read: write NAME=MODEL,MODEL"),
        (["a=dit-*", "=unet-*"], "cannot be read"),
        (["a=dit-*", "b="], "cannot be read"),
        (["a=dit-*", "b=unet-0"], "b has 1 model, unet-0: training seeds need 2"),
        (["a=dit-*", "b=unet-0,unet-0"], "b has 1 model"),
        (["a=dit-*", "b=vit-*"], "no model is called 'vit-\\*'; there are dit-0, dit-1, unet-0, unet-1"),
        (["a=dit-*", "b=unet-*,dit-1"], "dit-1 is in a and in b"),
        (["a=dit-*", "a=unet-*"], "'a' is given twice"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(words: list[str], said: str):
    names = ("dit-0", "dit-1", "unet-0", "unet-1")
    with pytest.raises(InputError, match=said):
        parse(words, names, names)
