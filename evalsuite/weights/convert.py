"""From a pickled checkpoint to safetensors: the one place that opens a pickle, and it runs nothing of it."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from evalsuite.errors import InputError

WRAPPERS, PREFIX = ("ema", "state_dict", "model"), "module."
"""Under which a training file keeps weights, the averaged ones first: those are what one samples with."""
HARMLESS: list[Any] = [argparse.Namespace]
"""What training files hold besides tensors and plain data: it runs nothing when it is made."""


def convert(source: Path, target: Path) -> None:
    """Write the tensors of a ``.pt`` as safetensors, same values and dtypes.

    Args:
        source: see `read`.
        target: written over.

    Raises:
        InputError: the file holds anything but tensors, or is damaged; nothing in it has run.
    """
    storages: set[int] = set()
    tensors = {}
    for key, value in read(source).items():
        if not is_finite(value):
            raise InputError(f"{source}: tensor {key[:80]!r} holds values that are not finite: take the published file")
        tensors[key] = _alone(value, storages)
    try:
        save_file(tensors, target, metadata={"format": "pt"})
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise InputError(f"{source}: cannot become safetensors ({_line(error)}); nothing is kept of it") from error


def read(source: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pt``, on the CPU; those of the zip format stay on disk until they are used.

    Args:
        source: a dict of tensors, bare or under ``ema``, ``state_dict`` or ``model``, with or without ``module.``
            before every key.

    Raises:
        InputError: the file holds anything but tensors, or is damaged; nothing in it has run.
    """
    found = _load(source)
    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
            break
    if not isinstance(found, Mapping) or not found:
        raise InputError(f"{source}: holds no dict of tensors but {type(found).__name__}: take the published file")
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.layout is not torch.strided:
            kind = f"{type(key).__name__} to {type(value).__name__}"
            raise InputError(f"{source}: {str(key)[:80]!r} ({kind}) names no dense tensor: save the state dict alone")
    wrapped = all(key.startswith(PREFIX) for key in found)
    return {key.removeprefix(PREFIX) if wrapped else key: value for key, value in found.items()}


def is_finite(value: Tensor) -> bool:
    """Whether every number of it is one; integers are."""
    return not value.is_floating_point() or bool(value.float().isfinite().all())


def _load(source: Path) -> Any:
    try:
        # A map of the file in place of a copy: half the memory; files older than the zip format have no such map.
        with torch.serialization.safe_globals(HARMLESS):
            return torch.load(source, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(source))
    except Exception as error:  # a hostile or damaged pickle can raise anything; none of it may pass as a fault of ours
        raise InputError(
            f"{source}: refused, it is not a plain file of tensors ({_line(error)});"
            " convert it to safetensors where you trust it, or take the published file"
        ) from error


def _alone(value: Tensor, storages: set[int]) -> Tensor:
    """The tensor with memory of its own: safetensors refuses weights that are tied or parts of larger ones."""
    storage = value.untyped_storage()
    shared = storage.data_ptr() in storages or storage.nbytes() != value.nbytes
    storages.add(storage.data_ptr())
    return (value.detach().clone() if shared else value.detach()).contiguous()


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
