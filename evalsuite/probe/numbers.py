"""From one model's measurement to estimates by metric and slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from evalsuite.probe.bank import Bank
from evalsuite.probe.estimates import (
    NO_DIRECTION,
    NOT_FINITE,
    Estimate,
    average,
    exact,
    mean,
    one_minus,
    ratio,
    variation,
)
from evalsuite.probe.fixed_points import FixedPoints
from evalsuite.probe.measurement import Measurement
from evalsuite.probe.quantities import QUANTITIES
from evalsuite.probe.sampling_path import Paths
from evalsuite.resample import Floats

ROUNDING = 1e-12
"""Of the mean square: less variance is that of rounding."""
STILL = "the mean velocity is 0: the ratio is undefined"
FLAT = "the prediction does not vary: the slope is undefined"


class Place(NamedTuple):
    """Which number it is."""

    metric: str
    slice: str  # "all", or "t=0.50"


def slice_at(t: float) -> str:
    """``t=0.50``, with more decimals where a time has more."""
    return f"t={t:.2f}" if abs(round(t, 2) - t) < 1e-9 else f"t={t:.6f}".rstrip("0")


def numbers_of(found: Measurement, bank: Bank, times: Sequence[float]) -> dict[Place, Estimate]:
    """Every estimate of a model, ``all`` before its times.

    Args:
        found: what the model said.
        bank: what it was asked about.
        times: of the bank that it was asked about.
    """
    numbers: dict[Place, Estimate] = {}
    for field, points in found.points.items():
        for key, curve in _on_bank(points, bank).items():
            numbers |= _placed(key, field, average(curve), times, curve)
        numbers |= _placed("cv_t", field, variation(points.mse))
    for field, paths in found.paths.items():
        for key, whole, at, curve in _on_paths(paths):
            numbers |= _placed(key, field, whole, at, curve)
    return numbers


def _placed(
    key: str, field: str, whole: Estimate, times: Sequence[float] = (), curve: Sequence[Estimate] = ()
) -> dict[Place, Estimate]:
    metric = QUANTITIES[key].metric(field)
    at = {Place(metric, slice_at(t)): estimate for t, estimate in zip(times, curve, strict=True)}
    return {Place(metric, "all"): whole} | at


def _on_bank(points: FixedPoints, bank: Bank) -> dict[str, list[Estimate]]:
    """Curves over the times, by quantity."""
    count, steps = points.mse.shape
    spread = target_variance(bank)
    tops, bottoms = centred(points)
    each = range(steps)
    return {
        "mse": [mean(points.mse[:, k]) for k in each],
        "r2": [one_minus(ratio(points.mse[:, k], spread, STILL)) for k in each],
        "slope": [ratio(tops[:, k], bottoms[:, k], FLAT) for k in each],
        "v_noise": [mean(points.v_noise[:, k]) for k in each],
        "v_target": [exact(1.0, count) for _ in each],
        "bias": [mean(points.bias[:, k]) for k in each],
        "noise": [mean(points.noise[:, k]) for k in each],
    }


def target_variance(bank: Bank) -> Floats:
    """Of each image (P,) its part in Var(v), per dimension: 1 of the noise, and x0's about the channels' means."""
    means = np.stack([x0.double().mean((1, 2)).numpy() for x0 in bank.x0]).mean(0)  # (C,)
    about = [(x0.double().numpy() - means[:, None, None]) ** 2 for x0 in bank.x0]
    return 1 + np.array([squares.mean() for squares in about])


def centred(points: FixedPoints) -> tuple[Floats, Floats]:
    """Products of prediction and target, and squares of the prediction, about the channels' means: two of (P, T)."""
    predicted, target = points.predicted, points.target  # (P, T, C)
    mean_predicted, mean_target = predicted.mean(0), target.mean(0)  # (T, C)
    crossed = mean_target * predicted + mean_predicted * target - mean_predicted * mean_target
    squared = 2 * mean_predicted * predicted - mean_predicted**2
    tops, bottoms = points.product - crossed.mean(-1), points.power - squared.mean(-1)
    varies = bottoms.sum(0) > ROUNDING * points.power.sum(0)  # (T,)
    return np.where(varies, tops, 0.0), np.where(varies, bottoms, 0.0)


def _on_paths(paths: Paths) -> Iterator[tuple[str, Estimate, Sequence[float], list[Estimate]]]:
    """Quantity, its value over all of the path, and its curve."""
    columns, gaps = range(len(paths.times)), range(len(paths.between))
    straight, power = paths.straightness, paths.mean_power
    why = NO_DIRECTION if np.isfinite(straight).all() else NOT_FINITE
    yield "s", mean(straight), paths.times, [mean(paths.deviation[:, k]) for k in columns]
    yield "ns", ratio(straight, power, STILL), (), []
    cosines = [mean(paths.cosine[:, k], why) for k in gaps]
    yield "cosine", average(cosines), paths.between, cosines
    changes = [mean(paths.change[:, k], why) for k in gaps]
    yield "change", mean(paths.change.max(1), why), paths.between, changes
