"""Estimator A: predictions at fixed x0 and t over draws of the noise.

With x_t = (1 - t) x0 + t e and the target v = e - x0, per dimension of an image, over its draws e:

    V_noise = Var_e[prediction]        bias part  = (mean_e[prediction - v])^2, unbiased
    MSE     = mean_e |prediction - v|^2 = noise part + bias part,  noise part = Var_e[prediction - v]

Variances are unbiased for independent draws and for antithetic pairs alike: with u the average of a pair (or a draw
alone), J of them, (E f)^2 is estimated by mean(u)^2 - Var(u) / J, and Var f by mean(f^2) less that.

Sums are kept in float64, one image and time at a time, so that memory does not grow with images, draws or times.

Letters: P images, T times, m draws in a batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backbones.sampler import Velocity
from evalsuite.probe.bank import Bank
from evalsuite.resample import Floats

FieldOf = Callable[[Sequence[int], int], Velocity]
"""From places of images of the bank, each so many times in a row, to the field for a batch of them."""


class DrawSums:
    """Sums over the draws of one image at one time, of predictions or of errors; pairs must come whole.

    Args:
        paired: whether draws are antithetic neighbours.
    """

    def __init__(self, paired: bool) -> None:
        self._paired = paired
        self._count = self._units = 0
        self._total: Tensor | None = None  # (C, h, w)
        self._squares = self._unit_squares = 0.0  # means over the dimensions, summed over draws, and over units

    def add(self, values: Tensor) -> None:
        """More draws (m, C, h, w), float64."""
        units = values.reshape(-1, 2, *values.shape[1:]).mean(1) if self._paired else values  # (m or m/2, C, h, w)
        total = values.sum(0)
        self._total = total if self._total is None else self._total + total
        self._count, self._units = self._count + len(values), self._units + len(units)
        self._squares += _mean_square(values)
        self._unit_squares += _mean_square(units)

    @property
    def mean_square(self) -> float:
        """Mean of the squares."""
        return self._squares / self._count

    @property
    def square_of_mean(self) -> float:
        """(E f)^2, unbiased: the square of the mean less the variance of that mean."""
        assert self._total is not None
        centre = float((self._total / self._count).square().mean())
        spread = (self._unit_squares / self._units - centre) * self._units / (self._units - 1)
        return centre - spread / self._units

    @property
    def variance(self) -> float:
        """Var f, unbiased."""
        return self.mean_square - self.square_of_mean

    @property
    def channels(self) -> list[float]:
        """Mean of every channel (C)."""
        assert self._total is not None
        found: list[float] = (self._total / self._count).mean((1, 2)).tolist()
        return found


@dataclass(frozen=True)
class FixedPoints:
    """What one field says on the bank; float64, NaN where a prediction was not finite.

    Attributes:
        v_noise: (P, T) variance of the prediction over the noise.
        mse: (P, T).
        noise: (P, T) noise part of the error.
        bias: (P, T) bias part of the error.
        product: (P, T) mean of prediction times target.
        power: (P, T) mean square of the prediction.
        predicted: (P, T, C) mean of the prediction by channel.
        target: (P, T, C) mean of the target by channel.
    """

    v_noise: Floats
    mse: Floats
    noise: Floats
    bias: Floats
    product: Floats
    power: Floats
    predicted: Floats
    target: Floats

    @classmethod
    def empty(cls, images: int, times: int, channels: int) -> FixedPoints:
        """All NaN."""
        flat, deep = (images, times), (images, times, channels)
        return cls(*(np.full(shape, np.nan) for shape in (flat,) * 6 + (deep,) * 2))


def measure(
    bank: Bank, times: Sequence[float], field_of: FieldOf, batch: int, device: str, advance: Callable[[int], None]
) -> FixedPoints:
    """Ask a field about every image, time and draw of a bank.

    Args:
        bank: what is shown.
        times: of the bank's, those at which the model tells a velocity.
        field_of: the field for a batch.
        batch: predictions a pass; pairs stay whole, so that 1 then means 2.
        device: of the model.
        advance: told how many more predictions are done.
    """
    found = FixedPoints.empty(len(bank.images), len(times), len(bank.x0[0]))
    step = max(2, batch - batch % 2) if bank.antithetic else max(1, batch)
    for block in _blocks(bank, max(1, step // bank.draws)):
        draws = min(step, bank.draws)
        field = field_of(block, draws)
        rest = bank.draws % draws
        last = field_of(block, rest) if rest else field
        for place, t in enumerate(times):
            sums = [_Sums(bank.antithetic) for _ in block]
            for start in range(0, bank.draws, draws):
                stop = min(start + draws, bank.draws)
                _ask(field if stop - start == draws else last, bank, block, slice(start, stop), t, device, sums)
                advance(len(block) * (stop - start))
            for image, total in zip(block, sums, strict=True):
                total.store(found, image, place)
    return found


class _Sums:
    """Sums of one image at one time."""

    def __init__(self, paired: bool) -> None:
        self.prediction, self.error, self.wanted = (DrawSums(paired) for _ in range(3))
        self.product, self.draws = 0.0, 0

    def store(self, found: FixedPoints, image: int, time: int) -> None:
        prediction, error = self.prediction, self.error
        if not np.isfinite(error.mean_square):
            return
        found.v_noise[image, time] = prediction.variance
        found.mse[image, time], found.noise[image, time] = error.mean_square, error.variance
        found.bias[image, time] = error.square_of_mean
        found.product[image, time], found.power[image, time] = self.product / self.draws, prediction.mean_square
        found.predicted[image, time], found.target[image, time] = prediction.channels, self.wanted.channels


def _ask(
    field: Velocity, bank: Bank, block: Sequence[int], draws: slice, t: float, device: str, sums: Sequence[_Sums]
) -> None:
    """One pass over some draws of some images of one size."""
    noise = torch.stack([bank.noise(image)[draws] for image in block])  # (b, m, C, h, w)
    x0 = torch.stack([bank.x0[image] for image in block])[:, None]  # (b, 1, C, h, w)
    x = ((1 - t) * x0 + t * noise).flatten(0, 1).to(device)
    said = field(x, t).velocity.double().reshape(noise.shape)  # (b, m, C, h, w); asked without guidance
    wanted = (noise.double() - x0.double()).to(said.device)
    for own, prediction, target in zip(sums, said, wanted, strict=True):
        own.prediction.add(prediction)
        own.error.add(prediction - target)
        own.wanted.add(target)
        own.product += float((prediction * target).mean((1, 2, 3)).sum())
        own.draws += len(prediction)


def _blocks(bank: Bank, count: int) -> Iterator[list[int]]:
    """Places of images of one size, so many at a time."""
    places: dict[tuple[int, ...], list[int]] = {}
    for place, x0 in enumerate(bank.x0):
        places.setdefault(tuple(x0.shape), []).append(place)
    for same in places.values():
        for start in range(0, len(same), count):
            yield same[start : start + count]


def _mean_square(values: Tensor) -> float:
    """Mean over the dimensions, summed over the first axis."""
    return float(values.square().mean((1, 2, 3)).sum())
