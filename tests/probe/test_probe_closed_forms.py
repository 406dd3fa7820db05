"""Both estimators against the closed forms of a Gaussian world; in every parametrisation alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import probe_models
import pytest
import torch

from backbones.protocol import TextToImage
from backbones.toy import GaussianWorld
from evalsuite.probe.ask import Questions, ask
from evalsuite.probe.bank import Bank
from evalsuite.probe.estimates import Estimate
from evalsuite.probe.numbers import Place, numbers_of
from evalsuite.progress import Silent
from evalsuite.spec import RunSpec

Numbers = Mapping[Place, Estimate]


def probed(model: TextToImage, bank: Bank, **changes: object) -> Numbers:
    """All numbers of a model's conditional field, and of the null prompt's where asked for."""
    how = {"steps": 200, "sampler": "midpoint", "fields": ("conditional",), "guidance": {"conditional": 1.0}} | changes
    run = RunSpec(steps=how["steps"], sampler=how["sampler"], batch_size=how.get("batch", 64), device="cpu")  # type: ignore[arg-type]
    span = how.get("span", (0.0, 1.0))
    times = tuple(t for t in bank.times if span[0] <= t <= span[1])  # type: ignore[index]
    paths = min(8, len(bank.images))
    questions = Questions(how["fields"], how["guidance"], times, span, paths, run)  # type: ignore[arg-type]
    return numbers_of(ask(model, bank, questions, Silent()), bank, times)


def value(numbers: Numbers, key: str, where: str = "bank", part: str = "all", field: str = "conditional") -> float:
    found = numbers[Place(f"probe_{key}_{field}@{where}", part)].value
    assert found is not None
    return found


@pytest.mark.parametrize("antithetic", [True, False])
@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_what_is_said_of_the_bank_equals_the_closed_forms(
    deviation: float, antithetic: bool, gaussian_bank: Callable[..., Bank]
):
    """MSE = s^2 / D, V_noise = (K t / D)^2, noise part (a s^2 / D)^2, bias part (t s / D)^2, slope 1; within 3 %."""
    world, variance = GaussianWorld(deviation=deviation), deviation**2
    red = (world.encode(["red"])["mean"][0]).tolist()
    bank = gaussian_bank(red, deviation, antithetic=antithetic)
    numbers = probed(world, bank, guidance={}, batch=16)
    for t in bank.times:
        part = f"t={t:.2f}"
        spread, gain = (1 - t) ** 2 * variance + t**2, (1 + variance) * t - variance
        error = variance / spread
        assert value(numbers, "mse", part=part) == pytest.approx(error, rel=0.03)
        assert 1 - value(numbers, "r2", part=part) == pytest.approx(error / (1 + variance), rel=0.03)
        assert value(numbers, "v_noise", part=part) == pytest.approx((gain * t / spread) ** 2, rel=0.03, abs=1e-9)
        assert value(numbers, "noise", part=part) == pytest.approx(((1 - t) * variance / spread) ** 2, rel=0.03)
        bias = (t * deviation / spread) ** 2
        # Independent draws leave the variance of a mean of 8 in the bias part, which is estimated and taken off.
        assert value(numbers, "bias", part=part) == pytest.approx(
            bias, rel=0.03, abs=0 if antithetic else 0.003 * error
        )
        if abs(gain) > 0.1:
            assert value(numbers, "slope", part=part) == pytest.approx(1, rel=0.03)
        assert numbers[Place("probe_v_target@bank", part)].value == 1
        parts = value(numbers, "noise", part=part) + value(numbers, "bias", part=part)
        assert parts == pytest.approx(value(numbers, "mse", part=part), rel=1e-9)
    curve = torch.tensor([variance / ((1 - t) ** 2 * variance + t**2) for t in bank.times])
    assert value(numbers, "mse") == pytest.approx(curve.mean().item(), rel=0.02)
    assert value(numbers, "cv_t") == pytest.approx((curve.std(correction=0) / curve.mean()).item(), rel=0.03)


@pytest.mark.parametrize("deviation", [0.25, 0.5, 1.0, 2.0])
def test_the_straightness_of_paths_equals_the_closed_form(deviation: float, gaussian_bank: Callable[..., Bank]):
    """S = s (2 - pi / 2), NS = S / (|m|^2 + (1 - s)^2), each within 1 %."""
    world = GaussianWorld(deviation=deviation)
    mean = world.encode(["red"])["mean"][0]
    bank = gaussian_bank(mean.tolist(), deviation, images=8, draws=4, side=32, times=(0.5,), exact=True)
    numbers = probed(world, bank, fields=())
    straight = deviation * (2 - math.pi / 2)
    assert value(numbers, "s", "path") == pytest.approx(straight, rel=0.01)
    power = mean.square().mean().item() + (1 - deviation) ** 2
    assert value(numbers, "ns", "path") == pytest.approx(straight / power, rel=0.01)


def test_straightness_does_not_depend_on_the_mean_and_falls_with_the_solver_at_its_order(
    gaussian_bank: Callable[..., Bank],
):
    world, exact = GaussianWorld(deviation=1.0), 2 - math.pi / 2
    banks = [gaussian_bank(images=4, draws=4, times=(0.5,), caption=name, exact=True) for name in ("red", "blue")]
    red, blue = (value(probed(world, bank, fields=()), "s", "path") for bank in banks)
    assert red == pytest.approx(blue, rel=1e-5)
    errors = [
        exact - value(probed(world, banks[0], fields=(), steps=steps, sampler="euler"), "s", "path")
        for steps in (50, 100)
    ]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)  # order 1


def test_four_parametrisations_of_one_exact_model_give_equal_numbers(gaussian_bank: Callable[..., Bank]):
    bank = gaussian_bank(images=4, draws=4, side=8, times=(0.02, 0.26, 0.5, 0.74, 0.98))
    makers = (probe_models.exact_flow, probe_models.exact_v, probe_models.exact_eps, probe_models.exact_x0)
    span = (0.0201, 0.9799)  # all tell a velocity there, by far the most of the flow
    ways = [probed(make(), bank, steps=50, span=span, fields=("conditional", "unconditional")) for make in makers]
    for numbers in ways[1:]:
        assert numbers.keys() == ways[0].keys()
        for place, found in numbers.items():
            # A step's change is a difference over dt = 0.02 of velocities that fp32 timesteps know to 1e-6.
            near = 2e-4 if place.metric.startswith("probe_change") else 1e-5
            assert found.value == pytest.approx(ways[0][place].value, rel=near, abs=1e-5), place
    assert value(ways[0], "mse", part="t=0.50") == pytest.approx(0.8, rel=0.05)


def test_a_field_that_is_not_there_has_no_straightness_and_no_slope_and_is_not_called_straight(
    gaussian_bank: Callable[..., Bank],
):
    bank = gaussian_bank(images=3, draws=4, side=4, channels=4)
    numbers = probed(probe_models.still(), bank, steps=10)
    assert value(numbers, "s", "path") == 0
    for key, where, note in (
        ("ns", "path", "the mean velocity is 0"),
        ("cosine", "path", "it has no direction"),
        ("change", "path", "it has no direction"),
        ("slope", "bank", "the prediction does not vary"),
    ):
        found = numbers[Place(f"probe_{key}_conditional@{where}", "all")]
        assert found.value is None
        assert note in found.note
    assert value(numbers, "v_noise") == 0
    assert value(numbers, "mse") > 1


def test_predictions_that_are_not_finite_have_no_number_and_leave_the_others_be(gaussian_bank: Callable[..., Bank]):
    bank = gaussian_bank(images=3, draws=4, side=4, channels=4)
    numbers = probed(probe_models.overflows(), bank, steps=10)
    late = numbers[Place("probe_mse_conditional@bank", "t=0.98")]
    assert late.value is None
    assert late.note == "predictions that are not finite on 3 of 3 images"
    assert value(numbers, "mse", part="t=0.90") > 0
    assert numbers[Place("probe_mse_conditional@bank", "all")].value is None
    assert numbers[Place("probe_s_conditional@path", "all")].value is None
