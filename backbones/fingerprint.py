"""A model's identity: a SHA-256 over its weights and all that is said of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import nn


def fingerprint_of(about: Mapping[str, object], modules: Mapping[str, nn.Module]) -> str:
    """Return the SHA-256, hex, of plain JSON data and of modules' weights, whatever their device.

    Args:
        about: what can change a pixel besides the weights: configurations, `Native.facts()`, arguments.
        modules: name -> module.
    """
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for key, module in sorted(modules.items()):
        digest.update(f"{key} {type(module).__name__}".encode())
        add_weights(digest, module)
    return digest.hexdigest()


def add_weights(digest: hashlib._Hash, module: nn.Module) -> None:
    """Update a hash with names, shapes, dtypes and bytes of a module's state, sorted by name."""
    for name, weight in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(weight.detach().cpu().flatten().view(torch.uint8).numpy().data)
