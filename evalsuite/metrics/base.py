"""What a metric is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from evalsuite.metrics.cards import MetricCard
from evalsuite.reference import Reference
from evalsuite.samples import Sample
from evalsuite.stats import Interval, cluster_error, clustered_mean, interval

Array: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Mask: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


USES = ("encoder", "images", "preference", "reference", "rows", "trace")
"""What a measure can be computed from: features of images and texts, of images alone, what a preference head makes of
them, moments of reference images, their features too, sampling paths."""


class Estimate(NamedTuple):
    """A number over the images of one slice, with its interval; value is None where it is not defined.

    A number that is no mean has influences: sample id to what that image moves it by; they add to 0.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    note: str = ""
    influences: Mapping[str, float] | None = None


class Features(NamedTuple):
    """Rows (n, d) float32, one of the image and one of the text per sample, of unit length where texts are encoded.

    Texts that no metric asked for have rows (n, 0).
    """

    image: Array
    text: Array

    def subset(self, index: Sequence[int]) -> Features:
        """The rows at these positions."""
        return Features(self.image[list(index)], self.text[list(index)])


@dataclass(frozen=True)
class Inputs:
    """The scored images of one model and slice; every array is in the order of the samples.

    Attributes:
        samples: sorted by id.
        features: of each image and of its own prompt.
        preference: the same after the preference head.
        base: features of the sample that each edit is paired with; without meaning where there is none.
        paired: (n,) whether there is one.
        truncated: (n,) whether the prompt is longer than the text encoder reads.
        reference: moments of real images, or None when there are none.
    """

    samples: tuple[Sample, ...]
    features: Features
    preference: Features
    base: Features
    paired: Mask
    truncated: Mask
    reference: Reference | None = None

    def subset(self, index: Sequence[int]) -> Inputs:
        """The samples at these positions, each still with its base."""
        rows = list(index)
        return Inputs(
            tuple(self.samples[i] for i in rows),
            self.features.subset(rows),
            self.preference.subset(rows),
            self.base.subset(rows),
            self.paired[rows],
            self.truncated[rows],
            self.reference,
        )


class Measure(NamedTuple):
    """One number that a metric module reports.

    Attributes:
        card: its id and meaning.
        estimate: its value over a slice, or None where the slice gets no row.
        per_image: sample id to value, or None for numbers that single images do not have.
        uses: what it is computed from, of USES; part of its protocol.
        by_tag: whether it is reported by tag as well as by aspect ratio.
        version: raised when the same inputs give another number; part of its protocol.
        weights: sample id to what its value counts in the estimate, a weighted mean; None where all count the same.
    """

    card: MetricCard
    estimate: Callable[[Inputs], Estimate | None]
    per_image: Callable[[Inputs], Mapping[str, float] | None]
    uses: frozenset[str]
    by_tag: bool = True
    version: int = 1
    weights: Callable[[Inputs], Mapping[str, float]] | None = None


def cluster_of(sample: Sample) -> str:
    """What a sample's score may depend on: its prompt, and for an edit its base's, whose noise it shares."""
    return sample.base or sample.prompt_id


def no_image_values(inputs: Inputs) -> None:
    """The per_image of numbers that single images do not have."""


def mean_estimate(values: Mapping[str, float], inputs: Inputs, note: str = "") -> Estimate:
    """Mean of per-image values (sample id to value) with its clustered interval.

    Args:
        values: may lack samples; then ``n`` counts those it has.
        inputs: the slice.
        note: caveats; why there is no value when ``values`` is empty.
    """
    scored = [sample for sample in inputs.samples if sample.id in values]
    if not scored:
        return Estimate(None, None, None, 0, "none", note)
    found = clustered_mean([values[s.id] for s in scored], [cluster_of(s) for s in scored])
    return from_interval(found, len(scored), note)


def from_interval(found: Interval, n: int, note: str = "") -> Estimate:
    """An interval over n images as an estimate."""
    return Estimate(found.value, found.low, found.high, n, found.method, note)


def by_influence(
    inputs: Inputs, value: float, influences: np.ndarray[tuple[int, ...], np.dtype[np.float64]], note: str = ""
) -> Estimate:
    """An estimate that is no mean, with its interval clustered by prompt.

    Args:
        inputs: the slice, n images.
        value: of the number.
        influences: (n,) its derivative as weight moves to each image; they add to 0.
        note: caveats.
    """
    n = len(inputs.samples)
    names, members = np.unique(np.array([cluster_of(sample) for sample in inputs.samples]), return_inverse=True)
    sums = np.bincount(members, weights=influences)
    found = interval(value, cluster_error(sums.tolist(), n), len(names))
    own = {sample.id: moved for sample, moved in zip(inputs.samples, (influences / n).tolist(), strict=True)}
    return from_interval(found, n, note)._replace(method=f"influence, {found.method}", influences=own)


def truncation_note(inputs: Inputs) -> str:
    """How many of the slice's prompts the text encoder cut; empty when none."""
    cut = len({s.prompt_id for s, long in zip(inputs.samples, inputs.truncated, strict=True) if long})
    return f"{cut} prompts cut to the text encoder's length" if cut else ""


def notes(*parts: str) -> str:
    """The parts that say something, as one line."""
    return "; ".join(part for part in parts if part)
