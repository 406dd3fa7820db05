"""From numbers of single images to estimates, each with what every image moves it by.

An influence is an image's part in the estimate's first-order error; influences add to 0, and the standard error follows
from them, images being independent. Two models on the same images differ by the difference of their influences.

Letters: P images, T times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.resample import Floats

NOT_FINITE = "predictions that are not finite on {} of {} images"
NO_DIRECTION = "the prediction is 0 on {} of {} images: it has no direction"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number over images.

    Attributes:
        value: None where it is not defined.
        influences: (P,); they add to 0.
        values: (P,) of single images, where it is their plain mean.
        n: images, P.
        note: why it is not defined, or a caveat.
    """

    value: float | None
    influences: Floats
    values: Floats | None
    n: int
    note: str = ""


def undefined(n: int, why: str) -> Estimate:
    """No number."""
    return Estimate(None, np.zeros(n), None, n, why)


def mean(values: Floats, why: str = NOT_FINITE) -> Estimate:
    """Mean of values (P,); not defined where one of them is not.

    Args:
        values: of single images.
        why: said of NaN; has places for their number and for P.
    """
    n, bad = len(values), int((~np.isfinite(values)).sum())
    if bad:
        return undefined(n, why.format(bad, n))
    value = float(values.mean())
    return Estimate(value, (values - value) / n, values, n)


def exact(value: float, n: int) -> Estimate:
    """A number known without error."""
    return Estimate(value, np.zeros(n), None, n)


def ratio(tops: Floats, bottoms: Floats, why: str) -> Estimate:
    """Sum of tops (P,) over sum of bottoms (P,), by the delta method; ``why`` is said of a sum of 0."""
    n, bad = len(tops), int((~np.isfinite(tops + bottoms)).sum())
    if bad:
        return undefined(n, NOT_FINITE.format(bad, n))
    total = float(bottoms.sum())
    if total == 0:
        return undefined(n, why)
    value = float(tops.sum()) / total
    return Estimate(value, (tops - value * bottoms) / total, None, n)


def one_minus(found: Estimate) -> Estimate:
    """1 less an estimate."""
    if found.value is None:
        return found
    return Estimate(1 - found.value, -found.influences, None, found.n, found.note)


def average(parts: Sequence[Estimate]) -> Estimate:
    """Plain average of estimates over the same images; not defined where one of them is not."""
    for part in parts:
        if part.value is None:
            return part
    values = [part.values for part in parts if part.values is not None]
    value = sum(part.value for part in parts if part.value is not None) / len(parts)
    influences = np.mean([part.influences for part in parts], axis=0)
    plain = np.mean(values, axis=0) if len(values) == len(parts) else None
    return Estimate(value, influences, plain, parts[0].n)


def variation(values: Floats) -> Estimate:
    """Standard deviation over time of the mean of values (P, T), over their mean: 0 for a flat curve."""
    n, bad = len(values), int((~np.isfinite(values).all(1)).sum())
    if bad:
        return undefined(n, NOT_FINITE.format(bad, n))
    curve = values.mean(0)  # (T,)
    centre, spread = float(curve.mean()), float(curve.std())
    if centre == 0:
        return undefined(n, "the mean over time is 0")
    if spread == 0:
        return exact(0.0, n)
    slope = ((curve - centre) / spread - spread / centre) / (len(curve) * centre)  # (T,) d value / d curve
    return Estimate(spread / centre, (values - curve) @ slope / n, None, n)
