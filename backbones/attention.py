"""Attention with 2D axial rotary positions, softmax or linear.

Letters: B batch, N heads, L tokens, H head width, D = N * H.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.layers import RMSNorm

Kind = Literal["softmax", "linear"]
KINDS: tuple[Kind, ...] = ("softmax", "linear")
Places = Literal["centred", "scaled", "corner"]
PLACES: tuple[Places, ...] = ("centred", "scaled", "corner")


class Rotation(NamedTuple):
    """Cosines and sines of the rotary angles, each (L, H/2), fp32."""

    cos: Tensor
    sin: Tensor


def grid_positions(
    rows: int,
    columns: int,
    device: torch.device | None = None,
    places: Places = "centred",
    side: int = 0,
) -> Tensor:
    """Return (row, column) of every token of a grid, row-major: (L, 2).

    At the square of training all three are the same.

    Args:
        rows: of the grid.
        columns: likewise.
        device: of the result.
        places: "centred" on 0 and one unit apart, so that a change of aspect ratio moves no token far from where
            training saw it, and tokens without a place (text) can sit in the middle, at (0, 0); "scaled" besides, so
            that both axes span `side` units at any ratio; "corner", counted from the first token of the square of
            training, as where nobody thought of aspect ratios: a longer axis runs past its end, a shorter one stops.
        side: tokens along a side of the square of training; "centred" needs none.
    """
    axes = []
    for count in (rows, columns):
        axis = (
            torch.arange(count, dtype=torch.float32, device=device) - ((side if places == "corner" else count) - 1) / 2
        )
        axes.append(axis * (side / count) if places == "scaled" else axis)
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 1)  # (L, 2)


def axial_rotation(positions: Tensor, head_width: int, theta: float = 100.0) -> Rotation:
    """Turn positions (L, 2) into rotary angles: half of the frequencies for rows, half for columns.

    Args:
        positions: (row, column) of each token, in units of one token.
        head_width: H, divisible by 4.
        theta: ratio of the fastest to the slowest frequency. The language models' 10,000 leaves most
            frequencies constant on axes of 8 to 32 tokens.
    """
    if head_width % 4:
        raise ValueError(f"head width {head_width} does not divide by 4, which 2D rotary positions need")
    count = head_width // 4
    steps = torch.arange(count, dtype=torch.float32, device=positions.device)
    angles = (positions[:, :, None] * theta ** (-steps / count)).flatten(1)  # (L, H/2) radians
    return Rotation(angles.cos(), angles.sin())


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """RoPE (arXiv:2104.09864): turn the pairs (x_i, x_{i + H/2}) of x (B, N, L, H) by their angles."""
    a, b = x.float().chunk(2, dim=-1)  # 2 x (B, N, L, H/2)
    cos, sin = rotation
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).type_as(x)  # (B, N, L, H)


def linear_attention(q: Tensor, k: Tensor, v: Tensor, rotation: Rotation | None, eps: float = 1e-15) -> Tensor:
    """Attention with ReLU features, linear in the number of tokens (SANA, arXiv:2410.10629).

    y_i = sum_j <R relu(q_i), R relu(k_j)> v_j / (sum_j <relu(q_i), relu(k_j)> + eps), summed in fp32.
    The denominator uses features that are not rotated: rotated ones would make its sign indefinite.

    Args:
        q: queries (B, N, L, H).
        k: keys (B, N, M, H).
        v: values (B, N, M, H).
        rotation: rotary angles of the tokens (then L = M), or None.
        eps: keeps a token whose features are all zero finite.

    Returns:
        (B, N, L, H) in the dtype of v.
    """
    with _exact(q.device.type):
        q, k = q.float().relu(), k.float().relu()
        turned_q, turned_k = (q, k) if rotation is None else (rotate(q, rotation), rotate(k, rotation))
        numerator = turned_q @ (turned_k.transpose(-1, -2) @ v.float())  # (B, N, L, H)
        denominator = q @ k.sum(dim=-2).unsqueeze(-1)  # (B, N, L, 1)
        return (numerator / (denominator + eps)).type_as(v)


def _exact(device: str) -> AbstractContextManager[None]:
    """No autocast; the meta device has none to begin with."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


class Attention(nn.Module):
    """Multi-head attention with RMS-normalised queries and keys (QK-norm, arXiv:2302.05442).

    Args:
        width: D of the queries' stream and of the output.
        heads: N; D must divide by it.
        context_width: width of the stream that gives keys and values; None for self-attention.
        kind: "softmax" (scaled_dot_product_attention) or "linear".
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None, kind: Kind = "softmax"):
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} does not divide by {heads} heads")
        if kind not in KINDS:
            raise ValueError(f"attention {kind!r} is not one of {', '.join(KINDS)}")
        self.heads, self.kind = heads, kind
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(context_width or width, 2 * width, bias=False)
        self.query_norm, self.key_norm = RMSNorm(width // heads), RMSNorm(width // heads)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor | None = None, rotation: Rotation | None = None) -> Tensor:
        """Let x (B, L, D) look at `context` (B, M, Dc), or at itself where that is None: (B, L, D)."""
        q = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, N, L, H)
        kv = self.key_value(x if context is None else context)  # (B, M, 2D)
        k, v = kv.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # 2 x (B, N, M, H)
        q, k = self.query_norm(q), self.key_norm(k)
        if self.kind == "linear":
            y = linear_attention(q, k, v, rotation)  # (B, N, L, H)
        else:
            if rotation is not None:
                q, k = rotate(q, rotation), rotate(k, rotation)
            y = F.scaled_dot_product_attention(q, k, v)  # (B, N, L, H)
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))  # (B, L, D)
        return out
