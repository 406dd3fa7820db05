from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from backbones.sampler import SAMPLERS, Field, guided_field, sample, timesteps
from backbones.toy import GaussianWorld, gaussian_velocity


def standard(*shape: int) -> Tensor:
    """Noise whose first two moments are exactly those of N(0, 1), so that closed forms hold without luck."""
    z = torch.randn(*shape, dtype=torch.float64)
    z = z - z.mean()
    return z / z.square().mean().sqrt()


def exact_field(mean: float, deviation: float):
    def field(x: Tensor, t: float) -> Field:
        v = gaussian_velocity(x, x.new_full((len(x),), t), x.new_tensor(mean), deviation)
        return Field(v, v)

    return field


def last(steps) -> Tensor:
    return deque(steps, maxlen=1)[0].x


@pytest.mark.parametrize("shift", [1.0, 1.5, 3.0, 0.5])
def test_times_run_from_one_to_zero_under_any_shift(shift: float):
    times = timesteps(7, shift)
    assert len(times) == 8
    assert (times[0], times[-1]) == (1.0, 0.0)
    assert times == sorted(times, reverse=True)
    odds = [t / (1 - t) for t in times[1:-1]]  # the shift multiplies the odds of t by a
    assert odds == pytest.approx([shift * (7 - k) / k for k in range(1, 7)])


@pytest.mark.parametrize(("steps", "shift"), [(0, 1.0), (5, 0.0), (5, -1.0), (5, math.inf), (5, math.nan)])
def test_impossible_times_are_refused(steps: int, shift: float):
    with pytest.raises(ValueError, match="must be at least 1"):
        timesteps(steps, shift)


def orders(field, start: Tensor, exact: Tensor, method: str) -> list[float]:
    """Observed orders of convergence at t = 0.3, from 40, 80 and 160 steps."""
    errors = []
    for steps in (40, 80, 160):
        times = [1 - 0.7 * k / steps for k in range(steps + 1)]
        errors.append((last(sample(field, start, times, method)) - exact).norm())
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("midpoint", 3)])
def test_order_of_convergence_on_the_toy(method: str, order: int):
    """A Gaussian world passes x_t = (1 - t) m + sqrt(D) z, D = (1 - t)^2 s^2 + t^2, for x_1 = z.

    D is quadratic in t, which happens to cancel the midpoint rule's leading error: it gains an order.
    """
    mean, deviation, z = 0.7, 0.5, standard(1, 3, 8, 8)
    exact = 0.7 * mean + math.hypot(0.7 * deviation, 0.3) * z
    assert orders(exact_field(mean, deviation), z, exact, method) == pytest.approx([order, order], abs=0.15)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("midpoint", 2)])
def test_order_of_convergence_in_general(method: str, order: int):
    """dx/dt = x cos 5t, whose solution is x_1 exp((sin 5t - sin 5) / 5)."""
    z = standard(1, 3, 8, 8)
    exact = z * math.exp((math.sin(5 * 0.3) - math.sin(5)) / 5)

    def field(x: Tensor, t: float) -> Field:
        return Field(x * math.cos(5 * t), x)

    assert orders(field, z, exact, method) == pytest.approx([order, order], abs=0.15)


@pytest.mark.parametrize("deviation", [0.25, 0.5, 1.0, 2.0])
def test_straightness_of_the_toy_trajectory_is_the_closed_form(deviation: float):
    """S = s (2 - pi/2) and NS = S / (m^2 + (1 - s)^2): the path of a Gaussian world (rectified flow)."""
    mean = 0.7
    steps = list(sample(exact_field(mean, deviation), standard(1, 3, 8, 8), timesteps(200), "midpoint"))
    weights = torch.tensor([step.dt for step in steps], dtype=torch.float64)
    path = torch.stack([step.field.velocity for step in steps])
    average = (weights[:, None, None, None, None] * path).sum(dim=0)
    straightness = (weights * (path - average).square().mean(dim=(1, 2, 3, 4))).sum().item()
    assert straightness == pytest.approx(deviation * (2 - math.pi / 2), rel=0.01)
    power = average.square().mean().item()
    assert straightness / power == pytest.approx(
        deviation * (2 - math.pi / 2) / (mean**2 + (1 - deviation) ** 2), rel=0.01
    )


@pytest.mark.parametrize("method", SAMPLERS)
def test_the_field_of_a_step_is_what_moved_x(method: str):
    x, times = standard(2, 3, 4, 4), timesteps(5, 1.5)
    for index, step in enumerate(sample(exact_field(0.2, 0.5), x, times, method)):
        assert (step.index, step.t) == (index, times[index])
        assert step.dt == times[index] - times[index + 1]
        assert step.at == (step.t if method == "euler" else step.t - step.dt / 2)
        assert torch.equal(step.x, x - step.dt * step.field.velocity)
        assert step.field.velocity is step.field.conditional
        x = step.x
    assert index == 4


def test_heun_and_midpoint_look_where_they_say():
    seen: list[float] = []

    def field(x: Tensor, t: float) -> Field:
        seen.append(t)
        return Field(torch.zeros_like(x), torch.ones_like(x))

    x = torch.zeros(1, 1, 1, 1)
    heun = list(sample(field, x, [1.0, 0.5, 0.0], "heun"))
    assert seen == [1.0, 0.5, 0.5, 0.0]
    assert heun[0].field.conditional.item() == 1.0
    seen.clear()
    list(sample(field, x, [1.0, 0.5, 0.0], "midpoint"))
    assert seen == [1.0, 0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    ("times", "method", "complaint"),
    [
        ([1.0, 0.0], "ddim", "'ddim' is not one of euler, heun, midpoint"),
        ([1.0], "euler", "at least two values"),
        ([0.0, 1.0], "euler", "decrease strictly"),
        ([1.0, 1.0, 0.0], "euler", "decrease strictly"),
    ],
)
def test_bad_requests_are_refused_before_the_first_step(times: list[float], method: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        sample(exact_field(0.0, 1.0), torch.zeros(1, 1, 1, 1), times, method)


class Counting(GaussianWorld):
    """The toy, counting its passes."""

    passes = 0

    def velocity(self, x, t, condition):
        self.passes += 1
        return super().velocity(x, t, condition)


def test_guidance_of_one_is_the_conditional_field_in_one_unguided_pass():
    world, x = Counting(), torch.randn(2, 3, 4, 4)
    condition, null = world.encode(["red", "blue"]), world.encode(["", ""])
    field = guided_field(world, condition, null, 1.0)(x, 0.6)
    assert field.velocity is field.conditional
    assert torch.equal(field.velocity, world.velocity(x, torch.full((2,), 0.6), condition))


@pytest.mark.parametrize("guidance", [0.0, 0.5, 4.0])
def test_guided_batch_equals_two_passes(guidance: float, model):
    whole = model("dit")
    x, t = torch.randn(2, 4, 16, 16), torch.full((2,), 0.6)
    condition, null = whole.encode(["red cat", "blue"]), whole.encode(["", ""])
    aware, blind = whole.velocity(x, t, condition), whole.velocity(x, t, null)
    field = guided_field(whole, condition, null, guidance)(x, 0.6)
    gain = 1 + 2 * guidance  # of rounding errors, by the guidance formula
    assert_close(field.velocity, blind + guidance * (aware - blind), atol=gain * 1e-6, rtol=0)
    assert_close(field.conditional, aware, atol=1e-6, rtol=0)


def test_guidance_costs_one_pass_and_takes_one_null_row_for_all():
    world, x = Counting(), torch.randn(3, 3, 4, 4)
    condition = world.encode(["red", "blue", "green"])
    one = guided_field(world, condition, world.encode([""]), 3.0)(x, 0.5)
    assert world.passes == 1
    assert torch.equal(one.velocity, guided_field(world, condition, world.encode([""] * 3), 3.0)(x, 0.5).velocity)


def test_guidance_on_the_toy_is_the_closed_form():
    """The toy's velocity is affine in m, so guidance just moves m: to null + g (conditional - null)."""
    world, x = GaussianWorld(), torch.randn(1, 3, 4, 4)
    field = guided_field(world, world.encode(["red"]), world.encode([""]), 4.0)(x, 0.3)
    moved = {"mean": 4.0 * world.encode(["red"])["mean"]}  # the null mean is 0
    assert_close(field.velocity, world.velocity(x, torch.tensor([0.3]), moved), atol=1e-5, rtol=1e-5)
