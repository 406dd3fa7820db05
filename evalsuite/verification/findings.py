"""What a check looked at, and what it found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what the run folder says.

    Attributes:
        check: which check found it.
        id: the record, image or number that it is about.
        what: one line, with both values where there are two.
    """

    check: str
    id: str
    what: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a run folder.

    Attributes:
        name: such as ``images``.
        looked_at: how many things were compared.
        total: how many there are.
        rule: what counts as equal.
        findings: what differs.
        note: what a reader must know besides; why nothing was looked at.
        largest: the largest difference seen, in words; empty where nothing was measured.
    """

    name: str
    looked_at: int
    total: int
    rule: str
    findings: Sequence[Finding] = field(default=())
    note: str = ""
    largest: str = ""

    @property
    def verdict(self) -> str:
        """``equal``, ``3 differ`` (things, however much of each), or ``not checked``."""
        if self.findings:
            return f"{len({finding.id for finding in self.findings})} differ"
        return "equal" if self.looked_at else "not checked"


def findings_of(checks: Iterable[Check]) -> tuple[Finding, ...]:
    """Those of all checks, in their order."""
    return tuple(finding for check in checks for finding in check.findings)
