"""Counts the multiply-adds of a forward pass, an event for each operator, with the modules that were running.

Two FLOP are one multiply-add, as in `torch.utils.flop_counter`, whose formulas are used: additions of biases, norms and
activations are not counted there either. Softmax attention is counted from the shapes that it is given, whatever kernel
would compute it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from evalsuite.cost.fused import FusedAttention, Scores

aten = torch.ops.aten
BATCHED = (aten.bmm, aten.baddbmm)
CONVOLUTIONS = (aten.convolution, aten._convolution)


class Event(NamedTuple):
    """One counted operator.

    Attributes:
        path: the modules that were running, outermost first.
        kind: ``core`` for a product of two activations, ``product`` of activations with weights, ``convolution``.
        flops: 2 for each multiply-add.
        longest: of a core, the tokens that attend; where these cannot be told, its longest side.
        scores: of a softmax attention.
    """

    path: tuple[nn.Module, ...]
    kind: str
    flops: int
    longest: int = 0
    scores: Scores | None = None


class Counter:
    """Records the events of what runs inside. Gradients must be off.

    Attributes:
        events: in the order in which they ran.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._running: list[nn.Module] = []
        self._inside = False  # an attention that is counted already
        self._modes = (FusedAttention(self._attends, self._attended), _Operators(self))
        self._handles: list[Any] = []

    @property
    def flops(self) -> int:
        """Of all events."""
        return sum(event.flops for event in self.events)

    def add(self, kind: str, flops: int, longest: int = 0, scores: Scores | None = None) -> None:
        """Record an operator under the modules that are running."""
        if not self._inside:
            self.events.append(Event(tuple(self._running), kind, flops, longest, scores))

    def __enter__(self) -> Self:
        self._handles = [
            register_module_forward_pre_hook(lambda module, _: self._running.append(module)),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        for mode in self._modes:
            mode.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()

    def _attends(self, scores: Scores) -> None:
        self.add("core", scores.flops, scores.queries, scores)
        self._inside = True

    def _attended(self) -> None:
        self._inside = False

    def _leave(self, module: nn.Module, _: object, __: object) -> None:
        if self._running and self._running[-1] is module:
            self._running.pop()


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operators that have a formula; the others are taken apart where they can be."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counter = counter

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given, packet = dict(kwargs or {}), func._overloadpacket
        if packet not in flop_registry:
            with self:
                parts = func.decompose(*args, **given)
            return func(*args, **given) if parts is NotImplemented else parts
        out = func(*args, **given)
        kind, longest = _kind(packet, args)
        self._counter.add(kind, flop_registry[packet](*args, **given, out_val=out), longest)
        return out


def _kind(packet: Any, args: tuple[Any, ...]) -> tuple[str, int]:
    """What an operator is, and the longest side of a product of activations."""
    if packet in CONVOLUTIONS:
        return "convolution", 0
    factors = args[-2:] if packet in BATCHED else ()
    if not factors or any(_is_weight(factor) for factor in factors):
        return "product", 0
    return "core", max(side for factor in factors for side in factor.shape[1:])


def _is_weight(factor: Tensor) -> bool:
    return isinstance(factor, nn.Parameter) or isinstance(factor._base, nn.Parameter)
