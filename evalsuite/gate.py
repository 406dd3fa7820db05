"""A gate: rules on a run, judged so that it neither cries wolf nor sleeps.

What cannot be judged (no value, other protocol, missing images, too few of them) is closed: it fails, and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from evalsuite import gate_words
from evalsuite.gate_cases import Case, Judged, cases, completeness
from evalsuite.gate_decide import Decision, decide, needed, sleeps
from evalsuite.gate_rules import Rule
from evalsuite.pairing import match
from evalsuite.scorecard import Scorecard

Verdict = Literal["pass", "fail", "closed", "not gated"]
ORDER: tuple[Verdict, ...] = ("fail", "closed", "pass", "not gated")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One rule on one slice of one model.

    Attributes:
        model: of the run.
        metric: in full; empty where the run as a whole is judged.
        slice: of the images.
        rule: in words, with the statistic that decides.
        verdict: ``closed`` fails too: it could not be judged. ``not gated`` is what the default rules leave out.
        why: in words.
        value: of the run, over the images that pair.
        baseline: of the baseline, over the same images.
        difference: the run's minus the baseline's.
        low: lower end of the 95 % interval of the difference, or of the value where there is no baseline.
        high: upper end.
        p: after Holm; None where the point alone decides.
        visible: the smallest true difference that would be seen with a chance of 80 %, before Holm.
        n: image pairs, or images.
    """

    model: str
    metric: str
    slice: str
    rule: str
    verdict: Verdict
    why: str
    value: float | None = None
    baseline: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    visible: float | None = None
    n: int = 0

    @property
    def failed(self) -> bool:
        """Whether it stops the gate."""
        return self.verdict in ("fail", "closed")


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate says.

    Attributes:
        judgements: of every rule, those that fail first.
        notes: how they were made.
    """

    judgements: tuple[Judgement, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no rule fails."""
        return not any(judgement.failed for judgement in self.judgements)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        lines = [{field.name: getattr(j, field.name) for field in fields(j)} for j in self.judgements]
        return {"passed": self.passed, "judgements": lines, "notes": list(self.notes)}


def gate(run: Sequence[Scorecard], baseline: Sequence[Scorecard] | None, rules: Sequence[Rule] | None = None) -> Gate:
    """Judge a run.

    Args:
        run: its models; each is judged.
        baseline: of the same models (of any one, where both have one each); None allows absolute rules only.
        rules: None means that no metric with a direction may be significantly worse than the baseline.

    Raises:
        ValueError: no baseline, and a rule needs one or there are no rules.
    """
    if baseline is None and (rules is None or any(rule.kind == "tolerance" for rule in rules)):
        raise ValueError("without a baseline there must be rules, and of them none with a tolerance")
    judged: list[Judged | Case] = []
    said: list[str] = []
    for card in run:
        judged.append(completeness(card, rules or ()))
        other = _partner(card, run, baseline)
        if baseline is not None and other is None:
            why = f"the baseline has no such model; it has {', '.join(known.model for known in baseline)}"
            judged.append(Judged(card.model, "", "all", "baseline", "closed", why))
            continue
        matched = None if other is None else match(card, other, ("the run", "the baseline"))
        judged += cases(card, matched, rules)
        said += gate_words.pairing(card.model, matched) if matched else []
    judged = _awake(judged)
    found = _judgements(judged)
    if not any(j.metric and j.verdict != "not gated" for j in found):
        found.append(Judgement(run[0].model, "", "all", "something to judge", "closed", "no metric could be gated"))
    found.sort(key=lambda j: ORDER.index(j.verdict))
    return Gate(tuple(found), (*gate_words.method([case.check for case in judged if isinstance(case, Case)]), *said))


def _partner(card: Scorecard, run: Sequence[Scorecard], baseline: Sequence[Scorecard] | None) -> Scorecard | None:
    known = baseline or ()
    if len(known) == len(run) == 1:
        return known[0]
    return next((other for other in known if other.model == card.model), None)


def _awake(judged: Iterable[Judged | Case]) -> list[Judged | Case]:
    """The same, but those that could never fail, with too few prompt families for as many tests, are not judged."""
    found = list(judged)
    while True:
        tests = sum(isinstance(case, Case) and not case.check.by_point for case in found)
        place = next((i for i, case in enumerate(found) if isinstance(case, Case) and sleeps(case.check, tests)), None)
        if place is None:
            return found
        case = found[place]
        assert isinstance(case, Case)
        more = f"; {needed(tests)} are needed" if needed(tests) else ""
        few = f"{case.check.contrast.clusters} prompt families can never be significant among {tests} tests{more}"
        found[place] = case.closed(few)


def _judgements(judged: Sequence[Judged | Case]) -> list[Judgement]:
    decisions = iter(decide([case.check for case in judged if isinstance(case, Case)]))
    return [
        _of_case(case, next(decisions))
        if isinstance(case, Case)
        else Judgement(case.model, case.metric, case.slice, case.rule, case.verdict, case.why)
        for case in judged
    ]


def _of_case(case: Case, decision: Decision) -> Judgement:
    found = case.check.contrast
    interval, against = found.interval(), case.rule.kind == "tolerance"
    return Judgement(
        model=case.model,
        metric=case.metric,
        slice=case.slice,
        rule=str(case.rule),
        verdict="fail" if decision.fails else "pass",
        why=gate_words.why(case, decision),
        value=found.a,
        baseline=found.b if against else None,
        difference=found.value if against else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        p=decision.p,
        visible=found.visible if against else None,
        n=found.n,
    )
