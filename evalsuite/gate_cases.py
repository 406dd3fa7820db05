"""From rules to checks: every metric and slice that a rule is about, or why it cannot be judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evalsuite.contrasts import alone, contrast
from evalsuite.gate_decide import Check
from evalsuite.gate_rules import Rule
from evalsuite.paired import Contrast
from evalsuite.pairing import Key, Matched, belongs, clash, is_scored
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard

FRECHET = ("fid", "fd", "fid_infinity", "fd_infinity")
PUBLISHED_N = 2048
"""Images under which a Frechet distance is no basis for a verdict: see evalsuite.metrics.fid."""
LISTED = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule whose verdict needs no test."""

    model: str
    metric: str
    slice: str
    rule: str
    verdict: Literal["pass", "closed", "not gated"]
    why: str


@dataclass(frozen=True, slots=True)
class Case:
    """A rule on one metric and slice, ready to be decided."""

    model: str
    metric: str
    slice: str
    rule: Rule
    check: Check
    directed: bool
    """Whether a direction of the metric is better."""

    def closed(self, why: str) -> Judged:
        """It cannot be judged: of a rule that the user wrote that is a failure."""
        return _not_judged(self.model, self.metric, self.slice, self.rule, why)


def completeness(card: Scorecard, rules: Sequence[Rule]) -> Judged:
    """Whether every image that should be there was scored, but for as many as the most lenient rule allows."""
    lost = Counter(image.status for image in card.images if not is_scored(image))
    allowed = max((rule.allow_missing.of(card.planned) for rule in rules), default=0.0)
    whole = f"{card.scored} of {card.planned} images are scored"
    why = f"{whole}: {', '.join(f'{count} {status}' for status, count in sorted(lost.items()))}" if lost else whole
    passed = card.planned > 0 and lost.total() <= allowed
    return Judged(card.model, "", "all", "complete", "pass" if passed else "closed", why)


def cases(card: Scorecard, matched: Matched | None, rules: Sequence[Rule] | None) -> list[Judged | Case]:
    """Every rule on every metric and slice that it is about.

    Args:
        card: of the run.
        matched: the run with its baseline; None without one.
        rules: None means the default set.
    """
    there = [card, *([matched.b] if matched else [])]
    known = {name: metric for one in reversed(there) for name, metric in one.metrics.items()}
    if rules is None:
        rules = [Rule(name, fail_if="significant", named=False) for name in known if _is_gated(there, name)]
    found: list[Judged | Case] = []
    for rule in rules:
        names = [name for name in known if rule.metric in (name, name.partition("@")[0])]
        if not names:
            found.append(_not_judged(card.model, rule.metric, rule.slice, rule, "neither run nor baseline has it"))
        for name in names:
            found += [_case(card, matched, rule, name, part) for part in _slices(there, name, rule.slice)]
    return found


def _is_gated(cards: Sequence[Scorecard], name: str) -> bool:
    """Whether the default set asks for a metric: it has a direction, and a value somewhere."""
    found = [card.metrics[name] for card in cards if name in card.metrics]
    return any(metric.higher_is_better is not None and metric.row() is not None for metric in found)


def _slices(cards: Sequence[Scorecard], name: str, wanted: str) -> list[str]:
    """Slices of either card that a rule's slice stands for; the slice itself where there are none."""
    if not wanted.endswith("=*"):
        return [wanted]
    rows = [row for card in cards if name in card.metrics for row in card.metrics[name].rows]
    return list(dict.fromkeys(row.slice for row in rows if row.slice.startswith(wanted[:-1]))) or [wanted]


def _case(card: Scorecard, matched: Matched | None, rule: Rule, name: str, part: str) -> Judged | Case:
    for why, optional in _reasons(card, matched, rule, name, part):
        return _not_judged(card.model, name, part, rule if optional else replace(rule, named=True), why)
    found = _contrast(card, matched, rule, name, part)
    if isinstance(found, str):
        return _not_judged(card.model, name, part, rule, found)
    least = rule.min_n if rule.min_n is not None else PUBLISHED_N if name.partition("@")[0] in FRECHET else 0
    if found.n < least:
        frechet = ": too few for a Frechet distance, unless min_n says so" if rule.min_n is None else ""
        return _not_judged(card.model, name, part, rule, f"n={found.n} < {least}{frechet}")
    better = card.metrics[name].higher_is_better
    return Case(card.model, name, part, rule, _check(found, rule, better), better is not None)


def _reasons(card: Scorecard, matched: Matched | None, rule: Rule, name: str, part: str) -> Iterator[tuple[str, bool]]:
    """Why a rule cannot be judged, the first first, and whether the default set may leave it out for that."""
    mine, theirs = card.metrics.get(name), matched.b.metrics.get(name) if matched else None
    if rule.kind == "tolerance":
        if theirs is None:
            yield "the baseline was not scored by it", True
            return
        if why := _no_value(theirs, part, "the baseline"):
            yield why, True
    if mine is None:
        yield "the run was not scored by it", False
        return
    if rule.kind == "tolerance" and theirs is not None and (why := clash(mine.protocol, theirs.protocol)):
        yield why, False
    if why := _no_value(mine, part, "the run"):
        yield why, False
    planned, lost = _lost(card, matched, name, part)
    if len(lost) > rule.allow_missing.of(planned):
        shown = ", ".join(f"{key[0]} {key[1]}" for key in lost[:LISTED]) + (", ..." if len(lost) > LISTED else "")
        against = " that the baseline or the plan has" if matched else ""
        yield f"{len(lost)} of {planned} images{against} are missing: {shown}", False


def _no_value(metric: MetricScores, part: str, who: str) -> str:
    row: Row | None = metric.row(part)
    if row is None:
        return f"{who} has no value" + ("" if part == "all" else " and no such slice")
    if row.value is None or not math.isfinite(row.value):
        return f"{who} has no value: {row.note or 'not a number'}"
    return ""


def _lost(card: Scorecard, matched: Matched | None, name: str, part: str) -> tuple[int, list[Key]]:
    """How many images of a slice there should be, and those that the run lacks: of its own plan, and of the baseline.

    Images that the baseline has a value for and the run has none are lost too: coverage never shrinks in silence.
    """
    own = [image for image in card.images if belongs(image, part)]
    planned, lost = {image.pair for image in own}, {image.pair for image in own if not is_scored(image)}
    if matched is not None:
        there = {image.pair for image in matched.b.images if belongs(image, part) and is_scored(image)}
        planned |= there
        lost |= there - {pair.key for pair in matched.pairs}
        values = matched.b.metrics[name].values if name in matched.b.metrics else {}
        mine = card.metrics[name].values
        pairs = [pair for pair in matched.pairs if belongs(pair.b, part)]
        lost |= {pair.key for pair in pairs if pair.b.id in values and pair.a.id not in mine}
    return len(planned), sorted(lost, key=str)


def _contrast(card: Scorecard, matched: Matched | None, rule: Rule, name: str, part: str) -> Contrast | str:
    """What is tested; the rows' own values where the point alone decides and nothing can be tested."""
    against = rule.kind == "tolerance"
    found = contrast(matched, name, part) if against and matched else alone(card, name, part)
    if not isinstance(found, str) or rule.fail_if != "point":
        return found
    row, other = card.metrics[name].row(part), matched.b.metrics[name].row(part) if against and matched else None
    if row is None or row.value is None or (against and (other is None or other.value is None or other.n != row.n)):
        return found
    base = other.value if other is not None and other.value is not None else 0.0
    return Contrast(row.value, base, row.value - base, np.empty(0), row.n)


def _check(found: Contrast, rule: Rule, higher_is_better: bool | None) -> Check:
    if rule.kind == "min":
        return Check(found, rule.amount.value, -1, rule.fail_if)
    if rule.kind == "max":
        return Check(found, rule.amount.value, 1, rule.fail_if)
    sign = {True: -1, False: 1, None: 1 if found.value > 0 else -1}[higher_is_better]
    return Check(found, sign * rule.amount.of(found.b), sign, rule.fail_if)


def _not_judged(model: str, metric: str, part: str, rule: Rule, why: str) -> Judged:
    """Closed; left out where the user did not ask for it by name."""
    return Judged(model, metric, part, str(rule), "closed" if rule.named else "not gated", why)
