"""diffusers' DiT as a fused stack: every block of it embeds time and label with weights of its own, here at once.

Letters: B batch, D width, F frequencies, N blocks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.adaln import Parts, Stack, stacked


class Embeddings(nn.Module):
    """What steers each block: its own embedding of time and label.

    Args:
        embedders: of the blocks; their weights become views of stacks.
    """

    def __init__(self, embedders: list[Any]) -> None:
        super().__init__()
        self.features = embedders[0].time_proj
        first, second = ([getattr(e.timestep_embedder, name) for e in embedders] for name in ("linear_1", "linear_2"))
        tables = [e.class_embedder.embedding_table for e in embedders]
        self.weight1, self.bias1 = stacked(first, "weight"), stacked(first, "bias")  # (N, D, F), (N, D)
        self.weight2, self.bias2 = stacked(second, "weight"), stacked(second, "bias")  # (N, D, D), (N, D)
        self.tables = stacked(tables, "weight")  # (N, labels, D)

    def forward(self, t: Tensor, label: Tensor) -> Tensor:
        """Embed t (B,) and label (B,): (N, B, D)."""
        waves = self.features(t).to(self.weight1.dtype).expand(len(self.weight1), -1, -1)  # (N, B, F)
        y = F.silu(torch.baddbmm(self.bias1[:, None], waves, self.weight1.transpose(1, 2)))
        y = torch.baddbmm(self.bias2[:, None], y, self.weight2.transpose(1, 2))
        return y + self.tables[:, label]


class FusedDiT(nn.Module):
    """The blocks of a `DiTTransformer2DModel`, and its last norm.

    Args:
        network: on its device, in its dtype; it keeps working, on the same memory.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        blocks = list(network.transformer_blocks)
        self.embeddings = Embeddings([block.norm1.emb for block in blocks])
        self.stack = Stack([_parts(block) for block in blocks], blocks[0].attn1.heads, network.norm_out.eps)
        self.last = network.proj_out_1

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        """Refine and normalise tokens x (B, L, D) at t (B,) under label (B,)."""
        c = F.silu(self.embeddings(t, label))  # (N, B, D)
        y: Tensor = self.stack(x, c, self.last(c[0]))
        return y


def _parts(block: Any) -> Parts:
    attention, mlp = block.attn1, block.ff.net
    return Parts(
        qkv=(attention.to_q, attention.to_k, attention.to_v),
        out=attention.to_out[0],
        up=mlp[0].proj,
        down=mlp[2],
        modulation=block.norm1.linear,
        eps=(block.norm1.norm.eps, block.norm3.eps),
    )
