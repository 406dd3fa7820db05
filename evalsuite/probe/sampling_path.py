"""Estimator B: predictions along the sampling path (arXiv:2209.03003).

Letters: N images, K steps at which a velocity is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from backbones.sampler import Velocity, sample, timesteps
from evalsuite.probe.bank import Bank
from evalsuite.resample import Floats
from evalsuite.samples import PathStatistics, Trace
from evalsuite.trace import Recorder

PathField = Callable[[Sequence[int]], Velocity]
"""From places of images of the bank to the field for a batch of them."""


@dataclass(frozen=True)
class Paths:
    """What a field says along its own paths; float64, NaN where it is not finite or not defined.

    Attributes:
        times: (K) of the steps, falling.
        straightness: (N) S of each path.
        mean_power: (N) |vbar|^2 / D.
        deviation: (N, K) |v_k - vbar|^2 / D; S is its mean over the path.
        cosine: (N, K-1) of v_k and v_{k+1}.
        change: (N, K-1) |v_{k+1} - v_k| / (|v_{k+1}| dt).
    """

    times: tuple[float, ...]
    straightness: Floats
    mean_power: Floats
    deviation: Floats
    cosine: Floats
    change: Floats

    @property
    def between(self) -> tuple[float, ...]:
        """(K-1) times of cosine and change: the middle of two steps."""
        return tuple((one + other) / 2 for one, other in pairwise(self.times))


@dataclass(frozen=True, slots=True)
class Route:
    """How paths are walked.

    Attributes:
        steps: of the solver, evenly from noise to data.
        sampler: euler, heun or midpoint.
        span: first and last time at which all models of the probe tell a velocity. Paths are measured within; beyond,
            every model is asked at the span's end, so that all walk the same way.
        batch: images a pass.
        device: of the model.
    """

    steps: int
    sampler: str
    span: tuple[float, float]
    batch: int
    device: str

    @property
    def times(self) -> tuple[float, ...]:
        """Those that the steps within the span stand for, falling."""
        every = pairwise(timesteps(self.steps))
        found = (t if self.sampler == "euler" else t - (t - after) / 2 for t, after in every)
        return tuple(t for t in found if self.span[0] <= t <= self.span[1])


def walk(bank: Bank, count: int, field_of: PathField, route: Route, advance: Callable[[int], None]) -> Paths:
    """Walk from the first draw of noise of the first images to their data.

    Args:
        bank: gives the noise.
        count: images, N.
        field_of: the field for a batch.
        route: how.
        advance: told how many more images have made a step.
    """
    traces: dict[int, Trace | None] = {}
    for block in _blocks(bank, count, route.batch):
        noise = torch.stack([bank.noise(image)[0] for image in block]).to(route.device)  # (b, C, h, w)
        recorder = Recorder()
        for step in sample(_within(field_of(block), route.span), noise, timesteps(route.steps), route.sampler):
            inside = route.span[0] <= step.at <= route.span[1]
            recorder.add(step if inside else step._replace(field=None))
            advance(len(block))
        traces.update(zip(block, recorder.traces(len(block)), strict=True))
    return _collect([traces[image] for image in range(count)], route.times)


def _within(field: Velocity, span: tuple[float, float]) -> Velocity:
    return lambda x, t: field(x, min(max(t, span[0]), span[1]))


def _collect(traces: Sequence[Trace | None], times: tuple[float, ...]) -> Paths:
    paths = [None if trace is None else trace["guided"] for trace in traces]
    missing, n = math.nan, len(times)
    return Paths(
        times=times,
        straightness=np.array([missing if path is None else path["straightness"] for path in paths]),
        mean_power=np.array([missing if path is None else path["mean_power"] for path in paths]),
        deviation=np.array([[missing] * n if path is None else path["deviation"] for path in paths]),
        cosine=np.array([[missing] * (n - 1) if path is None else _cosines(path) for path in paths]),
        change=np.array([[missing] * (n - 1) if path is None else _changes(path, times) for path in paths]),
    )


def _cosines(path: PathStatistics) -> list[float]:
    """NaN where one of the two has no direction."""
    found = zip(path["cosine"], pairwise(path["power"]), strict=True)
    return [cosine if min(powers) > 0 else math.nan for cosine, powers in found]


def _changes(path: PathStatistics, times: Sequence[float]) -> list[float]:
    """Relative change per unit of time; NaN where there is nothing to compare with."""
    found = zip(path["change"], path["power"][1:], pairwise(times), strict=True)
    return [math.sqrt(change / power) / (t - after) if power > 0 else math.nan for change, power, (t, after) in found]


def _blocks(bank: Bank, count: int, batch: int) -> list[list[int]]:
    places: dict[tuple[int, ...], list[int]] = {}
    for place, x0 in enumerate(bank.x0[:count]):
        places.setdefault(tuple(x0.shape), []).append(place)
    return [same[start : start + batch] for same in places.values() for start in range(0, len(same), batch)]
