"""From a name to a model that is ready to sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

import torch
from torch import nn

from backbones.protocol import Condition, TextToImage
from evalsuite.errors import InputError
from evalsuite.machine import check_device
from evalsuite.model_source import ModelSource, arguments, locate, parse
from evalsuite.registry import MODELS

__all__ = ["TORCH_DTYPES", "Condition", "TextToImage", "parameters", "place", "resolve"]

TORCH_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NEEDED = ("name", "stride", "fingerprint", "latent_shape", "encode", "velocity", "decode", "unknown_words", "to")


def resolve(name: str, args: Sequence[str] = ()) -> TextToImage:
    """Build a model by name: ours, an entry point of ``evalsuite.backbones``, ``module:factory``, a path or a hub id.

    Args:
        name: see `evalsuite.model_source`; a factory is given the arguments that stand in it, as text.
        args: ``key=value`` for models from files, where the name does not say otherwise.

    Returns:
        The model, on the CPU in fp32.

    Raises:
        InputError: unknown name, a file that is not there or no model that we know, a factory that fails on its
            weights, or one that makes something else.
    """
    source = parse(name)
    build = _loader(source, args) if source.is_file else _factory(source)
    try:
        model = build()
    except InputError:
        raise
    except (ValueError, OSError, ImportError, TypeError) as error:
        raise InputError(f"model {name!r} cannot be built: {error}") from error
    missing = [part for part in NEEDED if not hasattr(model, part)]
    if missing:
        raise InputError(f"model {name!r} has no {', '.join(missing)}: see backbones.protocol.TextToImage")
    return model


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


def _factory(source: ModelSource) -> Callable[[], TextToImage]:
    factory = MODELS.load(source.target)
    if not callable(factory):
        kind = type(factory).__name__
        raise InputError(f"model {source.target!r} is a {kind}: name a function that returns the model")

    def build() -> TextToImage:
        model: TextToImage = factory(**source.args)
        return model

    return build


def _loader(source: ModelSource, args: Sequence[str]) -> Callable[[], TextToImage]:
    path = locate(source)
    given = arguments(args, "model_args") | dict(source.args)

    def build() -> TextToImage:
        from evalsuite.loaders.detect import LOADERS, detect
        from evalsuite.loaders.safety import refuse_code

        kind = detect(path)
        if kind == "diffusers":
            refuse_code(path)
        model: TextToImage = import_module(LOADERS[kind]).load(path, given)
        return model

    return build
