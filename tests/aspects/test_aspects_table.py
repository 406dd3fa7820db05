from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from aspect_cards import Table, by_influences, card, identity, metric

from evalsuite.aspects.columns import along
from evalsuite.aspects.counting import WRONG
from evalsuite.aspects.table import findings, mirrored
from evalsuite.aspects.versus import against_first
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores
from evalsuite.student_t import quantile

FIVE = ("9:16", "2:3", "1:1", "3:2", "16:9")
SMALL: Table = {"2:3": [2.0, 4.0, 3.0, 7.0], "1:1": [5.0, 6.0, 4.0, 9.0], "3:2": [3.0, 6.0, 5.0, 6.0]}


def rows_of(one: MetricScores, aspects: tuple[str, ...], prompts: int) -> dict[str, Row]:
    found = findings(card(one, aspects=aspects, prompts=prompts), one)
    assert not isinstance(found, str), found
    return {row.slice: row for row in found}


def table(seed: int, aspects: tuple[str, ...] = FIVE, prompts: int = 24, drops: tuple[float, ...] = ()) -> Table:
    generator = np.random.default_rng(seed)
    common = generator.exponential(2, prompts)
    own = {aspect: common + generator.normal(size=prompts) for aspect in aspects}
    return {a: (own[a] - drop).tolist() for a, drop in zip(aspects, drops or (0.0,) * len(aspects), strict=True)}


def test_changes_drop_and_asymmetry_of_four_prompts_by_hand():
    found = rows_of(metric(SMALL), tuple(SMALL), 4)
    assert found["difference=2:3/1:1"].value == pytest.approx(-2.0)  # -3 -2 -1 -2
    assert found["difference=3:2/1:1"].value == pytest.approx(-1.0)  # -2 0 1 -3
    drop = found["drop=2:3/1:1"]
    assert drop.value == pytest.approx(2.0)
    half = quantile(1 - 0.025 / 2, 3) * np.std([3, 2, 1, 2], ddof=1) / 2
    assert (drop.low, drop.high) == pytest.approx((2 - half, 2 + half))
    assert drop.higher_is_better is False
    assert drop.note == "picked by its value among 2, which the interval allows for"
    turned = found["asymmetry=3:2/2:3"]
    assert turned.value == pytest.approx(1.0)  # 1 2 2 -1
    half = quantile(0.975, 3) * np.std([1, 2, 2, -1], ddof=1) / 2
    assert (turned.low, turned.high) == pytest.approx((1 - half, 1 + half))
    assert "asymmetry=pooled" not in found
    assert {row.n for row in found.values()} == {4}


def test_a_drop_has_the_same_sign_whichever_way_is_better():
    up = rows_of(metric(SMALL), tuple(SMALL), 4)["drop=2:3/1:1"]
    turned = {aspect: [-x for x in column] for aspect, column in SMALL.items()}
    down = rows_of(metric(turned, better=False), tuple(SMALL), 4)["drop=2:3/1:1"]
    assert (down.value, down.low, down.high) == pytest.approx((up.value, up.low, up.high))


def test_without_a_direction_the_farthest_change_is_given_with_its_sign():
    found = rows_of(metric(SMALL, better=None), tuple(SMALL), 4)
    assert found["farthest=2:3/1:1"].value == pytest.approx(-2.0)
    assert not any(part.startswith("drop") for part in found)


def test_no_ratio_worse_than_the_square_is_a_negative_drop():
    found = rows_of(metric({"1:1": [1.0, 2.0, 1.0], "3:2": [2.0, 4.0, 3.0]}), ("1:1", "3:2"), 3)
    assert found["drop=3:2/1:1"].value == pytest.approx(-5 / 3)


def test_without_a_square_the_worst_is_held_against_the_best_and_all_pairs_widen_it():
    aspects = ("9:16", "2:3", "3:2", "16:9")
    scores = table(3, aspects, drops=(1.0, 0.0, 2.0, 0.5))
    found = rows_of(metric(scores), aspects, 24)
    means = {aspect: np.mean(column) for aspect, column in scores.items()}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    drop = found[f"drop={worst}/{best}"]
    assert drop.value == pytest.approx(means[best] - means[worst])
    assert "simultaneous over 6" in drop.method
    assert "no 1:1 here" in drop.note


def test_mirrored_ratios_are_pooled_with_equal_weights():
    scores = table(4)
    found = rows_of(metric(scores), FIVE, 24)
    mild, steep = found["asymmetry=3:2/2:3"], found["asymmetry=16:9/9:16"]
    pooled = found["asymmetry=pooled"]
    assert pooled.value == pytest.approx((mild.value + steep.value) / 2)  # type: ignore[operator]
    x = {aspect: np.array(column) for aspect, column in scores.items()}
    each = (x["3:2"] - x["2:3"] + x["16:9"] - x["9:16"]) / 2
    assert pooled.value == pytest.approx(each.mean())
    assert pooled.low < each.mean() < pooled.high  # type: ignore[operator]
    width = (pooled.high - pooled.low) / 2  # type: ignore[operator]
    assert width == pytest.approx(quantile(0.975, 23) * each.std(ddof=1) / 24**0.5, rel=0.2)


def test_turning_every_picture_turns_the_asymmetry():
    scores = table(5)
    turned = {":".join(reversed(aspect.split(":"))): column for aspect, column in scores.items()}
    here, there = rows_of(metric(scores), FIVE, 24), rows_of(metric(turned), FIVE, 24)
    for part in ("asymmetry=3:2/2:3", "asymmetry=16:9/9:16", "asymmetry=pooled"):
        assert there[part].value == pytest.approx(-here[part].value)  # type: ignore[operator]


def test_a_mean_told_by_influences_has_the_same_differences_and_errors():
    scores = table(6)
    as_values, as_influences = metric(scores), by_influences(scores)
    one, other = (along(card(m, aspects=FIVE, prompts=24), m) for m in (as_values, as_influences))
    assert not isinstance(one, str)
    assert not isinstance(other, str)
    for weights in ({"3:2": 1.0, "1:1": -1.0}, {"16:9": 1.0, "9:16": -1.0}):
        a, b = one.contrast(weights), other.contrast(weights)
        assert a.value == pytest.approx(b.value)
        assert a.error == pytest.approx(b.error)
    drops = [rows_of(m, FIVE, 24) for m in (as_values, replace(as_influences, higher_is_better=True))]
    parts = [next(part for part in found if part.startswith("drop=")) for found in drops]
    assert parts[0] == parts[1]
    ends = [[found[parts[0]].low, found[parts[0]].high] for found in drops]
    assert ends[0] == pytest.approx(ends[1])


def test_equal_weights_change_nothing_and_a_weight_of_none_drops_its_prompt():
    scores = table(7, prompts=12)
    plain = rows_of(metric(scores), FIVE, 12)
    heavy = rows_of(metric(scores, weights={aspect: [3.0] * 12 for aspect in FIVE}), FIVE, 12)
    for part, row in plain.items():
        if not part.startswith("asymmetry"):
            assert (heavy[part].value, heavy[part].low) == pytest.approx((row.value, row.low))
    without = {aspect: [*column[:-1], 99.0] for aspect, column in scores.items()}
    weights = {aspect: [1.0] * 11 + [0.0] for aspect in FIVE}
    fewer = rows_of(metric({a: c[:-1] for a, c in scores.items()}), FIVE, 11)
    zero = rows_of(metric(without, weights=weights), FIVE, 12)
    assert zero["difference=3:2/1:1"].value == pytest.approx(fewer["difference=3:2/1:1"].value)


def test_prompts_that_a_ratio_lacks_are_left_out_everywhere_and_counted():
    scores = table(8, prompts=12)
    whole = metric(scores)
    lacking = replace(whole, values={id: x for id, x in whole.values.items() if id != identity("16:9", 3)})
    found = rows_of(lacking, FIVE, 12)
    fewer = rows_of(metric({a: [x for p, x in enumerate(c) if p != 3] for a, c in scores.items()}), FIVE, 11)
    assert found["difference=2:3/1:1"].value == pytest.approx(fewer["difference=2:3/1:1"].value)
    assert found["difference=2:3/1:1"].n == 11
    assert "1 prompts are not there at every ratio" in found["difference=2:3/1:1"].note


def test_distances_over_other_prompts_are_not_compared():
    whole = by_influences(table(9, prompts=12))
    at = "aspect=16:9"
    fewer = {id: x for id, x in whole.influences[at].items() if id != identity("16:9", 3)}
    lacking = replace(whole, influences={**whole.influences, at: fewer})
    found = findings(card(lacking, aspects=FIVE, prompts=12), lacking)
    assert found == "the ratios do not rest on the same prompts, which such a number needs to be compared"


def test_one_ratio_or_none_is_said():
    alone = metric({"1:1": [1.0, 2.0]})
    assert findings(card(alone, aspects=("1:1", "3:2"), prompts=2), alone) == "fewer than two ratios have it"
    none = replace(alone, values={})
    assert "no ratio has it" in str(findings(card(none, aspects=("1:1", "3:2"), prompts=2), none))


def test_equal_pictures_have_no_interval_and_one_prompt_has_none_either():
    same = rows_of(metric({"1:1": [1.0, 2.0, 3.0], "3:2": [1.0, 2.0, 3.0]}), ("1:1", "3:2"), 3)
    assert (same["drop=3:2/1:1"].value, same["drop=3:2/1:1"].low) == (0.0, None)
    assert "no pair of images differs" in same["drop=3:2/1:1"].note
    one = rows_of(metric({"1:1": [1.0], "3:2": [0.5]}), ("1:1", "3:2"), 1)
    assert (one["drop=3:2/1:1"].value, one["drop=3:2/1:1"].low) == (0.5, None)


def test_a_count_that_never_changes_is_no_certainty_and_two_changes_are_no_finding():
    still = rows_of(metric({"1:1": [0.0] * 40, "3:2": [0.0] * 40}, better=False, name=WRONG), ("1:1", "3:2"), 40)
    row = still["drop=3:2/1:1"]
    t = quantile(0.975, 39)
    assert (row.low, row.high) == pytest.approx((-t * 100 / 40, t * 100 / 40))
    few = {"1:1": [0.0] * 40, "3:2": [100.0] * 4 + [0.0] * 36}  # an exact test of 4 against 0 has p = 0.125
    row = rows_of(metric(few, better=False, name=WRONG), ("1:1", "3:2"), 40)["drop=3:2/1:1"]
    assert row.value == pytest.approx(10.0)
    assert row.low < 0 < row.high  # type: ignore[operator]


@pytest.mark.parametrize("make", [metric, by_influences])
def test_two_models_are_held_against_each_other_at_each_ratio(make: Callable[[Table], MetricScores]):
    one, other = table(10), table(11)
    first, second = (card(make(scores), aspects=FIVE, prompts=24) for scores in (one, other))
    name = next(iter(first.metrics))
    found = against_first(first, second, name)
    assert not isinstance(found, str)
    assert [row.slice for row in found] == [f"against-first={aspect}" for aspect in FIVE]
    for row, aspect in zip(found, FIVE, strict=True):
        assert row.value == pytest.approx(np.mean(other[aspect]) - np.mean(one[aspect]))
        assert row.low < row.value < row.high  # type: ignore[operator]
        assert row.note == "minus m"
    assert all(row.value == 0 for row in against_first(first, first, name))  # type: ignore[union-attr]


def test_other_prompts_and_protocols_are_not_held_against_each_other():
    first = card(metric(table(12)), aspects=FIVE, prompts=24)
    other = replace(first, images=tuple(replace(image, text="another") for image in first.images))
    assert "no image of the same prompt" in str(against_first(first, other, "hps@made"))
    moved = replace(first, metrics={"hps@made": replace(first.metrics["hps@made"], protocol="ffff0000 v1; other")})
    assert "protocols differ" in str(against_first(first, moved, "hps@made"))
    assert "was not scored by it" in str(against_first(replace(first, metrics={}), first, "hps@made"))


def test_couples_are_found_however_ratios_are_written():
    assert mirrored(["1:1", "6:4", "2:3", "16:9"]) == [("6:4", "2:3")]
    assert mirrored(FIVE) == [("3:2", "2:3"), ("16:9", "9:16")]
