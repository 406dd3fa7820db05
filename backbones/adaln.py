"""A stack of adaLN-Zero blocks (arXiv:2212.09748) in as few kernels as there can be.

The same function as the blocks it is made of, to rounding. What differs: queries, keys and values are one product; all
blocks' modulations are one product, before the first block; a block ends with the next one's modulated norm, so that a
compiler makes one kernel of gate, residual, norm and modulation; GELU is the product's own last step.

Letters: B batch, L tokens, D width, H heads, F hidden width, N blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Parts(NamedTuple):
    """The layers of one block, with their biases."""

    qkv: tuple[nn.Linear, ...]  # one of D to 3D, or three of D to D
    out: nn.Linear
    up: nn.Linear
    down: nn.Linear
    modulation: nn.Linear  # D to 6D: shift, scale, gate of the attention, then of the MLP
    eps: tuple[float, float]  # of the two norms


@torch.library.custom_op("backbones::linear_gelu", mutates_args=())
def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """GELU, in its tanh form, of a linear layer: x (B, L, D) to (B, L, F)."""
    if x.device.type == "cuda":
        rows: Tensor = torch._addmm_activation(bias, x.flatten(0, 1), weight.t(), use_gelu=True)
        return rows.view(*x.shape[:2], -1)
    return F.gelu(F.linear(x, weight, bias), approximate="tanh")


@linear_gelu.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:2], weight.shape[0])


def modulated(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Normalise tokens x (B, L, D), then scale and shift them by (B, D)."""
    return F.layer_norm(x, x.shape[-1:], eps=eps) * (1 + scale[:, None]) + shift[:, None]


class First(nn.Module):
    """The first block's modulated norm."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor, six: Tensor) -> Tensor:
        """Map tokens x (B, L, D), under (B, 6D), to the same shape."""
        shift, scale = six.chunk(6, 1)[:2]
        return modulated(x, shift, scale, self.eps)


class Fused(nn.Module):
    """One block, from its modulated norm to the next one's.

    Args:
        parts: layers; their weights are used, not copied, but for those of queries, keys and values.
        heads: H.
        eps: of the norm that follows the block.
    """

    def __init__(self, parts: Parts, heads: int, eps: float) -> None:
        super().__init__()
        self.heads, self.eps, self.eps_after = heads, parts.eps[1], eps
        self.out, self.up, self.down = parts.out, parts.up, parts.down
        self.qkv = parts.qkv[0] if len(parts.qkv) == 1 else joined(parts.qkv)

    def forward(self, x: Tensor, y: Tensor, six: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Refine tokens.

        Args:
            x: the stream (B, L, D).
            y: its modulated norm (B, L, D).
            six: this block's shifts, scales and gates (B, 6D).
            after: those of the next one (B, 6D), of which the first shift and scale are used.

        Returns:
            The stream, and the next block's modulated norm of it.
        """
        _, _, gate1, shift2, scale2, gate2 = six.chunk(6, 1)  # (B, D) each
        q, k, v = self.qkv(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # 3 x (B, H, L, D/H)
        y = F.scaled_dot_product_attention(q, k, v)
        x = x + gate1[:, None] * self.out(y.transpose(1, 2).flatten(2))
        y = modulated(x, shift2, scale2, self.eps)
        x = x + gate2[:, None] * self.down(linear_gelu(y, self.up.weight, self.up.bias))
        shift, scale = after.chunk(6, 1)[:2]
        return x, modulated(x, shift, scale, self.eps_after)


class Stack(nn.Module):
    """The blocks of a network, and the modulated norm that follows them.

    Args:
        blocks: their layers; `modulation` becomes views of one tensor.
        heads: H.
        eps: of the last norm.
    """

    def __init__(self, blocks: Sequence[Parts], heads: int, eps: float) -> None:
        super().__init__()
        after = [*(parts.eps[0] for parts in blocks[1:]), eps]
        self.first = First(blocks[0].eps[0])
        self.blocks = nn.ModuleList(Fused(parts, heads, e) for parts, e in zip(blocks, after, strict=True))
        self.weight = stacked([parts.modulation for parts in blocks], "weight")  # (N, 6D, D)
        self.bias = stacked([parts.modulation for parts in blocks], "bias")  # (N, 6D)

    def forward(self, x: Tensor, c: Tensor, last: Tensor) -> Tensor:
        """Refine tokens, and normalise them for the head.

        Args:
            x: tokens (B, L, D).
            c: what steers each block (N, B, D), or all of them alike (1, B, D), activated.
            last: shift and scale of the last norm (B, 2D).

        Returns:
            (B, L, D).
        """
        c = c.expand(len(self.blocks), -1, -1)
        sixes = torch.baddbmm(self.bias[:, None], c, self.weight.transpose(1, 2))  # (N, B, 6D)
        after = [*sixes[1:], F.pad(last, (0, sixes.shape[2] - last.shape[1]))]  # one layout: one compiled block
        y = self.first(x, sixes[0])
        for block, six, following in zip(self.blocks, sixes, after, strict=True):
            x, y = block(x, y, six, following)
        normed: Tensor = y
        return normed

    def repeated(self) -> list[nn.Module]:
        """What to compile."""
        return [self.first, *self.blocks]


def stacked(modules: Sequence[nn.Module], name: str) -> nn.Parameter:
    """One tensor of a parameter that modules have in common; theirs become views of it."""
    whole = nn.Parameter(torch.stack([getattr(module, name).data for module in modules]), requires_grad=False)
    for module, part in zip(modules, whole.data, strict=True):
        getattr(module, name).data = part
    return whole


def joined(layers: Sequence[nn.Linear]) -> nn.Linear:
    """Layers of one input as one layer; their weights become views of its own."""
    first, rows = layers[0], sum(layer.out_features for layer in layers)
    whole = nn.Linear(first.in_features, rows, device="meta", dtype=first.weight.dtype)
    for name in ("weight", "bias"):
        found = torch.cat([getattr(layer, name).data for layer in layers])
        setattr(whole, name, nn.Parameter(found, requires_grad=False))
        parts = torch.split(found, [layer.out_features for layer in layers])
        for layer, part in zip(layers, parts, strict=True):
            getattr(layer, name).data = part
    return whole
