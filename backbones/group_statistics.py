"""GroupNorm over a picture that is never in memory as a whole.

A normalisation layer can be measured once those before it are right. So the picture is walked once for each of them, in
tiles, every walk ending at its layer; then all of them are pinned to what was measured.

Letters: B batch, C channels, G groups, h x w latent sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Part(NamedTuple):
    """A tile of latents (B, C, h, w), and the rows and columns of it that count; over all tiles, each place once."""

    latents: Tensor
    rows: slice
    columns: slice


class _Measured(Exception):  # noqa: N818
    """The layer of this walk has seen its tile: what comes after it is of no use yet."""


class _Norm:
    """Stands in for a GroupNorm's forward: measures, then normalises by what was measured."""

    def __init__(self, layer: nn.GroupNorm) -> None:
        self.layer = layer
        self.part: Part | None = None  # being walked
        self.known = False
        self._count = 0
        self._mean = self._square = torch.zeros(())  # (B, G), float64; sum of squares about the mean

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise x (B, C, ...), or measure it and raise `_Measured`."""
        if self.known:
            return self._normalised(x)
        if self.part is None:
            return nn.functional.group_norm(
                x, self.layer.num_groups, self.layer.weight, self.layer.bias, self.layer.eps
            )
        self._add(_middle(x, self.part))
        raise _Measured

    def _add(self, x: Tensor) -> None:
        """Merge mean and spread of two sets (Chan, Golub and LeVeque 1983, equation 2.1)."""
        groups = x.reshape(x.shape[0], self.layer.num_groups, -1)  # (B, G, n)
        variance, mean = torch.var_mean(groups.float(), dim=-1, correction=0)  # 2 x (B, G)
        count = groups.shape[-1]
        apart, total = mean.double() - self._mean, self._count + count
        self._square = self._square + variance.double() * count + apart.square() * (self._count * count / total)
        self._mean = self._mean + apart * (count / total)
        self._count = total

    def _normalised(self, x: Tensor) -> Tensor:
        layer, each = self.layer, x.shape[1] // self.layer.num_groups
        gain = (self._square / self._count + layer.eps).rsqrt()  # (B, G)
        scale, shift = (rows.repeat_interleave(each, dim=1).float() for rows in (gain, -self._mean * gain))  # (B, C)
        if layer.affine:
            scale, shift = scale * layer.weight, shift * layer.weight + layer.bias
        shape = (*scale.shape, *[1] * (x.ndim - 2))
        return torch.addcmul(shift.view(shape), x, scale.view(shape)).type_as(x)


@contextmanager
def pinned(
    module: nn.Module, decode: Callable[[Tensor], Tensor], parts: Callable[[], Iterator[Part]]
) -> Iterator[None]:
    """Let a module's GroupNorm layers normalise by mean and variance of the whole picture, whatever tile they see.

    A layer that runs more than once in a pass is measured at its first run.

    Args:
        module: that `decode` runs.
        decode: latents to images.
        parts: the picture's tiles, from the first, at each call.
    """
    norms = [_Norm(layer) for layer in module.modules() if isinstance(layer, nn.GroupNorm)]
    try:
        for norm in norms:
            norm.layer.forward = norm  # type: ignore[method-assign, assignment]
        while _measure_next(norms, decode, parts):
            pass
        yield
    finally:
        for norm in norms:
            del norm.layer.forward  # the class's own again


def _measure_next(norms: list[_Norm], decode: Callable[[Tensor], Tensor], parts: Callable[[], Iterator[Part]]) -> bool:
    """Measure the first layer that is not yet known; whether there was one."""
    if all(norm.known for norm in norms):
        return False
    seen: list[_Norm] = []
    for part in parts():
        for norm in norms:
            norm.part = part
        try:
            decode(part.latents)
            break  # those that are left do not run
        except _Measured:
            seen = seen or [norm for norm in norms if norm._count and not norm.known]
    for norm in norms:
        norm.part = None
        norm.known = norm.known or norm in seen
    return bool(seen)


def _middle(x: Tensor, part: Part) -> Tensor:
    """Of features of a tile (B, C, s h, s w) those that count; all where they are no grid."""
    tall, wide = part.latents.shape[-2:]
    if x.ndim != 4 or x.shape[-2] % tall or x.shape[-1] % wide:
        return x
    down, across = x.shape[-2] // tall, x.shape[-1] // wide
    rows, columns = part.rows, part.columns
    return x[..., rows.start * down : rows.stop * down, columns.start * across : columns.stop * across]
