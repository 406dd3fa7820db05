"""Components from one file in the original layout, through diffusers' own conversion; nothing from a hub."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from evalsuite.errors import InputError
from evalsuite.loaders import diffusers_parts as parts


def network(tensors: Mapping[str, Any], where: Path, config: Path, name: str) -> nn.Module:
    """A denoiser or VAE from the tensors of a single-file checkpoint.

    Args:
        tensors: name to tensor.
        where: their file, for messages.
        config: the component's own folder, with its config.json.
        name: of the class in diffusers.

    Raises:
        InputError: tensors that do not fit the config: says which.
    """
    kind = getattr(parts.library("diffusers"), name)
    said = parts.config_of(config).get("_class_name")
    if said != name or not hasattr(kind, "from_single_file"):
        raise InputError(f"{config}: {said} cannot be read from a single file: take the diffusers folder of the model")
    seen: dict[str, Sequence[Any]] = {}

    class Strict(kind):  # type: ignore[misc, valid-type]  # diffusers itself would leave missing weights random
        def load_state_dict(self, state: Mapping[str, Any], *_: Any, **__: Any) -> Any:
            own = self.state_dict()
            wrong = [(key, value.shape, own[key].shape) for key, value in state.items()
                     if key in own and own[key].shape != value.shape]  # fmt: skip
            fits = {key: value for key, value in state.items() if key not in {name for name, *_ in wrong}}
            result = super().load_state_dict(fits, strict=False)
            missing = [key for key in result.missing_keys if key not in state]
            seen.update(missing_keys=missing, unexpected_keys=result.unexpected_keys, mismatched_keys=wrong)
            return result

    try:
        model: nn.Module = Strict.from_single_file(
            dict(tensors), config=str(config.parent), subfolder=config.name, low_cpu_mem_usage=False, **parts.LOCAL
        )
    except (ValueError, OSError, RuntimeError, KeyError, AttributeError) as error:
        raise InputError(f"{where}: cannot be read as {name}: {parts.line_of(error)}") from error
    model.__class__ = kind
    parts.check(seen, where, strict=True)
    return parts.ready(model, where)


def encoders(
    name: str, path: Path, config: Path, encoders: Sequence[str], numbers: int, others: Mapping[str, nn.Module]
) -> dict[str, nn.Module | None]:
    """Text encoders from a single-file checkpoint.

    Args:
        name: of the pipeline in diffusers.
        path: the file.
        config: the pipeline's folder.
        encoders: names of the encoders in it.
        numbers: how many numbers the file has for them.
        others: the components that are there already.

    Raises:
        InputError: they cannot be read, the folder has them pickled, or the file has fewer numbers than they need:
            diffusers would leave the others random.
    """
    for key in encoders:  # diffusers falls back to the folder's weights, of whatever format
        if any((config / key).glob("*.bin")):
            raise InputError(f"{config / key}: holds pickled weights: take them away, or save them as safetensors")
    kind = getattr(parts.library("diffusers"), name)
    given = {key: None for key in ("safety_checker",) if key in inspect.signature(kind.__init__).parameters}
    try:
        with parts.without_bars():
            pipe = kind.from_single_file(str(path), config=str(config), **given, **parts.LOCAL, **others)
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: text encoders cannot be read: {parts.line_of(error)}") from error
    found = {key: getattr(pipe, key, None) for key in encoders}
    needed = sum(weight.numel() for part in found.values() if part is not None for weight in part.parameters())
    if needed > numbers:
        raise InputError(f"{path}: holds {numbers} numbers of text encoders where {config} has {needed}: wrong config")
    return {key: None if part is None else parts.ready(part, path) for key, part in found.items()}
