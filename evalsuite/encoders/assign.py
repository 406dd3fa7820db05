"""An open_clip network out of a safetensors file: the file is mapped, and no random weights are drawn before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import open_clip
import torch
from open_clip import CLIP, CustomTextCLIP
from open_clip.model import convert_to_custom_text_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from backbones.checkpoint import CheckpointError, Shapes, read_shapes
from evalsuite.errors import InputError

Network: TypeAlias = CLIP | CustomTextCLIP

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
"""What weights may be stored in; narrower kinds need scales that a plain file of tensors does not have."""
MASK = "attn_mask"
SCALARS = ("logit_scale", "logit_bias")
"""Stored with no axes or with one of length 1, by version of open_clip; features do not depend on them."""
SHOWN = 3
"""Differing tensors that an error names."""


def read_config(architecture: str | Mapping[str, Any]) -> dict[str, Any]:
    """The ``model_cfg`` of an architecture, a copy.

    Args:
        architecture: a name that open_clip knows, or a ``model_cfg`` itself.

    Raises:
        InputError: unknown, or without a size of the features, an image tower and a text tower.
    """
    if not isinstance(architecture, str):
        config: dict[str, Any] = deepcopy(dict(architecture))
    elif architecture in (known := open_clip.list_models()):  # get_model_config would look elsewhere too, even online
        config = open_clip.get_model_config(architecture)
    else:
        near = get_close_matches(architecture, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "open_clip.list_models() has all names"
        raise InputError(f"open_clip {open_clip.__version__} has no architecture {architecture!r}: {hint}")
    towers = all(isinstance(config.get(tower), dict) for tower in ("vision_cfg", "text_cfg"))
    if not towers or not isinstance(config.get("embed_dim"), int):
        raise InputError("not a model_cfg of open_clip: it needs embed_dim, vision_cfg and text_cfg")
    return config


def build(
    architecture: str | Mapping[str, Any],
    path: Path,
    *,
    quick_gelu: bool | None = None,
    device: str | torch.device = "cpu",
    name: str = "",
) -> Network:
    """A network for inference in fp32, with the weights of a file.

    Args:
        architecture: a name that open_clip knows, or a ``model_cfg``.
        path: safetensors, under the names of open_clip. On the CPU, fp32 weights stay in the file and come in as they
            are used: the file must not change while the network lives.
        quick_gelu: the activation of OpenAI's weights; None means what the architecture says.
        device: where the weights go.
        name: what errors call the architecture.

    Raises:
        InputError: an architecture with parts that come from the hub, or a file that is damaged or of another one.
    """
    config = read_config(architecture)
    if quick_gelu is not None:
        config["quick_gelu"] = quick_gelu
    name = name or (architecture if isinstance(architecture, str) else "the configured architecture")
    model = construct(config, name)
    fill(model, path, name, device)
    return model.eval().requires_grad_(False)


def construct(config: Mapping[str, Any], name: str) -> Network:
    """The modules of a ``model_cfg``, without memory for their weights: `fill` gives it to them.

    Raises:
        InputError: not a configuration of open_clip, or one with parts that come from the hub.
    """
    config = read_config(config)
    vision, text = config["vision_cfg"], config["text_cfg"]
    if text.get("hf_model_name") or "multimodal_cfg" in config:
        part = text.get("hf_model_name") or "a captioner"
        raise InputError(f"{name}: its text tower is {part}, which open_clip takes from the hub: name another network")
    if ":" in str(vision.get("timm_model_name") or ""):
        raise InputError(f"{name}: its image tower comes from {vision['timm_model_name']}: name another network")
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False  # else timm would fetch weights, which ours replace
    kind = CustomTextCLIP if config.pop("custom_text", False) else CLIP
    try:
        with torch.device("meta"):
            model = kind(**config)
        if any(not key.endswith(MASK) for key in _unstored(model)):
            # Tables that only the constructor can make, as rotary towers have: then it has to run for real.
            with torch.random.fork_rng(devices=[]):
                model = kind(**config)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        version = open_clip.__version__
        raise InputError(
            f"{name}: open_clip {version} cannot build it ({_line(error)}): correct its model_cfg"
        ) from error
    return model


def fill(model: nn.Module, path: Path, name: str, device: str | torch.device = "cpu") -> None:
    """Give a model the tensors of a file, strictly; floats become fp32, causal masks are made.

    Args:
        model: with or without memory for its weights.
        path: safetensors.
        name: what errors call the architecture.
        device: where the weights go.

    Raises:
        InputError: names, shapes or kinds of number differ (the first few are named), or the file is damaged.
    """
    tensors = _read(path)
    if "positional_embedding" in tensors and isinstance(model, CustomTextCLIP):
        tensors = convert_to_custom_text_state_dict(tensors)
    state = model.state_dict()
    for key in SCALARS:
        if key in tensors and key in state and tensors[key].numel() == state[key].numel() == 1:
            tensors[key] = tensors[key].reshape(state[key].shape)
    _compare(path, name, tensors, state)
    placed = {key: _placed(path, key, tensor, state[key], device) for key, tensor in tensors.items()}
    model.load_state_dict(placed, strict=True, assign=True)
    for key, buffer in _unstored(model).items():
        module, _, attribute = key.rpartition(".")
        mask = torch.full(buffer.shape, -torch.inf, device=device).triu_(1)  # row i sees columns 0 to i
        setattr(model.get_submodule(module), attribute, mask)
    model.to(device)


def _unstored(model: nn.Module) -> dict[str, Tensor]:
    """Buffers without memory that no file holds."""
    stored = model.state_dict().keys()
    return {key: buffer for key, buffer in model.named_buffers() if buffer.is_meta and key not in stored}


def _read(path: Path) -> dict[str, Tensor]:
    try:
        read_shapes(path)  # bounds the header before safetensors parses it
        return load_file(path)
    except (CheckpointError, SafetensorError, OSError) as error:
        reason = _line(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: not a sound safetensors file ({reason}): fetch the weights again") from error


def _placed(path: Path, key: str, tensor: Tensor, expected: Tensor, device: str | torch.device) -> Tensor:
    if not expected.is_floating_point() and tensor.dtype == expected.dtype:
        return tensor.to(device)
    if not expected.is_floating_point() or tensor.dtype not in DTYPES:
        raise InputError(f"{path}: {key} is {tensor.dtype}, not fp32, fp16 or bf16: take weights that are")
    return tensor.to(device).to(torch.float32)  # in this order half the bytes travel to a GPU


def _compare(path: Path, name: str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    differences = list(_differences(_shapes(found), _shapes(expected)))
    if differences:
        more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise InputError(
            f"{path}: not weights of {name}: {'; '.join(differences[:SHOWN])}{more}:"
            " name the architecture that they are of, or take others"
        )


def _differences(found: Shapes, expected: Shapes) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            yield f"{key[:80]} is {_say(found.get(key))}, expected {_say(expected.get(key))}"


def _shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def _say(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a scalar"


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
