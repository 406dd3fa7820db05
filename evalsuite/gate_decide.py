"""What fails a gate, from numbers alone: no names, no files.

All tests by significance share one Holm family at level 0.05, so that where nothing differs, a whole gate fails by
chance in at most 5 % of runs, however many rules it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.gate_rules import Statistic
from evalsuite.paired import Contrast, holm
from evalsuite.resample import EXACT, least_p
from evalsuite.stats import LEVEL

ALPHA = 1 - LEVEL


@dataclass(frozen=True, slots=True)
class Check:
    """One number against an edge.

    Attributes:
        contrast: run minus baseline, or the run alone.
        edge: where it becomes bad.
        sign: 1 where it is bad above the edge, -1 below.
        fail_if: the statistic that decides.
    """

    contrast: Contrast
    edge: float
    sign: int
    fail_if: Statistic

    @property
    def by_point(self) -> bool:
        """Whether the estimate alone decides."""
        return self.fail_if == "point"

    @property
    def beyond(self) -> bool:
        """Whether the estimate is on the bad side."""
        return self.sign * (self.contrast.value - self.edge) > 0

    @property
    def p(self) -> float | None:
        """Two-sided p of being on the bad side: 1 where the estimate is not; None where the point alone decides."""
        if self.by_point:
            return None
        return self.contrast.p(self.edge) if self.beyond else 1.0

    @property
    def interval_beyond(self) -> bool:
        """Whether the whole 95 % interval is."""
        interval = self.contrast.interval()
        if interval is None:
            return False
        return self.sign * ((interval.low if self.sign > 0 else interval.high) - self.edge) > 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a check fails, and its p after Holm (None where the point alone decides)."""

    fails: bool
    p: float | None


def decide(checks: Sequence[Check]) -> list[Decision]:
    """Which checks of one gate fail.

    One by significance fails where its p is at most 0.05 after Holm over all of those, and its 95 % interval lies
    beyond the edge. One by the point fails where the estimate lies beyond it.
    """
    p_values = holm([check.p for check in checks])
    return [
        Decision(check.beyond if check.by_point else _proven(check, p), p)
        for check, p in zip(checks, p_values, strict=True)
    ]


def sleeps(check: Check, tests: int) -> bool:
    """Whether a check by significance has too few clusters ever to fail, in a family of so many tests."""
    return not check.by_point and check.contrast.least_p > ALPHA / tests


def needed(tests: int) -> int | None:
    """Clusters of the smallest sample in which a mean can be significant; None where no number is enough."""
    return next((clusters for clusters in range(2, EXACT + 2) if least_p(clusters) <= ALPHA / tests), None)


def _proven(check: Check, p: float | None) -> bool:
    return p is not None and p <= ALPHA and check.beyond and check.interval_beyond
