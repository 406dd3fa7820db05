"""What an examination of metrics found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from evalsuite.doctor.floor import Floor
from evalsuite.doctor.interventions import Must
from evalsuite.doctor.roles import ABOUT, Role
from evalsuite.doctor.verdict import Sight, Verdict
from evalsuite.rows import Row


@dataclass(frozen=True, slots=True)
class Finding:
    """A metric at one level of an intervention.

    Attributes:
        label: of the level; empty where there is only one.
        strength: of the level, as a number.
        row: the metric's number on the changed images.
        difference: it minus the number on the images as they are, over the images that both have.
        low: lower end of the difference's 95 % interval.
        high: upper end.
        p: two-sided, of this test alone.
        p_holm: after Holm over all tests of the table.
        effect: the difference in units of `MetricReport.unit_of_effect`; above 0 is the expected direction.
        visible: smallest true difference, in those units, that is seen with a chance of 80 % (before Holm).
        sight: what was seen.
        n: images compared.
        clusters: prompt families among them.
        method: how the interval was made.
        note: why nothing was tested.
    """

    label: str
    strength: float
    row: Row | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    effect: float | None = None
    visible: float | None = None
    sight: Sight = "untested"
    n: int = 0
    clusters: int = 0
    method: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ladder:
    """A metric on one intervention, weak levels first."""

    key: str
    title: str
    must: Must
    findings: tuple[Finding, ...]
    verdict: Verdict

    @property
    def first(self) -> Finding | None:
        """The weakest level from which on the change is seen."""
        return None if self.verdict.first is None else self.findings[self.verdict.first]


@dataclass(frozen=True, slots=True)
class MetricReport:
    """One metric on all interventions that concern it.

    Attributes:
        name: in full.
        title: for headings.
        unit: of its values.
        higher_is_better: None where neither direction is better.
        role: what it claims to measure.
        protocol: of its numbers.
        row: its number on the images as they are.
        spread: what effects are divided by; None where there is nothing to divide by.
        unit_of_effect: what that is, in words.
        floor: of a distance; None for other metrics, or where there is none.
        floor_note: why there is none.
        ladders: by the key of the intervention.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool | None
    role: Role
    protocol: str
    row: Row
    spread: float | None
    unit_of_effect: str
    floor: Floor | None
    floor_note: str
    ladders: Mapping[str, Ladder]

    @property
    def failures(self) -> tuple[Ladder, ...]:
        """Ladders on which it does not do what it must."""
        return tuple(ladder for ladder in self.ladders.values() if ladder.verdict.failed)


@dataclass(frozen=True, slots=True)
class Examination:
    """All metrics on one set of images.

    Attributes:
        title: the images, in words.
        prompts: name of their prompt set.
        images: how many.
        texts: different prompts among them.
        families: prompt families: what intervals and tests count.
        tests: that Holm counted.
        metrics: in the order asked for.
        left_out: name of a number to why it was not examined.
        notes: what a reader must know.
        command: that makes it again.
        real: whether the images are real ones: then a distance of them is one more draw of the floor.
    """

    title: str
    prompts: str
    images: int
    texts: int
    families: int
    tests: int
    metrics: tuple[MetricReport, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    command: str = ""
    real: bool = False

    @property
    def failed(self) -> bool:
        """Whether a metric does not do what it must."""
        return any(metric.failures for metric in self.metrics)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self)
        for metric, line in zip(self.metrics, data["metrics"], strict=True):
            line["about"] = ABOUT[metric.role]
            line["floor"] = metric.floor._asdict() if metric.floor else None
            for ladder, found in zip(metric.ladders.values(), line["ladders"].values(), strict=True):
                found["verdict"] = ladder.verdict._asdict()
        return data | {"format": 1, "failed": self.failed}
