"""Whole trajectories of our samplers against diffusers' schedulers, on the same predictions."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from gaussian_network import network, optimal
from torch import Tensor
from torch.testing import assert_close

from backbones.native import DynamicShift, FlowSchedule, Guided, Native, NoiseSchedule, walk
from backbones.protocol import PathSettings
from backbones.sampler import Step
from backbones.solvers import Seen

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept")  # diffusers' own, of NumPy 2

PEERS = {
    "ddim": DDIMScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
}
WORDS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction", "flow": "flow_prediction"}
BETAS = {"linear": (1e-4, 2e-2), "scaled_linear": (0.00085, 0.012), "squaredcos_cap_v2": (1e-4, 2e-2)}
SPACINGS = [("leading", 0), ("leading", 1), ("trailing", 0), ("linspace", 0)]


def theirs(scheduler: Any, predict, noise: Tensor, **how: Any) -> list[Tensor]:
    """diffusers' loop: the sample after every step; of Heun's two, after the second."""
    scheduler.set_timesteps(**how)
    x, path = noise * getattr(scheduler, "init_noise_sigma", 1.0), []
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(predict(seen, float(t)), t, x, return_dict=False)[0]
        path.append(x)
    return [*path[1:-1:2], path[-1]] if isinstance(scheduler, HeunDiscreteScheduler) else path


def ours(native: Native, predict, noise: Tensor, steps: int, sampler: str, shift: float | None = None) -> list[Step]:
    def see(x: Tensor, level) -> Seen:
        output = predict(x, level.timestep)
        return Seen(output, native.field(Guided(output, output), x, level))

    return list(walk(see, noise, native, PathSettings(steps, 1.0, sampler, shift)))


def assert_same_path(found: list[Step], wanted: list[Tensor]) -> None:
    """To 1e-5 of the sample's own scale, which is up to the first noise level; to 1e-5 in absolute terms at the end."""
    assert len(found) == len(wanted)
    for step, x in zip(found, wanted, strict=True):
        assert_close(step.x, x, atol=1e-5 * max(1.0, x.abs().max().item()), rtol=0)
    assert_close(found[-1].x, wanted[-1], atol=1e-5, rtol=0)


def assert_sound_trace(found: list[Step], t: float) -> None:
    """Times are contiguous and fall from t to 0; every velocity is finite."""
    assert found[0].t == pytest.approx(t, abs=1e-6)
    assert [step.t - step.dt for step in found[:-1]] == pytest.approx([step.t for step in found[1:]], abs=1e-6)
    assert found[-1].t - found[-1].dt == pytest.approx(0, abs=1e-6)
    assert all(step.field is None or bool(step.field.velocity.isfinite().all()) for step in found)


@pytest.mark.parametrize("betas", BETAS)
@pytest.mark.parametrize("sampler", PEERS)
@pytest.mark.parametrize("kind", ["eps", "x0", "v"])
def test_every_step_is_that_of_diffusers(sampler: str, kind: str, betas: str):
    start, end = BETAS[betas]
    schedule = NoiseSchedule.named(betas, start, end)
    predict, noise = network(kind, schedule.alphas_cumprod), torch.randn(2, 4, 6, 8)
    for (spacing, offset), steps in product(SPACINGS, (7, 20)):
        config: dict[str, Any] = {"clip_sample": False} if sampler == "ddim" else {}
        scheduler = PEERS[sampler](
            beta_schedule=betas,
            beta_start=start,
            beta_end=end,
            prediction_type=WORDS[kind],
            timestep_spacing=spacing,
            steps_offset=offset,
            **config,
        )
        native = Native(prediction=kind, schedule=schedule, spacing=spacing, steps_offset=offset)
        found = ours(native, predict, noise, steps, sampler)
        assert_same_path(found, theirs(scheduler, predict, noise, num_inference_steps=steps))
        divides = sampler != "ddim" or (spacing != "linspace" and (spacing == "leading" or 1000 % steps == 0))
        if divides:  # else a step of ddim ends elsewhere than the next begins, in diffusers too
            ratio = math.sqrt(1 / schedule.alphas_cumprod[int(scheduler.timesteps[0])].item() - 1)
            assert_sound_trace(found, ratio / (1 + ratio))


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "euler"])
@pytest.mark.parametrize("kind", ["x0", "v"])
def test_zero_terminal_signal_to_noise_is_that_of_diffusers(sampler: str, kind: str):
    schedule = NoiseSchedule.named("scaled_linear", 0.00085, 0.012, zero_terminal_snr=True)
    predict, noise = network(kind, schedule.alphas_cumprod), torch.randn(2, 4, 6, 8)
    config: dict[str, Any] = {"clip_sample": False} if sampler == "ddim" else {}
    scheduler = PEERS[sampler](
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=WORDS[kind],
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        **config,
    )
    found = ours(Native(prediction=kind, schedule=schedule, spacing="trailing"), predict, noise, 20, sampler)
    assert_same_path(found, theirs(scheduler, predict, noise, num_inference_steps=20))
    assert all(step.field is not None for step in found)
    assert_sound_trace(found, 1.0 if sampler == "ddim" else 4096 / 4097)


def test_eps_with_zero_terminal_signal_to_noise_starts_below_and_stays_finite():
    schedule = NoiseSchedule.named("scaled_linear", 0.00085, 0.012, zero_terminal_snr=True)
    native = Native(prediction="eps", schedule=schedule, spacing="trailing")
    found = ours(native, network("eps", schedule.alphas_cumprod), torch.randn(2, 4, 6, 8), 20, "ddim")
    assert len(found) == 19
    assert found[0].t < 1
    assert all(bool(step.x.isfinite().all()) for step in found)
    assert_sound_trace(found, found[0].t)


@pytest.mark.parametrize("kind", ["eps", "x0"])
def test_no_velocity_is_told_where_conversion_would_multiply_errors_by_more_than_fifty(kind: str):
    schedule = NoiseSchedule.named("squaredcos_cap_v2")
    native = Native(prediction=kind, schedule=schedule, spacing="linspace")
    found = ours(native, network(kind, schedule.alphas_cumprod), torch.randn(1, 4, 4, 4), 50, "euler")
    told = [step.t for step in found if step.field is not None]
    wanted = [step.t for step in found if (step.t <= 0.98 if kind == "eps" else step.t >= 0.02)]
    assert told == wanted
    assert 0 < len(told) < 50


@pytest.mark.parametrize("final_alpha_one", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_clamped_ddim_is_that_of_diffusers(final_alpha_one: bool, again: bool):
    schedule = NoiseSchedule.named()
    predict, noise = network("eps", schedule.alphas_cumprod), 2 * torch.randn(2, 3, 6, 8)
    scheduler = DDIMScheduler(clip_sample=True, clip_sample_range=0.5, set_alpha_to_one=final_alpha_one)
    scheduler.set_timesteps(10)
    x, wanted = noise, []
    for t in scheduler.timesteps:
        x = scheduler.step(predict(x, float(t)), t, x, use_clipped_model_output=again, return_dict=False)[0]
        wanted.append(x)
    native = Native(
        prediction="eps", schedule=schedule, final_alpha_one=final_alpha_one, clip=0.5, noise_from_clipped=again
    )
    assert_same_path(ours(native, predict, noise, 10, "ddim"), wanted)


def test_clamped_heun_is_that_of_diffusers():
    schedule = NoiseSchedule.named()
    predict, noise = network("eps", schedule.alphas_cumprod), 2 * torch.randn(2, 3, 6, 8)
    scheduler = HeunDiscreteScheduler(
        beta_schedule="linear", beta_start=1e-4, beta_end=2e-2, clip_sample=True, clip_sample_range=0.5
    )
    native = Native(prediction="eps", schedule=schedule, clip=0.5)
    assert_same_path(
        ours(native, predict, noise, 10, "heun"), theirs(scheduler, predict, noise, num_inference_steps=10)
    )


def flow(x: Tensor, timestep: float) -> Tensor:
    t = timestep / 1000
    return optimal("flow", x, 1 - t, t)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 4, 28])
def test_euler_on_a_flow_is_that_of_diffusers(shift: float, steps: int):
    noise = torch.randn(2, 4, 6, 8)
    native = Native(prediction="flow", schedule=FlowSchedule(shift))
    found = ours(native, flow, noise, steps, "euler")
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    assert_same_path(found, theirs(scheduler, flow, noise, num_inference_steps=steps))
    assert_sound_trace(found, 1.0)
    given = ours(Native(prediction="flow", schedule=FlowSchedule(7.0)), flow, noise, steps, "euler", shift)
    assert torch.equal(given[-1].x, found[-1].x)


@pytest.mark.parametrize("even", [True, False])
def test_a_shift_that_grows_with_the_image_is_that_of_diffusers(even: bool):
    """Flux's pipeline names its own times; SD3's leaves them to the scheduler."""
    noise = torch.randn(1, 4, 32, 64)
    schedule = FlowSchedule(even=even, dynamic=DynamicShift())
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    mu = 0.5 + (1.15 - 0.5) * (16 * 32 - 256) / (4096 - 256)
    how: dict[str, Any] = {"mu": mu, "num_inference_steps": 8}
    if even:
        how["sigmas"] = torch.linspace(1, 1 / 8, 8, dtype=torch.float64).tolist()
    found = ours(Native(prediction="flow", schedule=schedule), flow, noise, 8, "euler")
    assert_same_path(found, theirs(scheduler, flow, noise, **how))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_dpm_solver_on_a_flow_is_that_of_diffusers(shift: float):
    noise = torch.randn(2, 4, 6, 8)
    scheduler = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    found = ours(Native(prediction="flow", schedule=FlowSchedule(shift)), flow, noise, 20, "dpm++2m")
    assert_same_path(found, theirs(scheduler, flow, noise, num_inference_steps=20))


def test_an_x0_prediction_of_a_flow_walks_the_same_path():
    noise = torch.randn(2, 4, 6, 8)

    def x0(x: Tensor, timestep: float) -> Tensor:
        t = timestep / 1000
        return optimal("x0", x, 1 - t, t)

    wanted = ours(Native(prediction="flow", schedule=FlowSchedule(3.0)), flow, noise, 10, "euler")
    found = ours(Native(prediction="x0", schedule=FlowSchedule(3.0)), x0, noise, 10, "euler")
    assert_same_path(found, [step.x for step in wanted])


def test_tables_are_those_of_diffusers():
    for name, (start, end) in BETAS.items():
        for zero in (False, True):
            peer = DDPMScheduler(
                beta_schedule=name, beta_start=start, beta_end=end, rescale_betas_zero_snr=zero
            ).alphas_cumprod
            table = NoiseSchedule.named(name, start, end, zero_terminal_snr=zero).alphas_cumprod
            assert_close(table, peer, atol=1e-6, rtol=0)
            assert (table[-1] == 0) == zero
    betas = [0.1, 0.2, 0.5, 0.9]
    peer = DDPMScheduler(num_train_timesteps=4, trained_betas=betas).alphas_cumprod
    assert_close(NoiseSchedule.from_betas(betas).alphas_cumprod, peer, atol=1e-6, rtol=0)
