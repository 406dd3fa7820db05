"""From a file of weights to a network: nothing is initialised at random, and what does not fit is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from evalsuite.errors import InputError

SHOWN = 3
"""Differing keys that an error names."""
Module = TypeVar("Module", bound=nn.Module)


def read_state(weights: Path | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The state in a safetensors file, or the one that is given.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not isinstance(weights, Path):
        return weights
    try:
        return load_file(weights)
    except (OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise InputError(f"{weights}: cannot be read ({reason}): fetch the weights again") from error


def named(weights: Path | Mapping[str, Tensor], network: str) -> str:
    """What errors call these weights."""
    return str(weights) if isinstance(weights, Path) else f"{network} state"


def assemble(build: Callable[[], Module], state: Mapping[str, Tensor], source: str) -> Module:
    """The network that ``build`` makes, with this state: fp32, in evaluation mode, frozen, never initialised at random.

    Raises:
        InputError: keys or shapes differ; the first few are named.
    """
    with torch.device("meta"):
        network = build()
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    differing = [key for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)]
    if differing:
        said = [f"{key} is {_say(found.get(key))}, not {_say(expected.get(key))}" for key in differing[:SHOWN]]
        more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        raise InputError(f"{source}: weights of another network: {'; '.join(said)}{more}; give the published file")
    single = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    network.load_state_dict(single, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def require_finite(rows: np.ndarray, name: str) -> np.ndarray:
    """The rows.

    Raises:
        InputError: a value is infinite or not a number.
    """
    if not np.isfinite(rows).all():
        raise InputError(f"{name}: features that are not finite: its weights are damaged, fetch them again")
    return rows


def _say(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a scalar"
