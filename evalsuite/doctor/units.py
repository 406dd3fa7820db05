"""The unit that effects are given in, so that those of different metrics can be read beside each other."""

from __future__ import annotations

import math
from typing import NamedTuple

from evalsuite.doctor.effects import spread
from evalsuite.doctor.floor import Floor
from evalsuite.doctor.roles import Role
from evalsuite.doctor.verdict import OF_IMAGES, OF_SETS, Scale
from evalsuite.scorecard import MetricScores

UNKNOWN = Scale(0.0, 0.0)
ROUNDING = 1e-9


class Unit(NamedTuple):
    """What effects are given in; without a size they stay as they are, and none is a trifle or small."""

    size: float | None
    words: str
    scale: Scale

    def of(self, difference: float) -> float:
        """A difference in this unit."""
        return difference / self.size if self.size else difference


def unit_of(before: MetricScores, floor: Floor | None, role: Role) -> Unit:
    """What effects are given in."""
    if role != "distance":
        size = spread(before)
        return Unit(size, "standard deviations of its scores of single images", OF_IMAGES if size else UNKNOWN)
    row = before.row()
    if floor and floor.deviation > ROUNDING * abs(floor.value):
        size = floor.deviation * math.sqrt(floor.n / row.n) if row else floor.deviation  # at the set's own number
        return Unit(size, "standard deviations of real sets of as many images", OF_SETS)
    ends = (row.high, row.low) if row else (None, None)
    quarter = (ends[0] - ends[1]) / 4 if ends[0] is not None and ends[1] is not None else None
    return Unit(quarter or None, "quarters of its own interval", OF_SETS if quarter else UNKNOWN)
