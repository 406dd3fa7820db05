"""Schedulers' configs as our samplers read them; that the pictures agree is shown in test_diffusers_parity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from backbones.noise import DynamicShift, FlowSchedule, NoiseSchedule
from evalsuite.errors import InputError
from evalsuite.loaders.diffusers_schedule import FLOW, NOISE, read

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept")  # diffusers' own, of NumPy 2

PATH = Path("scheduler_config.json")


def config(name: str, **changes: Any) -> dict[str, Any]:
    return dict(getattr(diffusers, name)(**changes).config) | {"_class_name": name}


@pytest.mark.parametrize("name", NOISE)
def test_the_noise_table_is_that_of_the_scheduler(name: str):
    changes = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    native, _ = read(config(name, **changes), PATH)
    assert isinstance(native.schedule, NoiseSchedule)
    wanted = getattr(diffusers, name)(**changes).alphas_cumprod
    torch.testing.assert_close(native.schedule.alphas_cumprod, wanted, atol=1e-6, rtol=0)
    assert native.sampler == NOISE[name]
    assert native.prediction == "eps"


def test_what_only_a_solver_of_diffusers_has_is_noted():
    assert read(config("DDIMScheduler"), PATH)[1] == ()
    assert read(config("DPMSolverMultistepScheduler"), PATH)[1] == ()
    assert read(config("EulerDiscreteScheduler"), PATH)[1] == ()
    _, notes = read(config("DPMSolverMultistepScheduler", use_karras_sigmas=True, solver_order=3), PATH)
    assert notes == (
        "DPMSolverMultistepScheduler option use_karras_sigmas=True is not followed by our dpm++2m",
        "DPMSolverMultistepScheduler option solver_order=3 is not followed by our dpm++2m",
    )
    assert "UniPCMultistepScheduler is sampled by our dpm++2m" in read(config("UniPCMultistepScheduler"), PATH)[1][0]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("DDIMScheduler", {"thresholding": True}, "thresholding=True is not supported"),
        ("DDIMScheduler", {"beta_schedule": "sigmoid"}, "'sigmoid' is not one of linear"),
        ("DDIMScheduler", {"prediction_type": "score"}, "prediction_type 'score' is not one of epsilon"),
        ("EulerDiscreteScheduler", {"timestep_type": "continuous"}, "timestep_type='continuous'"),
        ("LCMScheduler", {}, "LCMScheduler is not supported"),
        (FLOW, {"invert_sigmas": True}, "invert_sigmas=True"),
        (FLOW, {"use_dynamic_shifting": True, "max_image_seq_len": 256}, "are both 256"),
        ("EulerDiscreteScheduler", {"use_flow_sigmas": True}, "with use_flow_sigmas is not supported"),
        ("DDIMScheduler", {"num_train_timesteps": "many"}, "many"),
    ],
)
def test_what_changes_the_parametrisation_is_refused(name: str, changes: dict[str, Any], words: str):
    with pytest.raises(InputError, match=words) as caught:
        read({"_class_name": name} | changes, PATH)
    assert "\n" not in str(caught.value)


def test_missing_options_are_those_of_the_schedulers_defaults():
    ddim, pndm, dpm = (
        read({"_class_name": f"{name}Scheduler"}, PATH)[0] for name in ("DDIM", "PNDM", "DPMSolverMultistep")
    )
    assert (ddim.clip, ddim.final_alpha_one, ddim.spacing) == (1.0, True, None)
    assert (pndm.clip, pndm.final_alpha_one) == (None, False)
    assert (dpm.clip, dpm.sampler) == (None, "dpm++2m")


def test_flows_are_read_with_their_shifts():
    assert read(config(FLOW, shift=3.0), PATH)[0].schedule == FlowSchedule(3.0)
    assert read(config(FLOW, shift=3.0), PATH, even=True)[0].schedule == FlowSchedule(3.0, even=True)
    dynamic = read(config(FLOW, use_dynamic_shifting=True), PATH, even=True, patch=2)[0].schedule
    assert dynamic == FlowSchedule(even=True, dynamic=DynamicShift())
    solver = config(
        "DPMSolverMultistepScheduler", prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    native, notes = read(solver, PATH)
    assert (native.schedule, native.sampler, native.prediction, notes) == (FlowSchedule(3.0), "dpm++2m", "flow", ())
    with pytest.raises(InputError, match="known: none, since it is a flow"):
        read(solver, PATH, override="v")


def test_a_prediction_that_is_told_wins():
    assert read(config("DDIMScheduler"), PATH, override="v")[0].prediction == "v"
    assert read(config("DDIMScheduler", prediction_type="v_prediction"), PATH)[0].prediction == "v"
    assert read(config("DDIMScheduler", prediction_type="v_prediction"), PATH, override="eps")[0].prediction == "eps"
