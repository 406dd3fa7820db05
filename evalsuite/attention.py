"""Which kernel computes the attention of a model's predictions, and which one really did.

The choice holds for the predictions alone. Text encoders mask and decoders have heads of hundreds of channels, which
fused kernels refuse; PyTorch chooses theirs.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TypeVar

import torch
from torch.autograd import profiler
from torch.nn import attention
from torch.nn.functional import scaled_dot_product_attention

from evalsuite.errors import InputError

KERNELS = {
    "flash": attention.SDPBackend.FLASH_ATTENTION,
    "cudnn": attention.SDPBackend.CUDNN_ATTENTION,
    "efficient": attention.SDPBackend.EFFICIENT_ATTENTION,
    "math": attention.SDPBackend.MATH,
}
OPERATOR = re.compile(r"aten::(_scaled_dot_product_\w+)")
REFUSALS = ("no viable backend", "no available kernel")
PROBE = (1, 1, 64, 64)  # batch, heads, tokens, head width
HOPPER = 9  # the major compute capability that FlashAttention-3 is written for
Result = TypeVar("Result")


def check_here(asked: str, device: str, dtype: torch.dtype) -> None:
    """Raise InputError where the kernel asked for does not run on the device in the dtype; says which ones do."""
    if asked in KERNELS and not runs(asked, device, dtype):
        others = ", ".join(name for name in KERNELS if runs(name, device, dtype))
        short = str(dtype).removeprefix("torch.")
        raise InputError(f"attention {asked} does not run on {device} in {short}: use auto, {others}")


def check_model(model: object, asked: str, name: str) -> None:
    """Raise InputError where a model's attention is not of the kind asked for."""
    linear = getattr(model, "attention", "") == "linear"
    if asked == "linear" and not linear:
        raise InputError(f"attention linear: model {name!r} is not made with it; use auto")
    if linear and asked not in ("auto", "linear"):
        raise InputError(f"attention {asked}: model {name!r} attends in linear time; use auto or linear")


def runs(kernel: str, device: str, dtype: torch.dtype) -> bool:
    """Whether a kernel takes a small problem on a device."""
    _prefer_flash_3(kernel, device)
    x = torch.zeros(PROBE, device=device, dtype=dtype)
    with warnings.catch_warnings(), attention.sdpa_kernel(KERNELS[kernel]):
        warnings.simplefilter("ignore")  # CUDA warns of each reason against it
        try:
            scaled_dot_product_attention(x, x, x)
        except RuntimeError:
            return False
    return True


class Kernels:
    """Runs predictions under the kernel asked for, and tells which operators computed their attention.

    Args:
        asked: of the spec.
        model: a `backbones.protocol.TextToImage`.
        device: of the spec.
        seen: operators by shape, where passes were recorded before: a replay calls none that could be watched.
    """

    def __init__(
        self, asked: str, model: object, device: str, seen: dict[tuple[int, ...], tuple[str, ...]] | None = None
    ) -> None:
        self._asked = asked
        self._linear = getattr(model, "attention", "") == "linear"
        self._device = device
        self._seen = {} if seen is None else seen

    def walk(self, steps: Iterator[Result], shape: tuple[int, ...]) -> Iterator[Result]:
        """Take steps with the kernel asked for; the first of every shape is watched.

        Raises:
            InputError: the kernel refuses these predictions.
        """
        end = object()
        while (step := self.call(lambda: next(steps, end), shape)) is not end:
            yield step  # type: ignore[misc]

    def call(self, work: Callable[[], Result], shape: tuple[int, ...]) -> Result:
        """Work, with the kernel asked for; raises as `walk` does."""
        try:
            with self._chosen():
                if shape in self._seen or torch.autograd._profiler_enabled():  # type: ignore[attr-defined]
                    return work()
                found, self._seen[shape] = self._watched(work)
                return found
        except RuntimeError as error:
            if not any(words in str(error).lower() for words in REFUSALS):
                raise
            raise InputError(f"attention {self._asked} does not take this model's predictions: use auto") from error

    def ran(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """PyTorch's operators that computed attention at a shape; ``linear_attention`` for a model made with it."""
        return self._seen.get(shape, ())

    def _chosen(self) -> AbstractContextManager[None]:
        if self._asked not in KERNELS:
            return nullcontext()
        _prefer_flash_3(self._asked, self._device)
        chosen: AbstractContextManager[None] = attention.sdpa_kernel(KERNELS[self._asked])
        return chosen

    def _watched(self, work: Callable[[], Result]) -> tuple[Result, tuple[str, ...]]:
        os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # read once; else the profiler tells standard error of itself
        with profiler.profile() as profile:
            found = work()
        # The raw events: making a tree of them takes longer than the predictions.
        events = profile.kineto_results.events() if profile.kineto_results is not None else []
        names = {match[1] for event in events if (match := OPERATOR.fullmatch(event.name()))}
        flash_3 = " (FA3)" if _flash_3_is_active() else ""
        told = {name + flash_3 if name == "_scaled_dot_product_flash_attention" else name for name in names}
        return found, tuple(sorted(told | ({"linear_attention"} if self._linear else set())))


@cache
def _prefer_flash_3(kernel: str, device: str) -> None:
    """Let ``flash`` mean FlashAttention-3 where that package is installed and made for the GPU."""
    activate = getattr(attention, "activate_flash_attention_impl", None)
    if kernel != "flash" or not device.startswith("cuda") or activate is None:
        return
    if torch.cuda.get_device_capability(device)[0] != HOPPER:
        return
    try:
        activate("FA3")
    except (ImportError, RuntimeError, ValueError, OSError):  # PyTorch's own it is
        return


def _flash_3_is_active() -> bool:
    current = getattr(attention, "current_flash_attention_impl", None)
    return current is not None and current() == "FA3"
