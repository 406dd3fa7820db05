"""The class-conditional transformer of facebookresearch/DiT (arXiv:2212.09748), with that repository's parameter names.

Letters: B batch, C latent channels, h x w latent sides, P patch, L = h/P * w/P tokens, D width, H heads, F frequencies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.adaln import Parts, Stack

FREQUENCIES = 256
EPS = 1e-6  # of every LayerNorm
PERIOD = 10_000.0
SAME_TABLE = 1e-5  # fp32 rounding of a table that was made in fp64


@dataclass(frozen=True, kw_only=True)
class FacebookDiTConfig:
    """Sizes of a checkpoint.

    Attributes:
        width: D.
        depth: blocks.
        heads: H, divides D.
        patch: P, latent pixels.
        grid: tokens on a side of the square that it was trained on.
        rows: of the label table: the classes, and one more for the null class, the last.
        hidden: width of the MLPs.
        channels: C.
        out_channels: C, or 2 C where the variance is learned too.
    """

    width: int
    depth: int
    heads: int
    patch: int
    grid: int
    rows: int
    hidden: int
    channels: int = 4
    out_channels: int = 8

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width {self.width} must divide by {self.heads} heads and by 4")


def sinusoids(positions: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sines and cosines (N, count) of positions (N,) at frequencies PERIOD^(-i / count)."""
    rates = torch.exp(-math.log(PERIOD) * torch.arange(count, dtype=positions.dtype, device=positions.device) / count)
    angles = positions[:, None] * rates  # (N, count)
    return angles.sin(), angles.cos()


def position_table(rows: int, columns: int, width: int) -> Tensor:
    """Fixed position embedding (1, rows * columns, width), fp32: of the column in the first half, of the row after."""
    y, x = torch.meshgrid(torch.arange(rows).double(), torch.arange(columns).double(), indexing="ij")
    parts = [part for axis in (x, y) for part in sinusoids(axis.flatten(), width // 4)]  # 4 x (L, D/4)
    return torch.cat(parts, 1).float()[None]


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Shift and scale tokens (B, L, D) by (B, D)."""
    return x * (1 + scale[:, None]) + shift[:, None]


class Attention(nn.Module):
    """Self-attention without masks."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, L, D) to the same shape."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # 3 x (B, H, L, D/H)
        y = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(y.transpose(1, 2).flatten(2))  # (B, L, D)
        return out


class MLP(nn.Module):
    """Two layers with the tanh form of GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, L, D) to the same shape."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """Attention and MLP, both shifted, scaled and gated by the condition (adaLN-Zero)."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, EPS, elementwise_affine=False) for _ in range(2))
        self.attn, self.mlp = Attention(width, heads), MLP(width, hidden)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map tokens x (B, L, D) under a condition c (B, D) to the same shape."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, 1)  # 6 x (B, D)
        x = x + gate1[:, None] * self.attn(modulate(self.norm1(x), shift1, scale1))
        out: Tensor = x + gate2[:, None] * self.mlp(modulate(self.norm2(x), shift2, scale2))
        return out


class FinalLayer(nn.Module):
    """From tokens to the pixels of their patches."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, EPS, elementwise_affine=False)
        self.linear = nn.Linear(width, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Map tokens x (B, L, D) under c (B, D) to (B, L, P * P * out)."""
        shift, scale = self.adaLN_modulation(c).chunk(2, 1)
        out: Tensor = self.linear(modulate(self.norm_final(x), shift, scale))
        return out


class PatchEmbedder(nn.Module):
    """From patches to tokens."""

    def __init__(self, config: FacebookDiTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(config.channels, config.width, config.patch, stride=config.patch)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to tokens (B, L, D)."""
        tokens: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return tokens


class TimestepEmbedder(nn.Module):
    """Cosines and sines of the native timestep, through an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor) -> Tensor:
        """Map t (B,), fp32, to (B, D)."""
        sin, cos = sinusoids(t, FREQUENCIES // 2)  # 2 x (B, F/2)
        out: Tensor = self.mlp(torch.cat([cos, sin], 1).to(next(self.mlp.parameters()).dtype))
        return out


class LabelEmbedder(nn.Module):
    """A row for each class and a last one for none."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(rows, width)

    def forward(self, labels: Tensor) -> Tensor:
        """Map labels (B,) to (B, D)."""
        out: Tensor = self.embedding_table(labels)
        return out


class FacebookDiT(nn.Module):
    """The network. Its position table is that of the checkpoint on the trained grid, and computed on any other."""

    pos_embed: Tensor

    def __init__(self, config: FacebookDiTConfig) -> None:
        super().__init__()
        self.config = config
        self.fused: Stack | None = None
        self.x_embedder = PatchEmbedder(config)
        self.t_embedder = TimestepEmbedder(config.width)
        self.y_embedder = LabelEmbedder(config.rows, config.width)
        self.register_buffer("pos_embed", position_table(config.grid, config.grid, config.width))
        self.blocks = nn.ModuleList(Block(config.width, config.heads, config.hidden) for _ in range(config.depth))
        self.final_layer = FinalLayer(config.width, config.patch**2 * config.out_channels)

    @property
    def has_fixed_positions(self) -> bool:
        """Whether the table is the computed one, so that other grids can have theirs."""
        grid = self.config.grid
        wanted = position_table(grid, grid, self.config.width).to(self.pos_embed)
        return bool((self.pos_embed - wanted).abs().max() <= SAME_TABLE)

    def fuse(self) -> list[nn.Module]:
        """Compute with fused blocks from now on, on the device where it is; returns what may be compiled."""
        stack = self.fused
        if stack is None:
            parts = [
                Parts((b.attn.qkv,), b.attn.proj, b.mlp.fc1, b.mlp.fc2, b.adaLN_modulation[1], (EPS, EPS))  # type: ignore
                for b in self.blocks
            ]
            stack = Stack(parts, self.config.heads, EPS)
            object.__setattr__(self, "fused", stack)  # no submodule: the weights are those of the blocks
        return stack.repeated()

    def unfuse(self) -> list[nn.Module]:
        """Undo `fuse`; returns the blocks."""
        object.__setattr__(self, "fused", None)
        return list(self.blocks)

    def positions(self, rows: int, columns: int) -> Tensor:
        """The position table (1, rows * columns, D)."""
        if rows == columns == self.config.grid:
            return self.pos_embed
        return position_table(rows, columns, self.config.width).to(self.pos_embed)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Predict the noise, and the variance where it is learned.

        Args:
            x: noisy latents (B, C, h, w); h and w divide by P.
            t: native timesteps (B,), fp32, 0 to 999.
            labels: (B,) int64, below the number of label rows.

        Returns:
            (B, out channels, h, w).
        """
        p = self.config.patch
        rows, columns = x.shape[2] // p, x.shape[3] // p
        tokens = self.x_embedder(x) + self.positions(rows, columns)  # (B, L, D)
        c = self.t_embedder(t) + self.y_embedder(labels)  # (B, D)
        if self.fused is not None:
            active = F.silu(c)
            shaped = self.final_layer.linear(
                self.fused(tokens, active[None], self.final_layer.adaLN_modulation[1](active))
            )
        else:
            for block in self.blocks:
                tokens = block(tokens, c)  # (B, L, D)
            shaped = self.final_layer(tokens, c)
        patches: Tensor = shaped.unflatten(1, (rows, columns)).unflatten(3, (p, p, -1))
        return patches.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)  # (B, out, h, w)
