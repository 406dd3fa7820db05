"""Read and write safetensors files without trusting them.

The header is checked before a tensor is touched, the tensors' shapes against the modules before they are
loaded, and their values for being finite before they are used.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

MAX_HEADER = 16 * 2**20  # bytes; 50,000 tensors need about 5 MiB
MAX_TENSORS = 50_000
SHOWN = 3  # differing keys that an error names

Shapes = dict[str, tuple[int, ...]]


class CheckpointError(ValueError):
    """A weights file that is missing, damaged, or made for another architecture; one line."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_shapes(path: Path) -> Shapes:
    """Return the shape of every tensor, reading the header alone.

    Raises:
        CheckpointError: no such file, a header over 16 MiB or not valid, or over 50,000 tensors.
    """
    try:
        with path.open("rb") as file:
            prefix = file.read(8)
            size = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
            if not 2 <= size <= MAX_HEADER:
                raise CheckpointError(f"{path}: header of {size} bytes; not a safetensors file, or too large")
            header = file.read(size)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    return _shapes(path, header)


def _shapes(path: Path, text: bytes) -> Shapes:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is not valid JSON") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header is not a table of tensors")
    header.pop("__metadata__", None)
    if len(header) > MAX_TENSORS:
        raise CheckpointError(f"{path}: {len(header)} tensors; at most {MAX_TENSORS} are read")
    shapes: Shapes = {}
    for key, entry in header.items():
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if not isinstance(shape, list) or not all(isinstance(side, int) and side >= 0 for side in shape):
            raise CheckpointError(f"{path}: tensor {key[:80]!r} has no valid shape")
        shapes[key] = tuple(shape)
    return shapes


def load_into(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Fill modules from one file, strictly; the values are cast to the modules' own dtype.

    Args:
        path: a safetensors file whose keys are "<name>.<key of the module's state>".
        modules: name -> module.

    Raises:
        CheckpointError: keys, shapes or kinds of number differ (the first few are named), the file is
            damaged, or a value is not finite in fp32. No module has changed then.
    """
    states = _states(modules)
    compare(path, read_shapes(path), {key: tuple(value.shape) for key, value in states.items()})
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: {str(error).splitlines()[0]}") from error
    _check_finite(path, tensors)
    for key, value in states.items():
        if tensors[key].is_floating_point() != value.is_floating_point():
            raise CheckpointError(f"{path}: tensor {key!r} is {tensors[key].dtype}, expected {value.dtype}")
    for name, module in modules.items():
        module.load_state_dict({key: tensors[f"{name}.{key}"] for key in module.state_dict()})


def save_half(path: Path, modules: Mapping[str, nn.Module]) -> str:
    """Write modules to one file, floating-point tensors as fp16; return the file's SHA-256, hex.

    Raises:
        CheckpointError: a value is not finite, or overflows fp16 (65,504).
    """
    tensors = {
        key: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for key, value in _states(modules).items()
    }
    _check_finite(path, tensors)
    save_file(tensors, path)
    return sha256_of(path)


def _states(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for key, value in tensors.items():
        if value.is_floating_point() and not bool(value.float().isfinite().all()):
            raise CheckpointError(f"{path}: tensor {key!r} holds values that are not finite")


def compare(path: Path, found: Shapes, expected: Shapes) -> None:
    """Raise CheckpointError where names or shapes differ; says the first few."""
    differences = [
        f"{key} is {_say(found.get(key))}, expected {_say(expected.get(key))}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]
    if differences:
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise CheckpointError(f"{path}: {'; '.join(differences[:SHOWN])}{more}")


def _say(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a scalar"
