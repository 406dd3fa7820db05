"""Where the steps of a native sampler lie: noise levels, spaced as diffusers' scheduler of the same name spaces them.

Letters: T training steps, K sampling steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from backbones.noise import FlowSchedule, NoiseSchedule

Spacing = Literal["leading", "trailing", "linspace"]
Times = np.ndarray[Any, np.dtype[np.float64]]


class Level(NamedTuple):
    """A noise level: x = a x0 + b e. Numbers are 0-dimensional fp32 tensors on the CPU, as in diffusers."""

    timestep: float  # native; NaN after the last step, where no network is asked
    a: Tensor
    b: Tensor
    ratio: Tensor  # b / a of a variance-preserving level, b of a flow's: the coordinate that solvers step in

    @property
    def t(self) -> float:
        """Time of the rectified flow."""
        return float(self.b.double() / (self.a.double() + self.b.double()))


def training_steps(spacing: Spacing, total: int, steps: int, offset: int = 0) -> Times:
    """K timesteps of training, falling (arXiv:2305.08891, table 2); "linspace" ones may lie between two.

    Args:
        spacing: "leading" starts below the last timestep, "trailing" and "linspace" start at it.
        total: T.
        steps: K.
        offset: added to "leading" timesteps.

    Raises:
        ValueError: another spacing, K outside 1 to T, or an offset that leaves the table.
    """
    if not 1 <= steps <= total:
        raise ValueError(f"steps {steps}: the noise schedule has 1 to {total}")
    if spacing == "linspace":
        return np.linspace(0, total - 1, steps)[::-1]
    if spacing == "trailing":
        return np.arange(total, 0, -total / steps).round() - 1
    if spacing != "leading":
        raise ValueError(f"spacing {spacing!r} is not one of leading, trailing, linspace")
    return _inside(np.arange(steps)[::-1] * (total // steps) + float(offset), total)


def ddim_legs(
    schedule: NoiseSchedule, steps: int, spacing: Spacing, offset: int, final_alpha_one: bool
) -> list[tuple[Level, Level]]:
    """Pairs of levels, before and after each step.

    A step always goes T // K timesteps down. With spacings that do not divide T this is not where the next begins:
    diffusers does the same.
    """
    table, total = schedule.alphas_cumprod, schedule.steps
    last = torch.tensor(1.0) if final_alpha_one else table[0]
    legs = []
    for timestep in training_steps(spacing, total, steps, offset).round().astype(int).tolist():
        below = timestep - total // steps
        before, after = _of_alpha(timestep, table[timestep]), _of_alpha(below, table[below] if below >= 0 else last)
        legs.append((before, after))
    return legs


def ratio_levels(schedule: NoiseSchedule, steps: int, spacing: Spacing, offset: int) -> list[Level]:
    """K + 1 levels for Euler and Heun, the last without noise; levels between two timesteps are interpolated."""
    timesteps = training_steps(spacing, schedule.steps, steps, offset).astype(np.float32).astype(np.float64)
    return _of_ratios(schedule, timesteps)


def dpm_levels(schedule: NoiseSchedule, steps: int, spacing: Spacing, offset: int) -> list[Level]:
    """K + 1 levels for DPM-Solver++; "linspace" and "leading" make K + 1 timesteps and leave out the smallest."""
    total = schedule.steps
    if not 1 <= steps < total:
        raise ValueError(f"steps {steps}: the noise schedule has 1 to {total - 1}")
    if spacing == "trailing":
        timesteps = training_steps(spacing, total, steps)
    elif spacing == "linspace":
        timesteps = np.linspace(0, total - 1, steps + 1).round()[::-1][:-1]
    else:
        timesteps = training_steps(spacing, total, steps + 1)[:-1] + offset
    return _of_ratios(schedule, _inside(timesteps, total))


def flow_levels(schedule: FlowSchedule, steps: int, shift: float) -> list[Level]:
    """K + 1 levels of a flow for Euler's method."""
    times = schedule.sampling_times(steps, shift).astype(np.float32)
    return _of_times(times, torch.from_numpy(times) * schedule.steps)


def dpm_flow_levels(schedule: FlowSchedule, steps: int, shift: float) -> list[Level]:
    """K + 1 levels of a flow for DPM-Solver++ (Sana); the network is told whole timesteps, rounded down."""
    even = 1 - np.linspace(1, 1 / schedule.steps, steps + 1)
    times = (shift * even / (1 + (shift - 1) * even))[::-1][:-1]
    return _of_times(times.astype(np.float32), torch.from_numpy(np.floor(times * schedule.steps)))


def _inside(timesteps: np.ndarray[Any, np.dtype[np.floating[Any]]], total: int) -> Times:
    if timesteps.max() > total - 1:
        raise ValueError(f"timestep {timesteps.max():.0f} lies outside 0 to {total - 1}: fewer steps, or no offset")
    return timesteps.astype(np.float64)


def _of_alpha(timestep: int, alpha: Tensor) -> Level:
    a, b = alpha**0.5, (1 - alpha) ** 0.5
    return Level(timestep, a, b, b / a)


def _of_ratios(schedule: NoiseSchedule, timesteps: Times) -> list[Level]:
    table = schedule.ratios().numpy()
    found = np.interp(timesteps, np.arange(len(table)), table)
    ratios: Sequence[Tensor] = torch.from_numpy(np.append(found, 0).astype(np.float32)).unbind()
    levels = []
    for timestep, ratio in zip([*timesteps.tolist(), float("nan")], ratios, strict=True):
        a = 1 / (ratio**2 + 1) ** 0.5
        levels.append(Level(timestep, a, ratio * a, ratio))
    return levels


def _of_times(times: np.ndarray[Any, np.dtype[np.float32]], timesteps: Tensor) -> list[Level]:
    ends = torch.from_numpy(np.append(times, np.float32(0))).unbind()
    return [Level(timestep, 1 - t, t, t) for timestep, t in zip([*timesteps.tolist(), float("nan")], ends, strict=True)]
