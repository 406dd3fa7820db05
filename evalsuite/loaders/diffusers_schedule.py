"""From diffusers' ``scheduler_config.json`` to what our samplers need to know.

What changes the network's parametrisation is followed or refused. What only belongs to a solver of diffusers that is
not one of ours leads to the nearest of ours, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from backbones.native import DynamicShift, FlowSchedule, Native, NoiseSchedule
from backbones.schedule import Prediction
from backbones.spacing import Spacing
from evalsuite.errors import InputError

NOISE = {  # scheduler -> our sampler
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddim",
    "PNDMScheduler": "ddim",
    "EulerDiscreteScheduler": "euler",
    "EulerAncestralDiscreteScheduler": "euler",
    "LMSDiscreteScheduler": "euler",
    "HeunDiscreteScheduler": "heun",
    "DPMSolverMultistepScheduler": "dpm++2m",
    "DPMSolverSinglestepScheduler": "dpm++2m",
    "UniPCMultistepScheduler": "dpm++2m",
    "DEISMultistepScheduler": "dpm++2m",
}
FLOW = "FlowMatchEulerDiscreteScheduler"
SAME = {"DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler"}
PREDICTIONS: dict[str, Prediction] = {
    "epsilon": "eps",
    "sample": "x0",
    "v_prediction": "v",
    "flow_prediction": "flow",
}
SHORT: dict[str, Prediction] = {"eps": "eps", "x0": "x0", "v": "v"}
CLIPS = ("DDIMScheduler", "DDPMScheduler")  # diffusers clamps in these unless told not to
ESSENTIAL = {  # option -> values that change nothing
    "thresholding": (False, None),
    "timestep_type": ("discrete",),
    "interpolation_type": ("linear",),
    "snr_shift_scale": (1.0, None),
    "invert_sigmas": (False, None),
    "shift_terminal": (None, 0, False),
    "time_shift_type": ("exponential",),
}
OF_SOLVER = {  # option -> values that our solver has
    "use_karras_sigmas": (False, None),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "use_lu_lambdas": (False, None),
    "stochastic_sampling": (False, None),
    "euler_at_final": (False, None),
    "algorithm_type": ("dpmsolver++",),
    "solver_order": (2,),
    "solver_type": ("midpoint",),
    "final_sigmas_type": ("zero",),
    "sigma_min": (None,),
    "sigma_max": (None,),
    "lower_order_final": (True,),
}


def read(config: Mapping[str, Any], path: Path, *, patch: int = 1, even: bool = False, override: str | None = None,
         learned_variance: bool = False) -> tuple[Native, tuple[str, ...]]:  # fmt: skip
    """How to read a network's output and space its steps, and notes on what is done otherwise than diffusers does.

    Args:
        config: of the scheduler.
        path: of the file, for messages.
        patch: latent pixels per side of a token, for shifts that depend on an image's tokens.
        even: times of a flow run from 1 to 1/K before the shift: Flux's pipeline asks for that.
        override: "eps", "x0" or "v" in place of the config's prediction_type; None means as it says.
        learned_variance: see `Native`.

    Raises:
        InputError: a scheduler or an option that we do not follow.
    """
    kind = str(config.get("_class_name"))
    if kind != FLOW and kind not in NOISE:
        raise InputError(f"{path}: {kind} is not supported: use the config of {FLOW}, {', '.join(NOISE)}")
    for name, harmless in ESSENTIAL.items():
        if name in config and config[name] not in harmless:
            raise InputError(f"{path}: {name}={config[name]!r} is not supported; known: {harmless[0]!r}")
    sampler = "euler" if kind == FLOW else NOISE[kind]
    notes = _notes(config, kind, sampler)
    flows = kind == FLOW or bool(config.get("use_flow_sigmas"))
    if override is not None and (flows or override not in SHORT):
        known = "none, since it is a flow" if flows else ", ".join(SHORT)
        raise InputError(f"{path}: prediction={override} is not one of this model's; known: {known}")
    try:
        if flows:
            if not (kind == FLOW or sampler == "dpm++2m"):
                raise InputError(f"{path}: {kind} with use_flow_sigmas is not supported")
            schedule = _flow(config, kind, patch, even and kind == FLOW)
            return Native(
                prediction="flow", schedule=schedule, sampler=sampler, learned_variance=learned_variance
            ), notes
        return _noise(config, kind, sampler, path, override, learned_variance), notes
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: {error}") from error


def _noise(
    config: Mapping[str, Any], kind: str, sampler: str, path: Path, override: str | None, learned_variance: bool
) -> Native:
    said = str(config.get("prediction_type", "epsilon"))
    prediction = SHORT[override] if override is not None else PREDICTIONS.get(said)
    if prediction is None:
        raise InputError(f"{path}: prediction_type {said!r} is not one of {', '.join(PREDICTIONS)}")
    clamps = config.get("clip_sample", kind in CLIPS)
    return Native(
        prediction=prediction,
        schedule=_table(config),
        sampler=sampler,
        learned_variance=learned_variance,
        spacing=cast(Spacing | None, config.get("timestep_spacing")),
        steps_offset=int(config.get("steps_offset", 0)),
        final_alpha_one=bool(config.get("set_alpha_to_one", kind != "PNDMScheduler")),
        clip=float(config.get("clip_sample_range", 1.0)) if clamps else None,
    )


def _table(config: Mapping[str, Any]) -> NoiseSchedule:
    """Missing numbers are those that all of diffusers' schedulers have by default."""
    zero = bool(config.get("rescale_betas_zero_snr", False))
    if config.get("trained_betas") is not None:
        return NoiseSchedule.from_betas(config["trained_betas"], zero)
    start, end = float(config.get("beta_start", 1e-4)), float(config.get("beta_end", 2e-2))
    name = config.get("beta_schedule", "linear")
    return NoiseSchedule.named(name, start, end, int(config.get("num_train_timesteps", 1000)), zero)


def _flow(config: Mapping[str, Any], kind: str, patch: int, even: bool) -> FlowSchedule:
    steps = int(config.get("num_train_timesteps", 1000))
    if kind != FLOW:
        return FlowSchedule(float(config.get("flow_shift", 1.0)), steps)
    if not config.get("use_dynamic_shifting"):
        return FlowSchedule(float(config.get("shift", 1.0)), steps, even)
    dynamic = DynamicShift(
        base=float(config.get("base_shift", 0.5)),
        most=float(config.get("max_shift", 1.15)),
        base_tokens=int(config.get("base_image_seq_len", 256)),
        most_tokens=int(config.get("max_image_seq_len", 4096)),
        patch=patch,
    )
    if dynamic.base_tokens == dynamic.most_tokens:
        raise ValueError(f"base_image_seq_len and max_image_seq_len are both {dynamic.base_tokens}: correct one")
    return FlowSchedule(steps=steps, even=even, dynamic=dynamic)


def _notes(config: Mapping[str, Any], kind: str, sampler: str) -> tuple[str, ...]:
    found = (
        [] if kind == FLOW or kind in SAME else [f"{kind} is sampled by our {sampler}, with the same noise schedule"]
    )
    found += [
        f"{kind} option {name}={config[name]} is not followed by our {sampler}"
        for name, ours in OF_SOLVER.items()
        if name in config and config[name] not in ours
    ]
    lowest = config.get("lambda_min_clipped")
    if lowest is not None and math.isfinite(float(lowest)):
        found.append(f"{kind} option lambda_min_clipped={lowest} is not followed by our {sampler}")
    return tuple(found)
