"""Weights of a file into a network, all of them and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from backbones.checkpoint import compare


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into a network, cast to its own dtypes.

    Args:
        network: on the CPU.
        tensors: by the network's own names.
        path: of their file, for the message.

    Raises:
        CheckpointError: names or shapes differ (the first few are named). The network has not changed then.
    """
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    compare(path, {key: tuple(value.shape) for key, value in tensors.items()}, wanted)
    network.load_state_dict(dict(tensors))
