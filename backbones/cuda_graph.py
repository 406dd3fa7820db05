"""A network's pass as one CUDA graph: a launch from the host instead of hundreds.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from backbones.protocol import Condition

WARM = 2
"""Passes before a recording: the first compiles, chooses kernels and makes workspaces, which no recording may."""
CAPTURE = ("captur", "graph")
"""In what PyTorch and CUDA say of a recording that failed."""
MODE = "thread_local"
"""Other threads may score and write meanwhile: their calls are none of the recording's."""
_FAILED: list[Any] = []
"""Recordings that failed: allocators may ask one of them who it was, for as long as the process lives."""
Shapes = tuple[tuple[str, tuple[int, ...], torch.dtype], ...]


class Pass(Protocol):
    """One prediction (B, C, h, w), a pure function of its tensors."""

    def __call__(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict at x (B, C, h, w), t (B,) and a condition of B rows."""
        ...


class _Recording(NamedTuple):
    graph: Any
    given: Mapping[str, Tensor]  # what it reads
    output: Tensor


def is_gpu(x: Tensor) -> bool:
    """Whether a tensor is where passes can be recorded."""
    return x.device.type == "cuda"


class Replayed:
    """A pass that is recorded once for every shape it meets on a GPU, and replayed from then on.

    A replay runs the kernels of the pass itself, so its bits are the same. Where a pass cannot be recorded (it reads a
    number from the GPU, or copies one to it) it runs as it is from then on, at every shape, and `refusal` says why.

    Args:
        work: the pass.

    Attributes:
        refusal: what PyTorch or CUDA said of the recording that failed; empty where none did.
        told: for a caller: whether it has passed that on.
        seen: for a caller: what it saw of the passes it recorded.
    """

    def __init__(self, work: Pass) -> None:
        self.work = work
        self.refusal, self.told = "", False
        self.seen: dict[tuple[int, ...], tuple[str, ...]] = {}
        self._recordings: dict[Shapes, _Recording] = {}
        self._pool: Any = None
        self._stream: Any = None  # of the device's own: PyTorch's is of the device that recorded first in this process
        self._last: tuple[Shapes, Condition] | None = None

    def __call__(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict, by replay where that can be."""
        if not is_gpu(x) or self.refusal:
            return self.work(x, t, condition)
        given = {"x": x, "t": t, **{f"condition {key}": rows for key, rows in condition.items()}}
        shapes = tuple((key, tuple(rows.shape), rows.dtype) for key, rows in given.items())
        if shapes not in self._recordings and not self._record(shapes, x, t, condition):
            return self.work(x, t, condition)
        recording = self._recordings[shapes]
        # A walk asks with one condition all the way: it is copied once.
        same = self._last is not None and self._last[0] == shapes and self._last[1] is condition
        for key in ("x", "t") if same else given:
            recording.given[key].copy_(given[key])
        self._last = (shapes, condition)
        recording.graph.replay()
        return recording.output.clone()  # the next replay of any shape may overwrite it

    def ran(self, x_shape: tuple[int, ...]) -> bool:
        """Whether passes over x of this shape, or of its double by guidance, are replayed."""
        doubled = (2 * x_shape[0], *x_shape[1:])
        return any(entry[0] == "x" and entry[1] in (x_shape, doubled) for key in self._recordings for entry in key)

    def _record(self, shapes: Shapes, x: Tensor, t: Tensor, condition: Condition) -> bool:
        fixed = {key: rows.clone() for key, rows in condition.items()}
        x, t = x.clone(), t.clone()
        graph: Any = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        try:
            with torch.cuda.device(x.device):
                self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]
                self._warm(x, t, fixed)
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="The CUDA Graph is empty")  # of a pass that fails at once
                    with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode=MODE):
                        output = self.work(x, t, fixed)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if not _of_recording(error):
                raise
            self.refusal = _reason(error)
            self._recordings.clear()
            self._mend(graph, x)
            return False
        given = {"x": x, "t": t, **{f"condition {key}": rows for key, rows in fixed.items()}}
        self._recordings[shapes] = _Recording(graph, given, output)
        return True

    def _mend(self, graph: Any, x: Tensor) -> None:
        """Close what a recording that failed leaves open.

        As PyTorch 2.11 has it on an H100: while its pool is open no unused memory goes back to the GPU, so that a run
        ends out of memory; and random numbers cannot be drawn on the GPU until a recording succeeds.
        """
        _FAILED.append(graph)
        with torch.cuda.device(x.device):
            torch.cuda.synchronize()
            _close(self._pool)
            graph.reset()
            with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self._stream, capture_error_mode=MODE):
                x.clone()

    def _warm(self, x: Tensor, t: Tensor, condition: Condition) -> None:
        """On the stream of the recordings."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM):
                self.work(x, t, condition)
        current.wait_stream(self._stream)


def _close(pool: Any) -> None:
    """End and release an open pool, as `torch.cuda.use_mem_pool` does with its own; one that is closed stays so."""
    end, release = (getattr(torch._C, f"_cuda_{name}", None) for name in ("endAllocateToPool", "releasePool"))
    if end is None or release is None:
        return
    device = torch.cuda.current_device()
    with suppress(RuntimeError):  # PyTorch saw the mistake before CUDA did, and has closed it
        end(device, pool)
        release(device, pool)


def _of_recording(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in CAPTURE)


def _reason(error: BaseException) -> str:
    """What was wrong, in a line: the end of a recording that failed says only that something was."""
    while error.__context__ is not None and _of_recording(error.__context__):
        error = error.__context__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
