"""One thing that was looked at on this machine, and what to do about it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from evalsuite.compare_text import csv_cell
from evalsuite.sections import Section

Status = Literal["ok", "info", "warn", "fail"]


class Check(NamedTuple):
    """A line of the table.

    Attributes:
        name: what was looked at.
        status: ``info`` for what may be absent, ``warn`` for what works badly, ``fail`` for what does not work.
        found: in a few words.
        remedy: what to do; empty where nothing is to be done.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def failed(checks: Sequence[Check]) -> bool:
    """Whether any of them fails."""
    return any(check.status == "fail" for check in checks)


def section(checks: Sequence[Check]) -> Section:
    """All of them as one table, with their sum."""
    counts = {status: sum(check.status == status for check in checks) for status in ("fail", "warn")}
    told = [f"{count} {'fails' if status == 'fail' else 'warns'}" for status, count in counts.items() if count]
    note = f"{' and '.join(told)} of {len(checks)} checks" if told else f"{len(checks)} checks, nothing to do"
    lines = [(check.name, check.status, check.found, check.remedy) for check in checks]
    return Section("", ("check", "", "found", "what to do"), lines, [note])


def to_json(checks: Sequence[Check]) -> dict[str, Any]:
    """Plain data."""
    return {"checks": [check._asdict() for check in checks], "failed": failed(checks)}


def to_csv(checks: Sequence[Check]) -> str:
    """A line for each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Check._fields)
    writer.writerows([csv_cell(cell) for cell in check] for check in checks)
    return out.getvalue()
