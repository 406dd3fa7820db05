"""Scores in long form: a new metric adds rows, never columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Row:
    """One number with its interval, and all that is needed to know what it may be compared with.

    Attributes:
        model: name of the scored model.
        metric: versioned metric id, such as ``hps@scenes``.
        slice: ``all``, ``aspect=16:9`` or ``tag=colour``.
        value: the estimate, or None where it is not defined (the note says why).
        low: lower end of the interval, or None.
        high: upper end of the interval, or None.
        n: images or pairs the estimate rests on.
        unit: unit of value, low and high.
        higher_is_better: None where neither direction is better.
        protocol: short hash and words; rows of different protocols are not comparable.
        method: how the interval was made.
        note: caveats, in words.
    """

    model: str
    metric: str
    slice: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    higher_is_better: bool | None
    protocol: str
    method: str
    note: str = ""


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Row))


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a table: one line per row, the columns of Row in their order, even when there are none."""
    import pandas as pd

    # Text as Python has it: pyarrow's, which pandas takes where it is installed, refuses names that are not UTF-8.
    frame = pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS), dtype=object)
    return frame.astype({"value": float, "low": float, "high": float, "n": int})
