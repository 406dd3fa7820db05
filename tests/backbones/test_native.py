from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from gaussian_network import DEVIATION, MEAN, optimal
from torch import Tensor
from torch.testing import assert_close

from backbones.native import DynamicShift, FlowSchedule, Native, NativeModel, NoiseSchedule
from backbones.protocol import Condition, PathSettings
from backbones.sampler import guided_field, sample, timesteps
from backbones.toy import gaussian_velocity


class Gaussian(NativeModel):
    """Data N(m, s^2) in any parametrisation; the condition moves m. Extra channels of output are the variance's."""

    name, stride, fingerprint = "gaussian", 8, "0" * 64

    def __init__(self, **native: Any) -> None:
        self.native = Native(**native)
        self.asked: list[tuple[int, float]] = []

    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.asked.append((len(x), t[0].item()))
        a, b = self.coefficients(t)
        output = optimal(self.native.prediction, x - a * condition["mean"], a, b)
        moved = {"eps": 0, "x0": 1, "v": -b, "flow": -1}[self.native.prediction] * condition["mean"]
        output = output + moved
        return torch.cat([output, torch.full_like(output, 99)], 1) if self.native.learned_variance else output

    def coefficients(self, t: Tensor) -> tuple[Tensor, Tensor]:
        schedule = self.native.schedule
        if isinstance(schedule, FlowSchedule):
            return 1 - t[0] / 1000, t[0] / 1000
        low = min(int(t[0]), schedule.steps - 2)
        table = schedule.ratios().double().log()
        level = table[low] + (t[0] - low) * (table[low + 1] - table[low])
        return 1 / torch.hypot(level.exp(), torch.ones(())), level.exp() / torch.hypot(level.exp(), torch.ones(()))

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        return 4, height // 8, width // 8

    def encode(self, texts: Sequence[str]) -> Condition:
        return {"mean": torch.tensor([float(len(text)) for text in texts]).view(-1, 1, 1, 1)}

    def decode(self, latents: Tensor) -> Tensor:
        return latents[:, :3]

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Gaussian:
        return self


STABLE = NoiseSchedule.named("scaled_linear", 0.00085, 0.012)
KINDS = [("eps", STABLE), ("x0", STABLE), ("v", STABLE), ("flow", FlowSchedule(3.0)), ("x0", FlowSchedule())]


def last(steps) -> Tensor:
    return deque(steps, maxlen=1)[0].x


@pytest.mark.parametrize(("kind", "schedule"), KINDS)
@pytest.mark.parametrize("t", [0.04, 0.3, 0.5, 0.9])
def test_every_parametrisation_tells_one_velocity(kind: str, schedule: Any, t: float):
    model, x = Gaussian(prediction=kind, schedule=schedule), torch.randn(2, 4, 6, 6)
    found = model.velocity(x, torch.full((2,), t), model.encode(["", ""]))
    exact = gaussian_velocity(x, torch.full((2,), t), torch.tensor(MEAN), DEVIATION)
    assert_close(found, exact, atol=2e-5, rtol=2e-5)


def test_a_time_of_the_table_becomes_its_own_timestep():
    for table in (STABLE, NoiseSchedule.named(), NoiseSchedule.named("squaredcos_cap_v2")):
        steps = torch.tensor([1, 5, 137, 500, 998])
        ratios = table.ratios()[steps]
        found = table.point(ratios / (1 + ratios))
        assert_close(found.timestep, steps.float(), atol=2e-2, rtol=0)
        alphas = table.alphas_cumprod[steps]
        assert_close(found.a, alphas.sqrt(), atol=1e-5, rtol=0)
        assert_close(found.b, (1 - alphas).sqrt(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "span"), [("eps", (0.0283, 0.9360)), ("x0", (0.0283, 0.9360)), ("v", (0.0283, 0.9360))]
)
def test_times_outside_the_table_are_answered_as_its_ends(kind: str, span: tuple[float, float]):
    model = Gaussian(prediction=kind, schedule=STABLE)
    assert model.native.times == pytest.approx(span, abs=1e-4)
    for t, timestep in ((0.0, 0), (1.0, 999)):
        x = torch.randn(1, 4, 2, 2)
        found = model.velocity(x, torch.tensor([t]), model.encode([""]))
        assert bool(found.isfinite().all())
        assert model.asked[-1][1] == pytest.approx(timestep, abs=1e-2)


@pytest.mark.parametrize("kind", ["eps", "x0", "v"])
@pytest.mark.parametrize("zero", [True, False])
def test_velocity_is_finite_at_every_time_even_without_signal(kind: str, zero: bool):
    schedule = NoiseSchedule.named("squaredcos_cap_v2", zero_terminal_snr=zero)
    model = Gaussian(prediction=kind, schedule=schedule)
    times = torch.cat([torch.linspace(0, 1, 101), torch.tensor([1e-7, 1 - 1e-7])])
    for t in times:
        assert bool(model.velocity(torch.randn(1, 4, 2, 2), t[None], model.encode([""])).isfinite().all())


@pytest.mark.parametrize(("kind", "schedule"), KINDS)
def test_our_samplers_reach_the_same_data_over_every_parametrisation(kind: str, schedule: Any):
    """x_0 = m + s z for x_1 = z, closed form; the table's ends cost what lies outside them."""
    model, z = Gaussian(prediction=kind, schedule=schedule), torch.randn(1, 4, 8, 8)
    field = guided_field(model, model.encode([""]), model.encode([""]), 1.0)
    found = last(sample(field, z, timesteps(100), "midpoint"))
    assert_close(found, MEAN + DEVIATION * z, atol=0.06, rtol=0)


@pytest.mark.parametrize(("kind", "schedule"), KINDS)
def test_own_samplers_reach_the_same_data(kind: str, schedule: Any):
    """Euler and DDIM to first order, Heun and DPM-Solver++ to second; a unit-variance start costs what alpha_T is."""
    model, z = Gaussian(prediction=kind, schedule=schedule), torch.randn(1, 4, 8, 8)
    for name in model.samplers:
        found = last(model.path(z, model.encode([""]), model.encode([""]), PathSettings(200, 1.0, name)))
        assert_close(found, MEAN + DEVIATION * z, atol=0.08, rtol=0)


@pytest.mark.parametrize(("kind", "schedule"), KINDS)
def test_a_step_tells_the_velocity_at_its_time(kind: str, schedule: Any):
    """Checked where x is in the network's own scale and the network is told the very time of the step."""
    model, z = Gaussian(prediction=kind, schedule=schedule), torch.randn(1, 4, 4, 4)
    for name in ("euler",) if isinstance(schedule, FlowSchedule) else ("ddim", "dpm++2m"):
        x, told = z, 0
        for step in model.path(z, model.encode([""]), model.encode([""]), PathSettings(10, 1.0, name)):
            if step.field is not None:
                a, b = coefficients(model, step.t)
                exact = gaussian_velocity(x / (a + b), torch.tensor([step.t]), torch.tensor(MEAN), DEVIATION)
                assert_close(step.field.velocity, exact, atol=1e-4, rtol=1e-4)
                assert step.field.velocity is step.field.conditional
                assert step.at == step.t
                told += 1
            x = step.x
        assert told >= 9


def coefficients(model: Gaussian, t: float) -> tuple[float, float]:
    if isinstance(model.native.schedule, FlowSchedule):
        return 1 - t, t
    return (1 - t) / math.hypot(1 - t, t), t / math.hypot(1 - t, t)


@pytest.mark.parametrize("kind", ["eps", "x0", "v"])
def test_guidance_moves_the_mean_and_is_recorded_beside_the_conditional(kind: str):
    """The prediction is affine in m, so guidance of 3 from m to m + 2 is the network of m + 6."""
    model, z = Gaussian(prediction=kind, schedule=STABLE), torch.randn(2, 4, 4, 4)
    red, null = model.encode(["ab", "ab"]), model.encode([""])
    guided = list(model.path(z, red, null, PathSettings(5, 3.0, "ddim")))
    moved = list(model.path(z, {"mean": 3 * red["mean"]}, null, PathSettings(5, 1.0, "ddim")))
    for step, wanted in zip(guided, moved, strict=True):
        assert_close(step.x, wanted.x, atol=1e-4, rtol=1e-4)
        assert_close(step.field.velocity, wanted.field.velocity, atol=1e-3, rtol=1e-4)
    plain = next(model.path(z, red, null, PathSettings(5, 1.0, "ddim")))
    assert_close(guided[0].field.conditional, plain.field.velocity)


def test_guidance_of_some_channels_leaves_the_others_conditional():
    model, z = Gaussian(prediction="eps", schedule=STABLE, guided_channels=3), torch.randn(1, 4, 4, 4)
    red, null = model.encode(["ab"]), model.encode([""])
    some = last(model.path(z, red, null, PathSettings(5, 3.0, "ddim")))
    whole = Gaussian(prediction="eps", schedule=STABLE)
    assert_close(some[:, :3], last(whole.path(z, red, null, PathSettings(5, 3.0, "ddim")))[:, :3])
    assert_close(some[:, 3:], last(whole.path(z, red, null, PathSettings(5, 1.0, "ddim")))[:, 3:])


def test_a_learned_variance_is_dropped():
    model = Gaussian(prediction="eps", schedule=STABLE, learned_variance=True, guided_channels=3)
    plain = Gaussian(prediction="eps", schedule=STABLE, guided_channels=3)
    z, red, null = torch.randn(1, 4, 4, 4), model.encode(["ab"]), model.encode([""])
    settings = PathSettings(5, 3.0, "euler")
    assert torch.equal(last(model.path(z, red, null, settings)), last(plain.path(z, red, null, settings)))
    t = torch.tensor([0.5])
    assert torch.equal(model.velocity(z, t, red), plain.velocity(z, t, red))


def test_guidance_is_one_pass_and_guidance_of_one_asks_for_no_null():
    model, z = Gaussian(prediction="v", schedule=STABLE), torch.randn(3, 4, 2, 2)
    red = model.encode(["a", "b", "c"])
    list(model.path(z, red, model.encode([""]), PathSettings(4, 2.0, "ddim")))
    assert [size for size, _ in model.asked] == [6] * 4
    model.asked.clear()
    list(model.path(z, red, {}, PathSettings(4, 1.0, "heun")))
    assert [size for size, _ in model.asked] == [3] * 7


def test_the_default_sampler_comes_first():
    assert Native(prediction="eps", schedule=STABLE).samplers == ("ddim", "dpm++2m", "euler", "heun")
    assert Native(prediction="eps", schedule=STABLE, sampler="heun").samplers == ("heun", "ddim", "dpm++2m", "euler")
    assert Native(prediction="flow", schedule=FlowSchedule(), sampler="dpm++2m").samplers == ("dpm++2m", "euler")


def test_a_model_tells_its_time_shift():
    assert Gaussian(prediction="eps", schedule=STABLE).shift is None
    assert Gaussian(prediction="flow", schedule=FlowSchedule(3.0)).shift == 3.0
    assert Gaussian(prediction="flow", schedule=FlowSchedule(dynamic=DynamicShift())).shift == pytest.approx(
        3.158, abs=1e-3
    )
    assert DynamicShift().of(32, 32) == pytest.approx(math.exp(0.5))
    assert DynamicShift().of(128, 128) == pytest.approx(math.exp(1.15))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prediction": "flow"}, "'flow' is not one of a NoiseSchedule"),
        ({"prediction": "v", "schedule": FlowSchedule()}, "'v' is not one of a FlowSchedule"),
        ({"prediction": "score"}, "'score'"),
        ({"sampler": "pndm"}, "'pndm' is not one of ddim"),
        ({"sampler": "ddim", "prediction": "flow", "schedule": FlowSchedule()}, "'ddim' is not one of euler"),
    ],
)
def test_what_makes_no_sense_together_is_refused(changes: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        Native(**({"prediction": "eps", "schedule": STABLE} | changes))


@pytest.mark.parametrize(
    ("native", "settings", "complaint"),
    [
        ({}, PathSettings(10, 1.0, "midpoint"), "'midpoint' is not one of ddim"),
        ({}, PathSettings(0, 1.0, "ddim"), "steps 0"),
        ({}, PathSettings(1001, 1.0, "euler"), "steps 1001: the noise schedule has 1 to 1000"),
        ({}, PathSettings(1000, 1.0, "dpm++2m"), "1 to 999"),
        ({"steps_offset": 1}, PathSettings(1000, 1.0, "ddim"), "timestep 1000 lies outside 0 to 999"),
        ({"spacing": "even"}, PathSettings(10, 1.0, "ddim"), "'even' is not one of leading"),
    ],
)
def test_a_path_that_cannot_be_walked_is_refused_before_the_first_step(native, settings, complaint: str):
    model = Gaussian(prediction="eps", schedule=STABLE, **native)
    with pytest.raises(ValueError, match=complaint):
        model.path(torch.randn(1, 4, 2, 2), model.encode([""]), model.encode([""]), settings)
    assert model.asked == []


@pytest.mark.parametrize(
    ("betas", "complaint"), [([0.1], "at least two"), ([0.1, 0.0], "each in"), ([0.1, 1.5], "each in")]
)
def test_betas_that_are_none_are_refused(betas: list[float], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        NoiseSchedule.from_betas(betas)
    with pytest.raises(ValueError, match="'sigmoid' is not one of linear"):
        NoiseSchedule.named("sigmoid")


def test_facts_tell_apart_what_samples_differently():
    base = {"prediction": "eps", "schedule": STABLE}
    changes: list[dict[str, Any]] = [
        {},
        {"prediction": "v"},
        {"schedule": NoiseSchedule.named()},
        {"spacing": "trailing"},
        {"steps_offset": 1},
        {"clip": 1.0},
        {"prediction": "flow", "schedule": FlowSchedule()},
        {"prediction": "flow", "schedule": FlowSchedule(3.0)},
        {"prediction": "flow", "schedule": FlowSchedule(dynamic=DynamicShift())},
    ]
    facts = [repr(Native(**(base | change)).facts()) for change in changes]
    assert len(set(facts)) == len(facts)
    assert (
        Native(**base).facts()
        == Native(prediction="eps", schedule=NoiseSchedule(STABLE.alphas_cumprod.clone())).facts()
    )


def test_a_point_of_the_flow_is_the_time_itself():
    t = torch.tensor([0.0, 0.25, 1.0])
    for found, wanted in zip(FlowSchedule().point(t), (t * 1000, 1 - t, t), strict=True):
        assert torch.equal(found, wanted)
