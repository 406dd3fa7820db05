"""Bytes of weights, and of activations: the storages that are alive at once during a pass, operator by operator.

On the meta device storages have sizes and lifetimes but no memory, so that any size can be followed. What devices take
beside them is not counted: workspaces of kernels, an allocator's rounding, its cache.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that the operators inside make, until they are freed; what was there before is not counted.

    Attributes:
        live: bytes alive now.
        peak: most bytes alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._sizes: dict[int, int] = {}
        self._others: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used again

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        for storage in _storages((args, given)):
            if storage._cdata not in self._sizes:
                self._others[storage._cdata] = storage
        out = func(*args, **given)
        for storage in _storages(out):
            self._follow(storage)
        return out

    def _follow(self, storage: torch.UntypedStorage) -> None:
        address = storage._cdata
        if address in self._sizes or address in self._others:
            return
        self._sizes[address] = storage.nbytes()
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, address)

    def _free(self, address: int) -> None:
        self.live -= self._sizes.pop(address)


def weight_bytes(modules: Iterable[nn.Module], itemsize: int) -> int:
    """Bytes of parameters and buffers when floating-point ones take ``itemsize`` bytes a number; shared ones once."""
    seen: dict[int, int] = {}
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            size = itemsize if tensor.is_floating_point() else tensor.element_size()
            seen[id(tensor)] = tensor.numel() * size
    return sum(seen.values())


def parameters(modules: Iterable[nn.Module]) -> int:
    """Numbers that were learned; shared ones once."""
    return sum({id(weight): weight.numel() for module in modules for weight in module.parameters()}.values())


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
