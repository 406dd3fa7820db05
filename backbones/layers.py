"""Small layers shared by the backbones: RMSNorm, SwiGLU, time embedding, patches, padding.

Letters: B batch, L tokens, D width, C channels, h x w latent sides, p patch side.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


class RMSNorm(nn.Module):
    """x / rms(x) over the last axis, with an optional learned gain (arXiv:1910.07467)."""

    def __init__(self, width: int, affine: bool = True, eps: float = 1e-6):
        super().__init__()
        self.width, self.eps = width, eps
        self.weight = nn.Parameter(torch.ones(width)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., D) in its own dtype."""
        # A gain of another dtype (autocast keeps parameters in fp32) would miss the fused kernel.
        gain = None if self.weight is None else self.weight.to(x.dtype)
        return F.rms_norm(x, (self.width,), gain, self.eps)  # (..., D)


class SwiGLU(nn.Module):
    """Gated feed-forward layer: down(silu(gate x) * up x) (arXiv:2002.05202)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, L, D) to (B, L, D)."""
        gate, value = self.up(x).chunk(2, dim=-1)  # 2 x (B, L, hidden)
        y: Tensor = self.down(F.silu(gate) * value)  # (B, L, D)
        return y


def sinusoids(t: Tensor, width: int, max_period: float = 10_000.0) -> Tensor:
    """Return cosines and sines of 1000 t at `width` / 2 geometric frequencies, fp32.

    Args:
        t: flow time (B,) in [0, 1]. The factor 1000 restores the range that the frequencies were made for.
        width: an even number of features.
        max_period: the slowest period, in units of t / 1000.

    Returns:
        (B, width) in [-1, 1].
    """
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device)
    phase = 1000.0 * t.float()[:, None] * torch.exp(-math.log(max_period) * steps / half)  # (B, width/2)
    return torch.cat([phase.cos(), phase.sin()], dim=-1)  # (B, width)


class TimeEmbedding(nn.Module):
    """Sinusoids of flow time, then a two-layer network."""

    def __init__(self, width: int, features: int = 256):
        super().__init__()
        self.features = features
        self.mlp = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Embed t (B,) in [0, 1] as (B, D), in the dtype of the weights."""
        weight = self.mlp[0].weight
        assert isinstance(weight, Tensor)
        y: Tensor = self.mlp(sinusoids(t, self.features).to(weight.dtype))  # (B, D)
        return y


def patchify(x: Tensor, patch: int) -> Tensor:
    """Cut x (B, C, h, w) into row-major patches (B, h/p * w/p, C*p*p); h and w divide by p."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, L, C*p*p)


def unpatchify(tokens: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """Undo `patchify`: (B, rows * columns, C*p*p) to (B, C, rows * p, columns * p)."""
    x = tokens.reshape(len(tokens), rows, columns, -1, patch, patch)  # (B, rows, columns, C, p, p)
    return x.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)  # (B, C, h, w)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Zero-pad the right and bottom of x (B, C, h, w) until both sides divide by `multiple`."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple))  # (B, C, h', w')


def group_norm(channels: int, groups: int = 32) -> nn.GroupNorm:
    """GroupNorm of at most `groups` groups: as many as divide the channels."""
    return nn.GroupNorm(math.gcd(groups, channels), channels)


def zeroed(layer: Layer) -> Layer:
    """Set a layer's weight and bias to zero."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
