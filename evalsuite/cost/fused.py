"""Softmax attention as one operator, which is how fused kernels compute it: no table of scores is ever in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Scores(NamedTuple):
    """The shape of one softmax attention."""

    heads: int  # all that attend on their own: of the whole batch
    queries: int
    keys: int
    key_width: int  # of a head
    value_width: int  # of a head

    @property
    def flops(self) -> int:
        """Queries with keys, and the scores with the values."""
        return 2 * self.heads * self.queries * self.keys * (self.key_width + self.value_width)

    @property
    def linear_flops(self) -> int:
        """The same by `backbones.attention.linear_attention`: keys with values, queries with both, the denominator."""
        both = self.key_width * self.value_width
        return 2 * self.heads * (self.keys * both + self.queries * both + self.queries * self.key_width)


class FusedAttention(TorchFunctionMode):
    """On the meta device, stands in for `scaled_dot_product_attention`; elsewhere that runs, between two signals.

    Args:
        seen: told of every attention before it runs.
        over: told after it has run.
    """

    def __init__(self, seen: Callable[[Scores], None] | None = None, over: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._seen, self._over = seen, over

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is not F.scaled_dot_product_attention:
            return func(*args, **given)
        named = dict(zip(("query", "key", "value"), args, strict=False)) | given
        q, k, v = named["query"], named["key"], named["value"]
        if self._seen is not None:
            self._seen(Scores(prod(q.shape[:-2]), q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]))
        try:
            return _attended(q, v) if q.device.type == "meta" else func(*args, **given)
        finally:
            if self._over is not None:
                self._over()


def _attended(q: Tensor, v: Tensor) -> Tensor:
    """A result without values: heads lie beside each other in memory, as fused kernels leave them."""
    shape = (*q.shape[:-1], v.shape[-1])
    if len(shape) < 3:
        return q.new_empty(shape)
    *batch, heads, queries, width = shape
    return q.new_empty((*batch, queries, heads, width)).transpose(-3, -2)
