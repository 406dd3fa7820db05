"""The parts of guided-diffusion's U-Net (arXiv:2105.05233), with that repository's parameter names.

Letters: B batch, C channels of a layer, h x w its sides, E embedding width, H heads, N = h * w positions.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

GROUPS = 32


class Norm(nn.GroupNorm):
    """GroupNorm in fp32, whatever the dtype."""

    def __init__(self, width: int) -> None:
        super().__init__(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, ...) to the same shape and dtype."""
        return F.group_norm(x.float(), self.num_groups, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)


class Shrink(nn.Module):
    """Half the sides: a strided convolution, or the mean of four pixels."""

    def __init__(self, width: int, learned: bool) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1) if learned else nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to (B, C, h/2, w/2)."""
        out: Tensor = self.op(x)
        return out


class Grow(nn.Module):
    """Twice the sides: each pixel four times, and then a convolution where it is learned."""

    def __init__(self, width: int, learned: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1) if learned else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to (B, C, 2h, 2w)."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


class ResBlock(nn.Module):
    """Two convolutions under the embedding, beside a shortcut.

    Args:
        width: channels that come in.
        out: channels that go out.
        embedding: E.
        scale_shift: the embedding scales and shifts after the second norm; else it is added before it.
        resize: `Shrink` or `Grow`, for both branches; None keeps the sides.
    """

    def __init__(
        self, width: int, out: int, embedding: int, *, scale_shift: bool, resize: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.scale_shift, self.resize = scale_shift, resize or nn.Identity()
        self.in_layers = nn.Sequential(Norm(width), nn.SiLU(), nn.Conv2d(width, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * out if scale_shift else out))
        # The Identity stands for dropout, so that the convolution has its place in the names.
        self.out_layers = nn.Sequential(Norm(out), nn.SiLU(), nn.Identity(), nn.Conv2d(out, out, 3, padding=1))
        self.skip_connection = nn.Identity() if width == out else nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map x (B, C, h, w) under an embedding (B, E) to (B, out, h', w')."""
        y = self.in_layers[2](self.resize(self.in_layers[:2](x)))  # (B, out, h', w')
        about = self.emb_layers(embedding)[:, :, None, None]  # (B, out or 2 out, 1, 1)
        if self.scale_shift:
            scale, shift = about.chunk(2, 1)
            y = self.out_layers[1:](self.out_layers[0](y) * (1 + scale) + shift)
        else:
            y = self.out_layers(y + about)
        out: Tensor = self.skip_connection(self.resize(x)) + y
        return out


class AttentionBlock(nn.Module):
    """x + attention over all positions.

    Args:
        width: C.
        heads: H, which divides it.
        new_order: queries, keys and values of all heads lie together; else each head's own.
    """

    def __init__(self, width: int, heads: int, *, new_order: bool) -> None:
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = Norm(width)
        self.qkv, self.proj_out = nn.Conv1d(width, 3 * width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to the same shape."""
        flat = x.flatten(2)  # (B, C, N)
        qkv = self.qkv(self.norm(flat))  # (B, 3C, N)
        if self.new_order:
            q, k, v = qkv.unflatten(1, (3, self.heads, -1)).unbind(1)  # 3 x (B, H, C/H, N)
        else:
            q, k, v = qkv.unflatten(1, (self.heads, 3, -1)).unbind(2)  # 3 x (B, H, C/H, N)
        y = F.scaled_dot_product_attention(q.mT, k.mT, v.mT).mT.flatten(1, 2)  # (B, C, N)
        out: Tensor = flat + self.proj_out(y)
        return out.view_as(x)


class Stage(nn.Sequential):
    """Layers in a row; those that know the embedding are given it."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]
        """Map x (B, C, h, w) under an embedding (B, E)."""
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, ResBlock) else layer(x)
        return x
