from __future__ import annotations

import math
from dataclasses import replace

import made_cards
import pytest
from made_cards import card, with_metric, without

from evalsuite.gate import Gate, Judgement, gate
from evalsuite.gate_rules import Amount, Rule
from evalsuite.scorecard import Scorecard

HPS = Rule("hps@scenes")


def find(found: Gate, metric: str = "hps@scenes", part: str = "all") -> Judgement:
    (one,) = [j for j in found.judgements if (j.metric, j.slice) == (metric, part)]
    return one


def test_a_worse_run_fails_and_the_same_model_with_other_noise_passes():
    base = card("m", 40)
    worse = gate([card("m", 40, shift=-1, noise=2, seed=1)], [base])
    assert not worse.passed
    assert find(worse).verdict == "fail"
    assert find(worse).why.startswith("worse by 0.89")
    again = gate([card("m", 40, noise=2, seed=1)], [base])
    assert again.passed
    assert find(again).verdict == "pass"
    assert any("unpaired seeds in 80 of 80 pairs" in note for note in again.notes)
    better = gate([card("m", 40, shift=1, noise=2)], [base])
    assert better.passed
    assert find(better).why.startswith("better by 1.")
    assert find(better).p == 1


def test_the_same_run_passes_with_no_difference():
    found = gate([card("m")], [card("m")])
    assert found.passed
    assert (find(found).difference, find(found).p, find(found).why) == (0, 1, "no difference")


def test_the_default_rules_leave_out_what_cannot_be_judged_and_say_why():
    found = gate([card("m", noise=2)], [card("m")])
    fid = find(found, "fid@scenes")
    assert (fid.verdict, fid.why) == ("not gated", "n=40 < 2048: too few for a Frechet distance, unless min_n says so")
    assert not any(j.metric == "v_variance@trajectory" for j in found.judgements)  # neither direction is better
    assert found.judgements[-1].verdict == "not gated"
    new = replace(card("m"), metrics={"hps@scenes": card("m").metrics["hps@scenes"]})
    extra = gate([replace(new, metrics={**new.metrics, "other": new.metrics["hps@scenes"]})], [new])
    assert (find(extra, "other").verdict, extra.passed) == ("not gated", True)


def test_a_gate_that_judges_nothing_is_closed():
    only = replace(card("m"), metrics={"fid@scenes": card("m").metrics["fid@scenes"]})
    found = gate([only], [only])
    assert not found.passed
    assert found.judgements[0].why == "no metric could be gated"


def test_a_significant_rule_fails_on_any_drift_and_a_tolerance_only_beyond_it():
    base, run_ = card("m", 200), card("m", 200, shift=-0.5, noise=2)
    drift = find(gate([run_], [base], [Rule("hps", fail_if="significant")]))
    inside = find(gate([run_], [base], [Rule("hps", amount=Amount(1))]))
    beyond = find(gate([run_], [base], [Rule("hps", amount=Amount(0.1))]))
    assert (drift.verdict, inside.verdict, beyond.verdict) == ("fail", "pass", "fail")
    assert inside.why.startswith("worse by 0.44")
    assert inside.why.endswith(", 1.00 allowed")


def test_a_point_rule_fails_where_both_holds_the_noise_against_it():
    base, run_ = card("m", 20), card("m", 20, shift=-0.05, noise=3)
    edge = find(gate([run_], [base], [HPS])).difference
    assert edge is not None
    assert edge < 0
    by_point = Rule("hps", amount=Amount(-edge / 2), fail_if="point")
    found = gate([run_], [base], [by_point])
    assert (find(found).verdict, find(found).p) == ("fail", None)
    assert find(gate([run_], [base], [replace(by_point, fail_if="both")])).verdict == "pass"
    assert "1 rule judges the point estimate alone" in " ".join(found.notes)
    assert gate([run_], [base], [replace(by_point, amount=Amount(-edge * 1.01))]).passed


def test_per_cent_are_of_the_baseline():
    base, run_ = card("m", 40), card("m", 40, shift=-0.3, noise=1)
    value = find(gate([run_], [base], [HPS])).baseline
    assert value is not None
    for percent, verdict in ((30 / value * 0.99, "fail"), (30 / value * 1.01, "pass")):
        found = gate([run_], [base], [Rule("hps", amount=Amount(percent, percent=True), fail_if="point")])
        assert find(found).verdict == verdict


def test_where_lower_is_better_more_is_worse():
    base = card("m")
    rule = Rule("fid@scenes", fail_if="point", min_n=1)
    worse = with_metric(base, "fid@scenes", rows=tuple(replace(r, value=2.5) for r in base.metrics["fid@scenes"].rows))
    assert find(gate([worse], [base], [rule]), "fid@scenes").verdict == "fail"
    assert find(gate([base], [worse], [rule]), "fid@scenes").verdict == "pass"


def test_where_neither_is_better_any_change_counts():
    base, rule = card("m", 60), Rule("v_variance", amount=Amount(0.01))
    for shift in (-2, 2):
        found = find(gate([card("m", 60, shift=shift)], [base], [rule]), "v_variance@trajectory")
        assert found.verdict == "fail"
        assert found.why.startswith("changed by 0.2")
    assert gate([card("m", 60, noise=2)], [base], [rule]).passed


def test_bounds_need_no_baseline_and_judge_the_point_or_the_interval():
    base = card("m", 30)
    value = base.metrics["hps@scenes"].row().value  # type: ignore[union-attr]
    assert value is not None
    for kind, sign in (("min", 1), ("max", -1)):
        near = Rule("hps", kind=kind, amount=Amount(value + sign * 0.01), fail_if="point")  # type: ignore[arg-type]
        found = find(gate([base], None, [near]))
        assert (found.verdict, found.baseline, found.difference) == ("fail", None, None)
        assert find(gate([base], None, [replace(near, fail_if="both")])).verdict == "pass"
        far = replace(near, fail_if="both", amount=Amount(value + sign * 5))
        assert find(gate([base], None, [far])).verdict == "fail"
        assert find(gate([base], None, [replace(far, amount=Amount(value - sign * 5))])).verdict == "pass"
    with pytest.raises(ValueError, match="without a baseline"):
        gate([base], None, [HPS])


def test_slices_with_a_star_are_judged_one_by_one():
    base = card("m", 40)
    own = {image.id: image.aspect for image in base.images}
    hps = base.metrics["hps@scenes"]
    values = {id: value - 2 * (own[id] == "3:2") for id, value in hps.values.items()}
    worse = replace(base, metrics={"hps@scenes": made_cards.mean_metric("m", "hps@scenes", base.images, values)})
    found = gate([worse], [base], [replace(HPS, slice="aspect=*"), replace(HPS, slice="tag=animal")])
    assert find(found, part="aspect=1:1").verdict == "pass"
    assert find(found, part="aspect=3:2").verdict == "fail"
    assert find(found, part="tag=animal").verdict == "fail"


def closed(run_: Scorecard, base: Scorecard, rule: Rule = HPS) -> str:
    """Why a rule is closed."""
    found = gate([run_], [base], [rule])
    assert not found.passed
    (one,) = [j for j in found.judgements if j.metric and j.verdict != "pass"]
    assert one.verdict == "closed"
    return one.why


def test_what_cannot_be_judged_is_closed_with_the_reason():
    one, base = card("m", noise=2), card("m")
    hps = one.metrics["hps@scenes"]
    lacking = replace(one, metrics={"fid@scenes": one.metrics["fid@scenes"]})
    assert closed(lacking, base) == "the run was not scored by it"
    assert closed(one, replace(base, metrics=lacking.metrics)) == "the baseline was not scored by it"
    assert closed(one, base, Rule("kid")) == "neither run nor baseline has it"
    other = with_metric(one, "hps@scenes", protocol=made_cards.PROTOCOL.replace("64 px", "32 px"))
    assert closed(other, base).startswith("protocols differ: scenes 5e5e: letterbox 32 px against")
    nothing = tuple(replace(row, value=None, note="no prompts") for row in hps.rows)
    assert closed(with_metric(one, "hps@scenes", rows=nothing), base) == "the run has no value: no prompts"
    nan = tuple(replace(row, value=math.nan) for row in hps.rows)
    assert closed(with_metric(one, "hps@scenes", rows=nan), base) == "the run has no value: not a number"
    values = {**hps.values, next(iter(hps.values)): math.nan}
    assert closed(with_metric(one, "hps@scenes", values=values), base) == "a value is not a finite number"
    assert closed(one, base, replace(HPS, slice="aspect=9:16")) == "the baseline has no value and no such slice"
    assert closed(one, base, replace(HPS, slice="tag=*", metric="fid")).endswith("no such slice")
    assert closed(one, base, replace(HPS, min_n=100)) == "n=40 < 100"
    assert closed(one, base, Rule("fid")) == "n=40 < 2048: too few for a Frechet distance, unless min_n says so"
    assert gate([one], [base], [Rule("fid", min_n=40)]).passed


def test_prompts_that_the_baseline_has_and_the_run_lacks_close_the_gate():
    base = card("m")
    assert "2 of 40 images that the baseline or the plan has are missing: p019 0" in closed(card("m", 19), base)
    assert gate([card("m", 19)], [base], [replace(HPS, allow_missing=Amount(2))]).passed
    assert gate([card("m", 19)], [base], [replace(HPS, allow_missing=Amount(5, percent=True))]).passed
    assert not gate([card("m", 19)], [base], [replace(HPS, allow_missing=Amount(4.9, percent=True))]).passed
    more = gate([base], [card("m", 19)], [HPS])
    assert more.passed
    assert any("2 images are new" in note for note in more.notes)
    renamed = replace(base, images=tuple(replace(i, text="other") if i.prompt_id == "p000" else i for i in base.images))
    assert "2 of 40 images" in closed(renamed, base)


def test_values_that_the_run_lost_in_silence_close_the_gate():
    one, base = card("m", noise=2), card("m")
    hps = one.metrics["hps@scenes"]
    fewer = {id: value for id, value in hps.values.items() if "|p004|" not in id}
    assert "2 of 40 images" in closed(with_metric(one, "hps@scenes", values=fewer), base)


@pytest.mark.parametrize("status", ["missing", "corrupt", "nonfinite"])
def test_an_incomplete_run_is_closed_as_a_whole(status: str):
    one = without(card("m"), "p002", status)
    for rules_ in (None, [replace(HPS, slice="aspect=1:1")]):
        found = gate([one], [card("m")], rules_)
        whole = next(j for j in found.judgements if not j.metric)
        assert (whole.verdict, whole.why) == ("closed", f"38 of 40 images are scored: 2 {status}")
    lenient = gate([one], [card("m")], [replace(HPS, allow_missing=Amount(2))])
    assert lenient.passed


def test_rules_that_could_never_fail_are_closed():
    few = card("m", 4)
    assert closed(few, few) == "4 prompt families can never be significant among 1 tests; 6 are needed"
    assert gate([few], [few], [replace(HPS, fail_if="point")]).passed
    seven = card("m", 7)
    assert gate([seven], [seven], [HPS]).passed
    many = gate([seven], [seven], [HPS, *[replace(HPS, slice=f"aspect={a}") for a in ("1:1", "3:2")]])
    assert many.passed  # 2 / 2^7 < 0.05 / 3
    more = gate([seven], [seven], [HPS] * 4)
    assert {j.verdict for j in more.judgements if j.metric} == {"closed", "pass"}


def test_models_are_matched_by_name_or_as_the_only_one():
    base = [card("x"), card("y", noise=2)]
    assert gate(base, base).passed
    assert gate([card("noisy")], [card("x")]).passed
    assert gate([card("x")], base).passed
    stranger = gate([card("z")], base)
    assert not stranger.passed
    assert stranger.judgements[0].why == "the baseline has no such model; it has x, y"


def test_more_rules_ask_for_more():
    """Holm: a drift that one rule proves is within chance among forty."""
    base, run_ = card("m", 40), card("m", 40, shift=-0.55, noise=2)
    assert find(gate([run_], [base], [HPS])).verdict == "fail"
    copies = {f"n{i}": replace(base.metrics["hps@scenes"], name=f"n{i}") for i in range(40)}
    wide = [replace(one, metrics={**one.metrics, **copies}) for one in (run_, base)]
    found = gate([wide[0]], [wide[1]], [HPS, *(Rule(name) for name in copies)])
    assert find(found).verdict == "pass"
    assert "within chance" in find(found).why
