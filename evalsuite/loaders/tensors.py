"""Weights of a file: what they are called and how large they are, and then the tensors themselves."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backbones.checkpoint import Shapes, read_shapes
from evalsuite.errors import InputError
from evalsuite.weights import convert

PICKLED = (".pt", ".pth", ".ckpt", ".bin")


def shapes_of(path: Path) -> Shapes:
    """Name to shape of every tensor of a ``.safetensors`` or pickled file.

    Of a training file that holds several sets, the averaged weights (``ema``) are meant, else ``state_dict`` or
    ``model``.

    Raises:
        InputError: a pickled file that holds more than tensors, or is damaged; nothing of it has run.
        CheckpointError: the header of a safetensors file is not valid, or too large.
    """
    if path.suffix in PICKLED:
        return {name: tuple(tensor.shape) for name, tensor in convert.read(path).items()}
    return read_shapes(path)


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Name to tensor, in the file's own dtypes, on the CPU; which set is meant and what is raised is as in `shapes_of`.

    Raises:
        InputError: besides, a value that is not finite.
    """
    found = convert.read(path) if path.suffix in PICKLED else _safe(path)
    for name, tensor in found.items():
        if not convert.is_finite(tensor):
            raise InputError(f"{path}: tensor {name[:80]!r} holds values that are not finite: take another checkpoint")
    return found


def _safe(path: Path) -> dict[str, Tensor]:
    read_shapes(path)  # its caps come before the file is read
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}; copy the file again") from error
