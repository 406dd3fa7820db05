"""What a distance says of real images: the value that no model can be told from at this number of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evalsuite.metrics.base import Features, Inputs, Measure
from evalsuite.moments import Rows, moments
from evalsuite.reference import ANY, Reference
from evalsuite.samples import Sample

DRAWS = 40
LIMITS = (2.5, 97.5)
"""Percentiles of the draws."""


class Floor(NamedTuple):
    """A distance of real images from real images, over random draws.

    Attributes:
        value: mean of the draws.
        low: lower percentile.
        high: upper percentile.
        deviation: standard deviation of the draws.
        n: real images in each draw.
        own: mean distance of as many of the set's own images from the same, to compare with; None where the set is
            among the real images.
        references: real images, or those behind the moments, that each draw is compared with.
        draws: how many.
        itself: the distance of all real images from themselves: 0, or the bias of an estimate without bias elsewhere.
    """

    value: float
    low: float
    high: float
    deviation: float
    n: int
    own: float | None
    references: int
    draws: int
    itself: float | None


def floor(measure: Measure, reference: Reference, real: Mapping[str, Rows], own: Mapping[str, Rows]) -> Floor | str:
    """Draw real images as the set's own by aspect ratio, at most half of them, and measure both; or why not.

    A draw is compared with the other real images. Where the reference has moments of far more images than are kept, it
    is compared with those, as the set itself is.

    Args:
        measure: a distance.
        reference: what the set is compared with.
        real: features (n', d) of real images by aspect ratio, or of all of them under ANY.
        own: features of the set's images by aspect ratio.
    """
    parts, sets = _parts(real, own)
    if (total := sum(map(len, parts.values()))) < 4:
        return "the reference keeps no features of single images: make it with `evalsuite stats build --features N`"
    whole = _whole(reference, parts)
    given = "rows" not in measure.uses and whole > 2 * total
    counts = {aspect: min(len(sets[aspect]), len(rows) // 2) for aspect, rows in parts.items()}
    if (n := sum(counts.values())) < 2:
        return "too few real images to draw from"
    found = []
    for seed in range(DRAWS):
        drawn, rest = _draw(parts, counts, np.random.default_rng(seed))
        against = reference if given else referring(rest, reference)
        some, _ = _draw(sets, counts, np.random.default_rng(seed))
        one, other = _value(measure, drawn, against), _value(measure, some, against)
        if one is None or other is None:
            return "it is not defined at this number of images"
        found.append((one, other))
    return _of_draws(found, n, whole if given else total - n, _value(measure, parts, referring(parts, reference)))


def referring(real: Mapping[str, Rows], like: Reference) -> Reference:
    """A reference over features by aspect ratio; of all of them together too, for ratios that it lacks.

    Args:
        real: features (n', d) by aspect ratio.
        like: whose network it names.
    """
    parts = {aspect: rows for aspect, rows in real.items() if len(rows) > 1}
    parts[ANY] = np.concatenate(list(real.values()))
    found = {aspect: moments(rows) for aspect, rows in parts.items()}
    return Reference(found, like.extractor, like.fingerprint, like.preprocessing, like.sha256, parts, like.claimed)


def _parts(real: Mapping[str, Rows], own: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Real features and the set's, of the ratios that the set has; all together where real ones lack some of them."""
    if all(len(real.get(aspect, ())) > 1 for aspect in own):
        return {aspect: real[aspect] for aspect in sorted(own)}, {aspect: own[aspect] for aspect in sorted(own)}
    whole = [real[ANY]] if ANY in real else [rows for rows in real.values() if len(rows)]
    return ({ANY: np.concatenate(whole)} if whole else {}), {ANY: np.concatenate(list(own.values()))}


def _of_draws(found: Sequence[tuple[float, float]], n: int, references: int, itself: float | None) -> Floor:
    """From pairs of a real draw's distance and the set's own."""
    real, own = np.array(found).T
    low, high = map(float, np.percentile(real, LIMITS))
    mean, deviation = float(np.mean(real)), float(np.std(real, ddof=1))
    return Floor(mean, low, high, deviation, n, float(np.mean(own)), references, len(found), itself)


def _value(measure: Measure, parts: Mapping[str, Rows], reference: Reference) -> float | None:
    found = measure.estimate(_inputs(parts, reference))
    return None if found is None else found.value


def _whole(reference: Reference, parts: Mapping[str, Rows]) -> int:
    """Images behind the moments of these ratios; 0 where nobody said it."""
    if reference.missing(parts):
        return 0
    return reference.mixture({aspect: len(rows) for aspect, rows in parts.items()}).n


def _draw(
    parts: Mapping[str, Rows], counts: Mapping[str, int], random: np.random.Generator
) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """So many rows of each ratio, and the others; in their order."""
    drawn, rest = {}, {}
    for aspect, rows in parts.items():
        order = random.permutation(len(rows))
        chosen, others = np.sort(order[: counts[aspect]]), np.sort(order[counts[aspect] :])
        drawn[aspect], rest[aspect] = rows[chosen], rows[others]
    return drawn, rest


def _inputs(parts: Mapping[str, Rows], reference: Reference) -> Inputs:
    samples = [_sample(aspect, place) for aspect, rows in parts.items() for place in range(len(rows))]
    image = np.concatenate(list(parts.values()))
    features = Features(image, np.zeros((len(image), 0), np.float32))
    none = np.zeros(len(samples), dtype=bool)
    return Inputs(tuple(samples), features, features, features, none, none, reference)


def _sample(aspect: str, place: int) -> Sample:
    name = f"{aspect}|{place}"
    return Sample(name, "real", name, "", None, (), aspect, 1, 1, 0, 0, name, Path(name))
