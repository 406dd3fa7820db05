"""A metric of a scorecard as columns by aspect ratio: what single images say of it, by prompt and index."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from evalsuite.aspects.along import Along, Key, of_influences, of_values
from evalsuite.aspects.images import by_aspect, clusters_of
from evalsuite.scorecard import MetricScores, Scorecard


@dataclass(frozen=True, slots=True)
class Columns:
    """One metric at the ratios that have it.

    Attributes:
        values: ratio to key to the image's own value; empty for numbers that single images do not have.
        weights: likewise; empty where all count the same.
        numbers: ratio to the metric's number, for those that have influences.
        influences: ratio to key to what the image moves that number by.
    """

    values: Mapping[str, Mapping[Key, float]]
    weights: Mapping[str, Mapping[Key, float]]
    numbers: Mapping[str, float]
    influences: Mapping[str, Mapping[Key, float]]

    @property
    def names(self) -> list[str]:
        """The ratios, from tall to wide."""
        return list(self.values or self.influences)

    def only(self, keys: Collection[Key]) -> Columns:
        """The same, but values of these keys alone; what influences a number stays whole."""
        values, weights = (
            {name: {key: x for key, x in column.items() if key in keys} for name, column in columns.items()}
            for columns in (self.values, self.weights)
        )
        return Columns(values, weights, self.numbers, self.influences)

    def renamed(self, prefix: str, names: Collection[str]) -> Columns:
        """Some of the columns, with something before their names."""
        values, weights, influences = (
            {f"{prefix}{name}": column for name, column in columns.items() if name in names}
            for columns in (self.values, self.weights, self.influences)
        )
        numbers = {f"{prefix}{name}": number for name, number in self.numbers.items() if name in names}
        return Columns(values, weights, numbers, influences)

    def with_others(self, other: Columns) -> Columns:
        """Both side by side; names differ."""
        return Columns(
            {**self.values, **other.values},
            {**self.weights, **other.weights},
            {**self.numbers, **other.numbers},
            {**self.influences, **other.influences},
        )

    def along(self, clusters: Mapping[Key, str]) -> Along | str:
        """Estimates over the keys that all columns have, or why there are none."""
        if self.values:
            return of_values(self.values, clusters, self.weights or None)
        if self.influences:
            return of_influences(self.numbers, self.influences, clusters)
        return "no ratio has it, or single images say nothing of it"


def columns(card: Scorecard, metric: MetricScores) -> Columns:
    """A metric's columns, from tall to wide."""
    values: dict[str, dict[Key, float]] = {}
    weights: dict[str, dict[Key, float]] = {}
    numbers: dict[str, float] = {}
    influences: dict[str, dict[Key, float]] = {}
    for aspect, own in by_aspect(card).items():
        ids = {key: image.id for key, image in own.items() if image.id in metric.values}
        row, moved = metric.row(f"aspect={aspect}"), metric.influences.get(f"aspect={aspect}")
        if ids:
            values[aspect] = {key: metric.values[id] for key, id in ids.items()}
            if metric.weights:
                weights[aspect] = {key: metric.weights.get(id, 1.0) for key, id in ids.items()}
        elif not metric.values and row is not None and row.value is not None and moved:
            numbers[aspect] = row.value
            influences[aspect] = {key: moved[image.id] for key, image in own.items() if image.id in moved}
    return Columns(values, weights, numbers, influences)


def along(card: Scorecard, metric: MetricScores) -> Along | str:
    """A metric at every ratio that has it, over the prompts that all of them have; or why it cannot be tested."""
    found = columns(card, metric).along(clusters_of(card))
    if isinstance(found, Along) and len(found.columns) < 2:
        return "fewer than two ratios have it"
    return found
