from __future__ import annotations

import json
import math
import time
from dataclasses import replace

import made_cards
import numpy as np
import pytest
from made_cards import card, with_metric, without

from evalsuite.compare import Comparison, compare
from evalsuite.difference import Difference
from evalsuite.errors import InputError
from evalsuite.metrics.frechet import distance_with_influences
from evalsuite.moments import moments
from evalsuite.scorecard import MetricScores, Scorecard


def find(found: Comparison, metric: str, part: str = "all") -> Difference:
    (one,) = [d for d in found.differences if (d.metric, d.slice) == (metric, part)]
    return one


def test_a_shift_is_seen_and_its_size_is_right():
    found = compare([card("a", 40, shift=0.5), card("b", 40, noise=2)])
    hps = find(found, "hps@scenes")
    assert hps.value == pytest.approx(hps.a - hps.b)  # type: ignore[operator]
    assert hps.low < 0.5 < hps.high  # type: ignore[operator]
    assert hps.verdict == "better"
    assert hps.wins is not None
    assert hps.wins.wins + hps.wins.ties + hps.wins.losses == hps.n == 80
    assert hps.wins.wins > hps.wins.losses
    assert (hps.prompts, hps.clusters) == (40, 40)
    assert hps.p < hps.p_holm <= 3 * hps.p + 1e-12  # type: ignore[operator]
    assert found.headline.startswith("a is better on hps@scenes (by 0.")
    assert find(found, "v_variance@trajectory").verdict in ("none", "differs")


def test_values_are_those_of_the_rows():
    one, other = card("a", per_prompt=2), card("b", per_prompt=2, noise=2)
    found = compare([one, other])
    assert {d.slice for d in found.differences} == {"all", "aspect=1:1", "aspect=3:2", "tag=animal", "tag=thing"}
    for d in found.differences:
        rows = [c.metrics[d.metric].row(d.slice) for c in (one, other)]
        assert (d.a, d.b) == pytest.approx(tuple(row.value for row in rows))  # type: ignore[union-attr]
        assert d.n == rows[0].n  # type: ignore[union-attr]
        assert d.note == ""


def test_exchanging_the_models_changes_every_sign_and_verdict():
    here, there = (compare(cards) for cards in ([card("a"), card("b", noise=2)], [card("b", noise=2), card("a")]))
    turned = {"better": "worse", "worse": "better"}
    for one, other in zip(here.differences, there.differences, strict=True):
        assert one.value == pytest.approx(-other.value)  # type: ignore[operator]
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))  # type: ignore[operator]
        assert one.p_holm == pytest.approx(other.p_holm)
        assert turned.get(one.verdict, one.verdict) == other.verdict


def test_the_same_run_differs_by_exactly_nothing():
    found = compare([card("a"), card("b")])
    for d in found.differences:
        assert (d.value, d.p, d.p_holm, d.verdict, d.to_settle) == (0, 1, 1, "none", None)
        assert d.effect is None
        assert d.wins is None or (d.wins.wins, d.wins.losses) == (0, 0)
    assert found.headline.startswith("The same scores on every image on hps@scenes")


def test_holm_counts_all_metrics_of_a_kind_of_slice():
    found = compare([card("a"), card("b", noise=2)])
    assert {(d.slice.partition("=")[0], d.family) for d in found.differences} == {("all", 3), ("aspect", 6), ("tag", 4)}
    assert "the 3 tests on all images, the 6 by aspect ratio, the 4 by tag" in " ".join(found.notes)


def test_slices_and_metrics_can_be_chosen():
    found = compare([card("a"), card("b", noise=2)], by=("tag",), metrics=("hps", "fid@scenes"))
    assert {d.metric for d in found.differences} == {"hps@scenes", "fid@scenes"}
    assert {d.slice for d in found.differences} == {"all", "tag=animal", "tag=thing"}
    with pytest.raises(InputError, match="no run was scored by 'kid'; known: hps@scenes"):
        compare([card("a"), card("b")], metrics=("kid",))


def test_numbers_of_different_protocols_are_refused_with_the_words_that_differ():
    protocol = "9999 v1; scenes 7a7a: centre crop; preference head 6f6f"
    other = with_metric(card("b", noise=2), "hps@scenes", protocol=protocol)
    found = compare([card("a"), other])
    (refused,) = found.refused
    assert (refused.metric, refused.slice) == ("hps@scenes", "all")
    assert refused.why == "protocols differ: scenes 5e5e: letterbox 64 px against scenes 7a7a: centre crop"
    assert {d.metric for d in found.differences} == {"fid@scenes", "v_variance@trajectory"}
    assert "not compared: hps@scenes" in found.headline
    version = with_metric(card("b"), "hps@scenes", protocol=made_cards.PROTOCOL.replace("v1", "v2"))
    assert "in what has no words" in compare([card("a"), version]).refused[0].why


def test_a_metric_that_one_lacks_is_listed():
    other = card("b", noise=2)
    other = replace(other, metrics={name: m for name, m in other.metrics.items() if name != "hps@scenes"})
    (refused,) = compare([card("a"), other]).refused
    assert refused.why == "b was not scored by it"


def test_images_without_a_partner_are_listed_and_left_out():
    one = without(card("a"), "p003", "nonfinite")
    found = compare([one, card("b", prompts=19, noise=2)])
    assert {(image.prompt_id, image.why) for image in found.unpaired} == {
        ("p003", "nonfinite in a"),
        ("p019", "only in a"),
    }
    assert find(found, "hps@scenes").n == 36
    assert "4 images have no partner" in " ".join(found.notes)


def test_prompts_of_one_id_and_other_texts_are_other_prompts():
    other = card("b", noise=2)
    changed = tuple(replace(i, text="something else") if i.prompt_id == "p001" else i for i in other.images)
    found = compare([card("a"), replace(other, images=changed)])
    assert {image.why for image in found.unpaired} == {"another prompt of the same id"}
    assert find(found, "hps@scenes").n == 38


def test_seeds_that_differ_are_said_and_do_not_forbid_the_comparison():
    found = compare([card("a"), card("b", noise=2, seed=1)])
    assert found.seeds == (0, 40, 0)
    assert "Unpaired seeds: in 40 of 40 pairs" in " ".join(found.notes)
    unknown = replace(card("b"), images=tuple(replace(i, seed=None) for i in card("b").images))
    assert compare([card("a"), unknown]).seeds == (0, 0, 40)
    assert compare([card("a"), card("b")]).seeds == (40, 0, 0)


def test_distances_of_other_images_are_not_compared():
    found = compare([card("a"), card("b", prompts=19, noise=2)])
    refused = [r for r in found.refused if r.metric == "fid@scenes" and r.slice == "all"]
    assert refused == []
    fid = find(found, "fid@scenes")
    assert (fid.verdict, fid.p) == ("untested", None)
    assert "40 and 38 images, of which 38 pair" in fid.note
    assert "not tested: fid@scenes" in found.headline


def test_nothing_in_common_is_told_in_one_line():
    other = card("b")
    strangers = replace(other, images=tuple(replace(i, prompt_id=f"q{i.prompt_id}") for i in other.images))
    with pytest.raises(InputError, match=r"a, b: nothing to compare: no image .* \(only in a; only in b\)"):
        compare([card("a"), replace(strangers, metrics={"hps@scenes": other.metrics["hps@scenes"]})])
    with pytest.raises(InputError, match="one model cannot be compared"):
        compare([card("a")])


def test_settings_that_differ_are_listed():
    found = compare([card("a"), card("b", noise=2, steps=3)])
    assert found.settings == (("steps", 20, 3),)
    assert "Settings that differ: steps 20 / 3." in found.notes


def test_a_metric_that_is_another_average_says_so():
    one = card("a")
    rows = tuple(replace(row, value=(row.value or 0) + 1) for row in one.metrics["hps@scenes"].rows)
    found = compare([with_metric(one, "hps@scenes", rows=rows), card("b", noise=2)])
    assert "another average" in find(found, "hps@scenes").note
    assert find(found, "hps@scenes", "aspect=1:1").note


def frechet_card(model: str, features: np.ndarray, reference: np.ndarray) -> Scorecard:
    """One aspect ratio, one image a prompt."""
    base = card(model, len(features))
    own = tuple(image for image in base.images if image.aspect == "1:1")
    value, influences = distance_with_influences(features, moments(reference))
    row = replace(base.metrics["fid@scenes"].rows[0], model=model, value=value, n=len(own))
    named = {image.id: float(x) / len(own) for image, x in zip(own, influences, strict=True)}
    metric = MetricScores("fid@scenes", "FID", "d", False, made_cards.PROTOCOL, (row,), influences={"all": named})
    return replace(base, images=own, metrics={"fid@scenes": metric})


def test_the_same_features_have_the_same_frechet_distance():
    generator = np.random.default_rng(0)
    features, reference = generator.standard_normal((2, 200, 4))
    found = find(compare([frechet_card(m, features, reference) for m in "ab"]), "fid@scenes")
    assert (found.value, found.error, found.p) == (0, 0, 1)


def test_the_paired_error_of_a_frechet_distance_is_its_spread_and_the_interval_covers():
    """150 pairs of models whose images share most of their noise; the truth from 200,000 images."""
    generator = np.random.default_rng(1)
    reference, n, width = generator.standard_normal((4000, 3)), 300, 3

    def both(count: int) -> tuple[np.ndarray, np.ndarray]:
        shared = generator.standard_normal((count, width))
        return tuple(shared * (1 + k / 4) + 0.3 * generator.standard_normal((count, width)) + 0.2 for k in (0, 1))  # type: ignore[return-value]

    large = [distance_with_influences(x, moments(reference))[0] for x in both(200_000)]
    found = []
    for _ in range(150):
        cards = [frechet_card(m, x, reference) for m, x in zip("ab", both(n), strict=True)]
        found.append(find(compare(cards, by=()), "fid@scenes"))
    errors, values = [d.error or 0 for d in found], [d.value or 0 for d in found]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)
    bias = np.mean(values) - (large[0] - large[1])
    assert abs(bias) < 0.5 * np.mean(errors)
    covered = np.mean([d.low <= large[0] - large[1] <= d.high for d in found])  # type: ignore[operator]
    assert 0.90 <= covered <= 1


def test_three_models_are_ranked_with_letters():
    models = [card("low", 40), card("mid", 40, shift=0.1, noise=2), card("high", 40, shift=3, noise=3)]
    found = compare(models)
    ranking = next(r for r in found.rankings if (r.metric, r.slice) == ("hps@scenes", "all"))
    assert ranking.places[0].label == "high"
    assert {place.label: place.letters for place in ranking.places} == {"high": "a", "mid": "b", "low": "b"}
    assert ranking.tests == 3
    for d in found.differences:
        assert d.family == 3
    assert "hps@scenes: best is high" in found.headline
    assert "v_variance@trajectory: highest is high" in found.headline


def test_a_ranking_rests_on_the_images_that_all_have():
    models = [without(card("a"), "p000"), without(card("b", noise=2), "p001"), card("c", noise=3)]
    found = compare(models, metrics=("hps",))
    assert {d.n for d in found.differences if d.slice == "all"} == {36}
    values = {(d.first, d.second): d.value for d in found.differences if d.slice == "all"}
    assert values["a", "c"] == pytest.approx(values["a", "b"] + values["b", "c"])  # type: ignore[operator]


def test_plain_data_of_all_of_it_is_json():
    found = compare([card("a"), card("b", noise=2)])
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["headline"] == found.headline
    assert len(data["images"]) == 40
    pair = data["images"][0]
    assert set(pair["differences"]) == {"hps@scenes", "v_variance@trajectory"}
    mean = math.fsum(p["differences"]["hps@scenes"] for p in data["images"]) / 40
    assert mean == pytest.approx(find(found, "hps@scenes").value)
    assert {line["verdict"] for line in data["differences"]} <= {"better", "worse", "differs", "none", "untested"}
    assert all(line["sentence"] for line in data["differences"])
    json.dumps(compare([card("a"), card("b"), card("c", noise=2)]).to_json(), allow_nan=False)


def test_a_comparison_of_500_images_takes_about_a_second():
    cards = [card("a", 125, 2), card("b", 125, 2, noise=2)]
    before = time.process_time()
    compare(cards)
    assert time.process_time() - before < 3
