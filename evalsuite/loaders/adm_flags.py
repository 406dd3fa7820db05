"""The flags that a guided-diffusion checkpoint was trained with, from a JSON file: its weights cannot tell them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.adm_unet import ADMConfig
from backbones.native import Native, NoiseSchedule
from evalsuite.errors import InputError
from evalsuite.loaders.detect import read_json

NEEDED = (
    "image_size", "num_channels", "num_res_blocks", "attention_resolutions", "class_cond", "learn_sigma",
    "noise_schedule",
)  # fmt: skip
DEFAULTS: dict[str, Any] = {  # guided-diffusion's own
    "num_heads": 4,
    "num_heads_upsample": -1,
    "num_head_channels": -1,
    "channel_mult": "",
    "use_scale_shift_norm": True,
    "resblock_updown": False,
    "use_new_attention_order": False,
    "diffusion_steps": 1000,
    "predict_xstart": False,
    "rescale_timesteps": False,
}
IGNORED = (
    "dropout", "use_checkpoint", "use_fp16", "use_kl", "rescale_learned_sigmas", "timestep_respacing", "clip_denoised",
    "use_ddim", "batch_size", "num_samples", "model_path", "attention_ds",
)  # fmt: skip
MULT = {  # image_size -> channel_mult
    512: (0.5, 1, 1, 2, 2, 4, 4),
    256: (1, 1, 2, 2, 4, 4),
    128: (1, 1, 2, 3, 4),
    64: (1, 2, 3, 4),
}
EXAMPLE: dict[str, Any] = {
    "image_size": 64, "num_channels": 192, "num_res_blocks": 3, "attention_resolutions": "32,16,8", "class_cond": True,
    "learn_sigma": True, "noise_schedule": "cosine", "num_head_channels": 64, "resblock_updown": True,
    "use_new_attention_order": True,
}  # fmt: skip
Flags = Mapping[str, Any]


def read_flags(path: Path, model: Path) -> Flags:
    """Flags with guided-diffusion's defaults for those that are not said.

    Args:
        path: of the JSON file: one object, named as guided-diffusion's command line names them.
        model: of the checkpoint, for messages.

    Raises:
        InputError: no such file, or one that lacks a flag, has an unknown one, or a value of the wrong kind.
    """
    if not path.is_file():
        raise InputError(
            f"{model}: guided-diffusion's weights do not say how they are used: write the flags they were trained with"
            f" to {path} or flags=FILE, such as {json.dumps(EXAMPLE)}"
        )
    given = read_json(path)
    if not isinstance(given, dict):
        raise InputError(f"{path}: no JSON object of flags, such as {json.dumps(EXAMPLE)}")
    if missing := [name for name in NEEDED if name not in given]:
        raise InputError(f"{path}: lacks {', '.join(missing)}: say all flags that the checkpoint was trained with")
    for name, value in given.items():
        if name not in (*NEEDED, *DEFAULTS, *IGNORED):
            raise InputError(f"{path}: no flag {name[:40]!r} of guided-diffusion's U-Net; known: {_known()}")
        _check(path, name, value)
    return DEFAULTS | given


def config_of(flags: Flags, classes: int | None, path: Path) -> ADMConfig:
    """The network's sizes.

    Args:
        flags: as read.
        classes: rows of the checkpoint's label table, or None.
        path: of the flags, for messages.
    """
    size = flags["image_size"]
    shrunk = [size / side for side in _numbers(path, flags, "attention_resolutions")]
    if flags["class_cond"] != (classes is not None):
        has = "has" if classes is not None else "lacks"
        raise InputError(f"{path}: class_cond is {flags['class_cond']}, and the checkpoint {has} labels: correct it")
    if flags["num_heads_upsample"] not in (-1, flags["num_heads"]):
        raise InputError(f"{path}: num_heads_upsample other than num_heads is not supported")
    try:
        return ADMConfig(
            channels=flags["num_channels"],
            blocks=flags["num_res_blocks"],
            mult=_mult(flags, path),
            attention=tuple(int(factor) for factor in shrunk),
            heads=flags["num_heads"],
            head_channels=None if flags["num_head_channels"] == -1 else flags["num_head_channels"],
            classes=classes,
            learned_variance=flags["learn_sigma"],
            scale_shift=flags["use_scale_shift_norm"],
            residual_resize=flags["resblock_updown"],
            new_order=flags["use_new_attention_order"],
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def native_of(flags: Flags, path: Path) -> Native:
    """The parametrisation, sampled as guided-diffusion does: evenly spaced timesteps, x0 clamped to [-1, 1]."""
    steps, name = flags["diffusion_steps"], flags["noise_schedule"]
    if name == "linear":
        schedule = NoiseSchedule.named("linear", 0.1 / steps, 20 / steps, steps)
    elif name == "cosine":
        schedule = NoiseSchedule.named("squaredcos_cap_v2", steps=steps)
    else:
        raise InputError(f"{path}: noise_schedule {name!r} is not one of linear, cosine")
    return Native(
        prediction="x0" if flags["predict_xstart"] else "eps",
        schedule=schedule,
        learned_variance=flags["learn_sigma"],
        spacing="linspace",
        clip=1.0,
        noise_from_clipped=True,
    )


def _mult(flags: Flags, path: Path) -> tuple[float, ...]:
    if flags["channel_mult"]:
        return tuple(_numbers(path, flags, "channel_mult"))
    if flags["image_size"] not in MULT:
        raise InputError(f"{path}: image_size {flags['image_size']} has no usual channel_mult: say it, such as '1,2,4'")
    return MULT[flags["image_size"]]


def _numbers(path: Path, flags: Flags, name: str) -> list[float]:
    try:
        found = [float(part) for part in flags[name].split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < number <= 4096 for number in found):
        raise InputError(f"{path}: {name} is {flags[name]!r}: write numbers between commas, such as '32,16,8'")
    return found


def _check(path: Path, name: str, value: Any) -> None:
    kind: type = type(EXAMPLE.get(name, DEFAULTS.get(name, value)))
    if type(value) is not kind:
        raise InputError(f"{path}: {name} is {json.dumps(value)[:40]}, not a {kind.__name__}: see guided-diffusion")
    unset = value == -1 and DEFAULTS.get(name) == -1
    if isinstance(value, int) and kind is int and name not in IGNORED and not (unset or 1 <= value <= 10_000):
        raise InputError(f"{path}: {name} is {value}: out of range")


def _known() -> str:
    return ", ".join((*NEEDED, *DEFAULTS))
