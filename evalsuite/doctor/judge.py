"""From scores before and after to findings and verdicts: every test once, Holm over all of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from evalsuite.doctor.effects import effect, flips_reach, p_value
from evalsuite.doctor.findings import Finding, Ladder, MetricReport
from evalsuite.doctor.floor import Floor
from evalsuite.doctor.interventions import Intervention, Level
from evalsuite.doctor.multiple import over_ladders
from evalsuite.doctor.roles import role_of
from evalsuite.doctor.units import Unit, unit_of
from evalsuite.doctor.verdict import Change, judge, sight, step
from evalsuite.metrics.base import Measure
from evalsuite.paired import Contrast, holm
from evalsuite.scorecard import MetricScores

NO_VALUE = "it has no value on these images"


class Looked(NamedTuple):
    """Scores of one level.

    Attributes:
        intervention: what was done.
        level: how much of it.
        scores: by the full name of each number; empty where it could not be done.
        sources: image id to the prompt family of what it shows, where that is not its own.
        note: why it could not be done.
    """

    intervention: Intervention
    level: Level
    scores: Mapping[str, MetricScores]
    sources: Mapping[str, Hashable] | None = None
    note: str = ""


class Known(NamedTuple):
    """What is known of the images as they are.

    Attributes:
        clusters: image id to its prompt family.
        floors: of distances by name, or why there is none.
        references: images that a distance is measured from, by its name; None where nobody said it.
    """

    clusters: Mapping[str, Hashable]
    floors: Mapping[str, Floor | str]
    references: Mapping[str, int | None]


class Tested(NamedTuple):
    """A level with its difference from the images as they are, and from the level before it."""

    looked: Looked
    whole: Contrast | str
    step: Contrast | str


class Judged(NamedTuple):
    """All that was found.

    Attributes:
        metrics: a report for each number that has a value.
        left_out: why another has none, by its name.
        tests: differences that were tested.
        by_t: whether means were tested by Student's t, because sign flips of so few families cannot reach the level.
    """

    metrics: tuple[MetricReport, ...]
    left_out: Mapping[str, str]
    tests: int
    by_t: bool


def reports(
    measures: Sequence[Measure], before: Mapping[str, MetricScores], looked: Sequence[Looked], known: Known
) -> Judged:
    """Test and judge every level of every intervention."""
    left_out: dict[str, str] = {}
    tested: dict[str, list[Tested]] = {}
    for measure in measures:
        name = measure.card.name
        row = before[name].row()
        if row is None or row.value is None:
            left_out[name] = (row.note if row else "") or NO_VALUE
        else:
            tested[name] = _tested(measure, before[name], looked, known)
    levels, steps = _levels(tested), _steps(tested)
    made = [
        _report(measure, before[name], tested[name], known, levels, steps)
        for measure in measures
        if (name := measure.card.name) in tested
    ]
    ladders = sum(any(_testable(one.whole) for one in ladder) for ladder in _ladders(tested))
    contrasts = [one.whole for found in tested.values() for one in found if isinstance(one.whole, Contrast)]
    few = any(found.sums is not None and not flips_reach(found, ladders) for found in contrasts)
    return Judged(tuple(made), left_out, len(levels), few)


PValues = dict[int, tuple[float | None, float | None]]
"""By the identity of a contrast: its own p, and Holm's."""


def _tested(measure: Measure, before: MetricScores, looked: Sequence[Looked], known: Known) -> list[Tested]:
    name, role = measure.card.name, role_of(measure)
    references = known.references.get(name)
    found: list[Tested] = []
    for one in looked:
        if not one.intervention.concerns(role):
            continue
        if name not in one.scores:
            found.append(Tested(one, one.note or NO_VALUE, one.note or NO_VALUE))
            continue
        weaker = found[-1].looked if found and found[-1].looked.intervention is one.intervention else None
        after, sources = one.scores[name], one.sources
        whole = effect(before, after, known.clusters, sources, references)
        stepped = whole
        if weaker is not None and name in weaker.scores:
            stepped = effect(weaker.scores[name], after, weaker.sources or known.clusters, sources, references)
        found.append(Tested(one, whole, stepped))
    return found


def _levels(tested: Mapping[str, Sequence[Tested]]) -> PValues:
    """Of every difference from the images as they are; corrected over all ladders of all metrics."""
    testable = [[_testable(one.whole) for one in ladder] for ladder in _ladders(tested)]
    count = sum(any(ladder) for ladder in testable)
    own = [[p_value(found, count) if found else None for found in ladder] for ladder in testable]
    return {
        id(found): (p, adjusted)
        for ladder, ps, corrected in zip(testable, own, over_ladders(own), strict=True)
        for found, p, adjusted in zip(ladder, ps, corrected, strict=True)
        if found
    }


def _ladders(tested: Mapping[str, Sequence[Tested]]) -> list[list[Tested]]:
    return [ladder for found in tested.values() for ladder in _by_ladder(found).values()]


def _steps(tested: Mapping[str, Sequence[Tested]]) -> PValues:
    """Of every step of every ladder; Holm over all of them."""
    every = [one for found in tested.values() for one in found if len(one.looked.intervention.levels) > 1]
    testable = [found for one in every if (found := _testable(one.step))]
    own = [p_value(found, len(testable)) for found in testable]
    return {id(found): (p, adjusted) for found, p, adjusted in zip(testable, own, holm(own), strict=True)}


def _testable(found: Contrast | str) -> Contrast | None:
    return found if isinstance(found, Contrast) and found.error is not None else None


def _by_ladder(tested: Sequence[Tested]) -> dict[str, list[Tested]]:
    groups: dict[str, list[Tested]] = {}
    for one in tested:
        groups.setdefault(one.looked.intervention.key, []).append(one)
    return groups


def _report(
    measure: Measure, before: MetricScores, tested: Sequence[Tested], known: Known, levels: PValues, steps: PValues
) -> MetricReport:
    card, role = measure.card, role_of(measure)
    at_floor = known.floors.get(card.name)
    floor = at_floor if isinstance(at_floor, Floor) else None
    unit = unit_of(before, floor, role)
    row = before.row()
    assert row is not None
    return MetricReport(
        name=card.name,
        title=card.title,
        unit=card.unit,
        higher_is_better=card.higher_is_better,
        role=role,
        protocol=before.protocol,
        row=row,
        spread=unit.size,
        unit_of_effect=unit.words,
        floor=floor,
        floor_note=at_floor if isinstance(at_floor, str) else "",
        ladders={key: _ladder(measure, group, unit, levels, steps) for key, group in _by_ladder(tested).items()},
    )


def _ladder(measure: Measure, tested: Sequence[Tested], unit: Unit, levels: PValues, steps: PValues) -> Ladder:
    intervention, higher = tested[0].looked.intervention, measure.card.higher_is_better
    expected = -1.0 if higher else 1.0
    findings = [_finding(measure, one, unit, expected, levels) for one in tested]
    moves = []
    for one in tested if len(intervention.levels) > 1 else ():
        p = steps.get(id(one.step), (None, None))[1]
        value = unit.of(expected * one.step.value) if isinstance(one.step, Contrast) else None
        moves.append(step(Change(value, p), unit.scale))
    must = intervention.must(role_of(measure)) if higher is not None else ""
    trifling = [place for place, f in enumerate(findings) if abs(f.effect or 0.0) < unit.scale.trifle]
    directed = intervention.harmful and higher is not None
    verdict = judge([found.sight for found in findings], moves, must, directed, trifling)
    return Ladder(intervention.key, intervention.title, must, tuple(findings), verdict)


def _finding(measure: Measure, one: Tested, unit: Unit, expected: float, levels: PValues) -> Finding:
    level, scores = one.looked.level, one.looked.scores.get(measure.card.name)
    row = scores.row() if scores else None
    found = one.whole
    if isinstance(found, str):
        return Finding(level.label, level.strength, row, note=found)
    p, adjusted = levels.get(id(found), (None, None))
    ends = found.interval()
    turned = sorted(unit.of(expected * end) for end in (ends.low, ends.high)) if ends else (None, None)
    effect = unit.of(expected * found.value)
    return Finding(
        label=level.label,
        strength=level.strength,
        row=row,
        difference=found.value,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        p=p,
        p_holm=adjusted,
        effect=effect if unit.size else None,
        visible=unit.of(found.visible) if unit.size and found.visible is not None else None,
        sight=sight(Change(effect, adjusted, *turned), unit.scale),
        n=found.n,
        clusters=found.clusters,
        method=ends.method if ends else "none: one prompt family",
    )
