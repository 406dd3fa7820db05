"""The mean of a distance over several random choices of the same kind, as scores that can be compared like any."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from evalsuite.scorecard import MetricScores


class Draw(NamedTuple):
    """Scores of one choice, and the prompt family of what each image, by id, shows in it."""

    scores: Mapping[str, MetricScores]
    sources: Mapping[str, Hashable]


def mean_of(draws: Sequence[Draw]) -> Draw:
    """Mean values, with influences that add up over the draws: what one image moves, it moves in all of them.

    Numbers without influences are those of the first draw. The mean has no interval of its own; its difference from
    another number has.

    Args:
        draws: at least one, of the same images.
    """
    scores = {name: _mean(name, draws) for name in draws[0].scores}
    sources = {f"{number}|{key}": group for number, draw in enumerate(draws) for key, group in draw.sources.items()}
    return Draw(scores, sources)


def _mean(name: str, draws: Sequence[Draw]) -> MetricScores:
    first, rows = draws[0].scores[name], [draw.scores[name].row() for draw in draws]
    values = [row.value for row in rows if row is not None and row.value is not None]
    row = first.row()
    if row is None or len(values) < len(draws) or not first.influences:
        return first
    influences = {
        f"{number}|{key}": moved / len(draws)
        for number, draw in enumerate(draws)
        for key, moved in draw.scores[name].influences["all"].items()
    }
    method = f"mean over {len(draws)} draws"
    mean = replace(row, value=math.fsum(values) / len(draws), low=None, high=None, method=method)
    return replace(first, rows=(mean,), influences={"all": influences})
