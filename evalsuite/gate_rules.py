"""Rules of a gate, from a YAML file: what is judged, against what, and by which statistic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from evalsuite import plain_yaml
from evalsuite.errors import InputError
from evalsuite.pairing import KINDS

Statistic = Literal["significant", "point", "both"]
Kind = Literal["min", "max", "tolerance"]
KEYS = ("metric", "slice", "min", "max", "tolerance", "fail_if", "min_n", "allow_missing")


class Amount(NamedTuple):
    """A number in a metric's unit, or per cent of something."""

    value: float
    percent: bool = False

    def of(self, whole: float) -> float:
        """In the unit of the whole."""
        return self.value / 100 * abs(whole) if self.percent else self.value

    def __str__(self) -> str:
        return f"{self.value:g}{'%' if self.percent else ''}"


NOTHING = Amount(0)


@dataclass(frozen=True, slots=True)
class Rule:
    """One bound on one metric.

    Attributes:
        metric: in full, or a family.
        kind: ``min`` and ``max`` bound the value, ``tolerance`` how much worse than the baseline it may be.
        amount: the bound; per cent of the baseline's value for a tolerance that says so.
        slice: ``all``, ``aspect=16:9``, or ``aspect=*`` for each of its kind.
        fail_if: ``point`` where the estimate alone decides; ``both`` where the estimate and its 95 % interval must be
            beyond the bound; ``significant`` where any proven drift from the baseline fails, however small.
        min_n: images under which nothing can be judged; None means 2048 for Frechet distances, else no limit.
        allow_missing: images that may be missing: a number, or per cent.
        named: False for the rules of the default set, which leaves out what cannot be judged.
    """

    metric: str
    kind: Kind = "tolerance"
    amount: Amount = NOTHING
    slice: str = "all"
    fail_if: Statistic = "both"
    min_n: int | None = None
    allow_missing: Amount = NOTHING
    named: bool = True

    def __str__(self) -> str:
        drift = self.fail_if == "significant" and self.kind == "tolerance"
        return f"{'not worse' if drift else f'{self.kind} {self.amount}'} ({self.fail_if})"


def read_rules(path: str | Path) -> tuple[Rule, ...]:
    """Rules of a file, one for each bound.

    Raises:
        InputError: the file cannot be read, has no rule, or a rule is wrong; says which.
    """
    path = Path(path)
    found = plain_yaml.load(plain_yaml.read_text(path, "a .yaml file of rules; it holds rules only"), path)
    if isinstance(found, dict) and list(found) == ["rules"]:
        found = found["rules"]
    if not isinstance(found, list) or not found:
        raise InputError(f"{path} has no rules: write a list such as - {{metric: hps, tolerance: 2%}}")
    return tuple(rule for place, given in enumerate(found, 1) for rule in _rules(given, f"{path}: rule {place}"))


def _rules(given: Any, where: str) -> list[Rule]:
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise InputError(f"{where} is no rule: write settings such as metric: hps and tolerance: 2%")
    for key in given:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            raise InputError(f"{where} has no {key!r}; {f'did you mean {near[0]}?' if near else f'use {KEYS}'}")
    if not given.get("metric"):
        raise InputError(f"{where} names no metric: write metric: NAME")
    limits: dict[Kind, Amount] = {}
    for kind in get_args(Kind):
        if kind in given:
            limits[kind] = _amount(given[kind], f"{where}: {kind}", percent=kind == "tolerance")
    if not limits:
        limits["tolerance"] = NOTHING
    shared: dict[str, Any] = {
        "metric": given["metric"],
        "slice": _slice(given.get("slice", "all"), where),
        "min_n": _whole(given["min_n"], where) if "min_n" in given else None,
        "allow_missing": _amount(given.get("allow_missing", "0"), f"{where}: allow_missing", percent=True),
    }
    return [
        Rule(kind=kind, amount=amount, fail_if=_statistic(given.get("fail_if"), kind, amount, where), **shared)
        for kind, amount in limits.items()
    ]


def _statistic(given: str | None, kind: Kind, amount: Amount, where: str) -> Statistic:
    """A bound is judged by the estimate and a drift by both, unless the rule says otherwise."""
    for known in get_args(Statistic):
        if given == known:
            if known == "significant" and kind == "tolerance" and amount.value:
                raise InputError(f"{where}: fail_if: significant fails on any drift: drop the tolerance, or use both")
            return known  # type: ignore[no-any-return]
    if given is not None:
        raise InputError(f"{where}: fail_if is {given!r}: use {', '.join(get_args(Statistic))}")
    return "both" if kind == "tolerance" else "point"


def _slice(text: str, where: str) -> str:
    kind, sign, value = text.partition("=")
    if text != "all" and not (kind in KINDS and sign and value):
        raise InputError(f"{where}: slice is {text!r}: use all, aspect=16:9, aspect=*, tag=NAME or tag=*")
    return text


def _amount(text: str, where: str, percent: bool) -> Amount:
    digits, relative = text.removesuffix("%").strip(), text.endswith("%")
    try:
        value = float(digits)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (relative and not percent):
        raise InputError(f"{where} is {text!r}: write a number{', or a share such as 2%' if percent else ''}")
    if percent and value < 0:
        raise InputError(f"{where} is {text!r}: write 0 or more")
    return Amount(value, relative)


def _whole(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"{where}: min_n is {text!r}: write a whole number")
    return int(text)
