"""What a gate says in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalsuite.gate_cases import Case
from evalsuite.gate_decide import ALPHA, Check, Decision
from evalsuite.paired import Contrast
from evalsuite.pairing import Matched
from evalsuite.verdicts import number, p_words
from reports.digits import Number, decimals

LISTED = 3


def why(case: Case, decision: Decision) -> str:
    """Why a rule passes or fails."""
    check, found, digits = case.check, case.check.contrast, digits_of(case.check.contrast)
    if case.rule.kind != "tolerance":
        return _absolute(check, decision, digits)
    if found.same:
        return "no difference"
    if check.sign * found.value <= 0:
        return f"better by {number(abs(found.value), digits)}"
    by = f"{'worse' if case.directed else 'changed'} by {number(abs(found.value), digits)}"
    allowed = f", {number(abs(check.edge), digits)} allowed" if check.edge else ""
    if check.by_point:
        return f"{by}{allowed}"
    if decision.fails:
        return f"{by}{allowed}; {_p(decision)}"
    if not check.beyond:
        return f"{by}{allowed}"
    seen = f"; {number(found.visible, digits)} would be seen" if found.visible else ""
    return f"{by}{allowed}, within chance ({_p(decision)}{seen})"


def method(checks: Sequence[Check]) -> Iterator[str]:
    """How the checks of a gate were decided, and how often it fails by chance."""
    tests = sum(not check.by_point for check in checks)
    if tests:
        yield (
            f"{_rules(tests)} by significance: failing where the two-sided p of being worse is at most {ALPHA:g} "
            "after Holm and the 95 % interval is beyond the bound. Where nothing differs, at most 5 % of runs fail."
        )
    if points := len(checks) - tests:
        yield f"{_rules(points)} the point estimate alone: how often that fails by chance is not bounded."


def pairing(model: str, matched: Matched) -> Iterator[str]:
    """What a reader must know of the images that pair."""
    if different := matched.seeds.different:
        yield (
            f"{model}: unpaired seeds in {different} of {len(matched.pairs)} pairs; the tests hold, and see less than "
            "with equal seeds."
        )
    extra = [image for image in matched.unpaired if image.why == "only in the run"]
    if extra:
        shown = ", ".join(f"{image.prompt_id} {image.index}" for image in extra[:LISTED])
        yield f"{model}: {len(extra)} images are new and not compared: {shown}{', ...' * (len(extra) > LISTED)}."


def digits_of(found: Contrast) -> int:
    """Decimals that its interval supports."""
    interval = found.interval()
    if interval is None or interval.low == interval.high:
        return decimals([Number(value, None, None, found.n) for value in (found.a, found.b)])
    return decimals([Number(found.value, interval.low, interval.high, found.n)])


def _rules(count: int) -> str:
    return "1 rule judges" if count == 1 else f"{count} rules judge"


def _absolute(check: Check, decision: Decision, digits: int) -> str:
    side = "above" if check.sign > 0 else "below"
    value, edge = number(check.contrast.value, digits), f"{check.edge:g}"
    if not check.beyond:
        return f"{value} is not {side} {edge}"
    if check.by_point:
        return f"{value} is {side} {edge}"
    chance = "" if decision.fails else ", within chance"
    return f"{value} is {side} {edge}{chance} ({_p(decision)})"


def _p(decision: Decision) -> str:
    text = p_words(decision.p)
    return f"p {text.replace('<', '< ') if '<' in text else f'= {text}'} after Holm"
