"""Weight files that travel with the package: fp16 on disk, each known by the SHA-256 on its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from evalsuite.errors import InputError


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> str:
    """Write tensors to a safetensors file, floats as fp16, and a JSON card of the same stem beside it.

    Args:
        path: ends in ``.safetensors``.
        tensors: integer tensors are stored as they are.
        facts: what the card says besides the digest: data, recipe, results.

    Returns:
        Hex SHA-256 of the file.

    Raises:
        ValueError: a value is not finite in fp16.
    """
    stored = {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous()
        stored[name] = value.half() if value.is_floating_point() else value
        if not stored[name].isfinite().all():
            raise ValueError(f"{name} is not finite in fp16: largest magnitude {value.abs().max()}")
    data = save(stored)
    digest = sha256(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    card = {"sha256": digest, "bytes": len(data), **facts}
    path.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return digest


def load_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read a file written by save_tensors; floats come back as fp32.

    Returns:
        Tensors by name and the hex SHA-256 of the file.

    Raises:
        InputError: the file or its card is missing, or the file is not the one on the card.
    """
    try:
        data = path.read_bytes()
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); reinstall evalsuite") from error
    except ValueError as error:
        raise InputError(f"{path.with_suffix('.json')}: not JSON ({error}); reinstall evalsuite") from error
    digest, expected = sha256(data), card.get("sha256") if isinstance(card, dict) else None
    if digest != expected:
        raise InputError(f"{path}: sha256 {digest} is not the card's {expected}; reinstall evalsuite")
    return {name: _widen(tensor) for name, tensor in load(data).items()}, digest


def _widen(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor
