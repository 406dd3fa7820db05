"""One metric of two models on one slice: what differs, how surely, and what could have been seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from evalsuite.contrasts import contrast, is_mean_of_pairs, pairs_with_values
from evalsuite.paired import Contrast, Wins, count_wins, holm
from evalsuite.pairing import Matched, belongs
from evalsuite.power import to_settle
from evalsuite.stats import LEVEL

ANOTHER_AVERAGE = "its own value is another average than the mean over images that is compared"
SEEN = 1 - LEVEL
Verdict = Literal["better", "worse", "differs", "none", "untested"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric's difference between two models on one slice, over the images that pair.

    Attributes:
        first: label of one model.
        second: label of the other.
        metric: in full.
        title: of the metric.
        unit: of values and differences.
        higher_is_better: None where neither direction is better.
        slice: ``all``, ``aspect=16:9`` or ``tag=colour``.
        a: the first's value.
        b: the second's.
        value: ``a - b``.
        error: clustered standard error of it; None with one prompt family.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided, of this test alone.
        p_holm: after Holm over ``family`` tests.
        family: tests that Holm counted.
        n: image pairs.
        prompts: different prompts among them.
        clusters: prompt families among them.
        wins: pairs that the first wins, ties and loses; None where single images have no value or no direction.
        effect: difference over the standard deviation of what prompt families say of it.
        visible: true difference that a run like this sees with a chance of 80 % (two-sided, level 0.05, before Holm).
        to_settle: prompts with which a difference as large as this one would be seen with that chance.
        method: how the interval was made.
        note: caveats, or why nothing was tested.
    """

    first: str
    second: str
    metric: str
    title: str
    unit: str
    higher_is_better: bool | None
    slice: str
    a: float | None = None
    b: float | None = None
    value: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    family: int = 0
    n: int = 0
    prompts: int = 0
    clusters: int = 0
    wins: Wins | None = None
    effect: float | None = None
    visible: float | None = None
    to_settle: int | None = None
    method: str = ""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Of the first against the second. Seen is what Holm's p and the interval both say."""
        if self.p_holm is None or self.low is None or self.high is None or self.value is None:
            return "untested"
        if self.p_holm > SEEN or self.low <= 0 <= self.high:
            return "none"
        if self.higher_is_better is None:
            return "differs"
        return "better" if (self.value > 0) == self.higher_is_better else "worse"

    def to_json(self) -> dict[str, Any]:
        """Plain data, the verdict with it."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return found | {"wins": self.wins._asdict() if self.wins else None, "verdict": self.verdict}


def difference(
    matched: Matched, name: str, part: str, labels: tuple[str, str], found: Contrast | str | None = None
) -> Difference:
    """A metric on a slice; p_holm is left to who knows the family.

    Args:
        matched: two scorecards that both have the metric, in the same protocol.
        name: of the metric.
        part: the slice.
        labels: of the two models.
        found: what `contrast` says, where that is known.
    """
    metric = matched.a.metrics[name]
    about: dict[str, Any] = {
        "first": labels[0],
        "second": labels[1],
        "metric": name,
        "title": metric.title,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "slice": part,
    }
    found = contrast(matched, name, part) if found is None else found
    if isinstance(found, str):
        return Difference(**about, **_untested(matched, name, part), note=found)
    return Difference(**about, **_tested(matched, name, part, found))


def with_holm(found: Sequence[Difference], by_kind: bool) -> list[Difference]:
    """Differences with their adjusted p: over a kind of slices, or over the pairs of models of one metric and slice."""
    families: dict[tuple[str, ...], list[int]] = {}
    for place, d in enumerate(found):
        key = (d.slice.partition("=")[0],) if by_kind else (d.metric, d.slice)
        families.setdefault(key, []).append(place)
    adjusted = list(found)
    for places in families.values():
        p_values = [found[place].p for place in places]
        tests = sum(p is not None for p in p_values)
        for place, p in zip(places, holm(p_values), strict=True):
            adjusted[place] = replace(found[place], p_holm=p, family=tests)
    return adjusted


def _tested(matched: Matched, name: str, part: str, found: Contrast) -> dict[str, Any]:
    """What follows from a contrast, and from the pairs behind it."""
    interval, error, better = found.interval(), found.error, matched.a.metrics[name].higher_is_better
    scored = pairs_with_values(matched, name, part)
    images = [one.pair.a for one in scored] or [pair.a for pair in matched.pairs if belongs(pair.a, part)]
    prompts = len({image.prompt_id for image in images})
    wins = None
    if better is not None and scored:
        wins = count_wins([one.a for one in scored], [one.b for one in scored], better)
    return {
        "a": found.a,
        "b": found.b,
        "value": found.value,
        "error": error,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "p": found.p(),
        "n": found.n,
        "prompts": prompts,
        "clusters": found.clusters,
        "wins": wins,
        "effect": found.effect,
        "visible": found.visible,
        "to_settle": to_settle(found.value, error, found.clusters, prompts) if error and not found.same else None,
        "method": interval.method if interval else "none: one prompt family",
        "note": "" if is_mean_of_pairs(matched, name, part, found) else ANOTHER_AVERAGE,
    }


def _untested(matched: Matched, name: str, part: str) -> dict[str, Any]:
    """The rows' own values, where both have one and they may be compared."""
    a, b = (card.metrics[name] for card in (matched.a, matched.b))
    row, row_too = a.row(part), b.row(part)
    if a.protocol != b.protocol or row is None or row_too is None or row.value is None or row_too.value is None:
        return {}
    return {"a": row.value, "b": row_too.value, "value": row.value - row_too.value, "n": min(row.n, row_too.n)}
