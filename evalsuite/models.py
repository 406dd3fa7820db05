"""From a name to a model that is ready to sample."""

from __future__ import annotations

import torch
from torch import nn

from backbones.protocol import Condition, TextToImage
from evalsuite.errors import InputError
from evalsuite.machine import check_device
from evalsuite.registry import MODELS

__all__ = ["TORCH_DTYPES", "Condition", "TextToImage", "parameters", "place", "resolve"]

TORCH_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NEEDED = ("name", "stride", "fingerprint", "latent_shape", "encode", "velocity", "decode", "unknown_words", "to")


def resolve(name: str) -> TextToImage:
    """Build a model by name: ours, an entry point of ``evalsuite.backbones``, or ``module:factory``.

    Returns:
        The model, on the CPU in fp32.

    Raises:
        InputError: unknown name, a factory that fails on its weights, or one that makes something else.
    """
    factory = MODELS.load(name)
    if not callable(factory):
        raise InputError(f"model {name!r} is a {type(factory).__name__}: name a function that returns the model")
    try:
        model = factory()
    except (ValueError, OSError, ImportError, TypeError) as error:
        raise InputError(f"model {name!r} cannot be built: {error}") from error
    missing = [part for part in NEEDED if not hasattr(model, part)]
    if missing:
        raise InputError(f"model {name!r} has no {', '.join(missing)}: see backbones.protocol.TextToImage")
    found: TextToImage = model
    return found


def place(model: TextToImage, device: str, dtype: str) -> TextToImage:
    """Move a model to a device of this machine, in ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        InputError: the device is not here.
    """
    check_device(device)
    return model.to(torch.device(device), TORCH_DTYPES[dtype])


def parameters(model: TextToImage) -> int:
    """How many numbers the model has learned: those of its modules, 0 when it has none."""
    own = [model] if isinstance(model, nn.Module) else vars(model).values()
    return sum(weight.numel() for part in own if isinstance(part, nn.Module) for weight in part.parameters())
