"""Replays without a GPU: a stand-in runs the recorded pass again on the memory that it was recorded with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from backbones import cuda_graph
from backbones.cuda_graph import WARM, Replayed


class Net:
    """A pass that counts its calls, and can be run again as a recording would be."""

    def __init__(self) -> None:
        self.calls = 0
        self.recorded: list[tuple[tuple[Any, ...], Tensor]] = []
        self.error: Exception | None = None
        self.recording = False
        self.ways: list[str] = []  # of the pools

    def __call__(self, x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        self.calls += 1
        if self.recording and self.error is not None:
            raise self.error
        output = self.compute(x, t, condition)
        if self.recording:
            self.recorded.append(((x, t, condition), output))
        return output

    @staticmethod
    def compute(x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        return x * t[:, None, None, None] + condition["text"].sum(1)[:, None, None, None]


class Graph:
    def __init__(self) -> None:
        self.inputs: Any = None
        self.is_reset = False

    def reset(self) -> None:
        self.is_reset = True

    def replay(self) -> None:
        self.output.copy_(Net.compute(*self.inputs))


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    found = Net()

    @contextmanager
    def graph(made: Graph, pool: object = None, *, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        assert isinstance(stream, Stream)
        before, found.recording = len(found.recorded), True
        found.ways.append("opened" if pool else "opened one of its own")
        try:
            yield
        except RuntimeError as error:
            if "not permitted" in str(error):  # as CUDA has it: the recording cannot be ended, and its pool stays open
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture") from None
            found.ways.append("ended")
            raise
        finally:
            found.recording = False
        found.ways.append("ended")
        if len(found.recorded) > before:
            made.inputs, made.output = found.recorded[-1]

    def close(way: str, device: int, pool: object) -> None:
        assert (device, pool) == (0, (0, 1))
        if found.ways[-1] == "ended":
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        found.ways.append(way)

    class Stream:
        def wait_stream(self, other: object) -> None:
            pass

    stand_ins = {
        "CUDAGraph": Graph,
        "graph": graph,
        "graph_pool_handle": lambda: (0, 1),
        "device": lambda device: nullcontext(),
        "Stream": Stream,
        "current_stream": Stream,
        "stream": lambda stream: nullcontext(),
        "synchronize": lambda: None,
        "current_device": lambda: 0,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    for name, way in (("endAllocateToPool", "ended by hand"), ("releasePool", "released")):
        monkeypatch.setattr(torch._C, f"_cuda_{name}", partial(close, way), raising=False)
    monkeypatch.setattr(cuda_graph, "is_gpu", lambda x: True)
    return found


def point(batch: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 4, 2, 2, generator=generator), torch.rand(batch, generator=generator)


def test_replays_follow_their_inputs_and_call_the_network_no_more(net: Net):
    replayed, condition = Replayed(net), {"text": torch.randn(2, 3)}
    found = []
    for seed in range(3):
        x, t = point(2, seed)
        found.append((replayed(x, t, condition), net.compute(x, t, condition)))
    assert all(torch.equal(got, wanted) for got, wanted in found)  # earlier answers are not overwritten
    assert net.calls == WARM + 1


def test_another_condition_counts_though_x_and_t_stay(net: Net):
    replayed, (x, t) = Replayed(net), point(2, 0)
    for _ in range(2):
        condition = {"text": torch.randn(2, 3)}
        assert torch.equal(replayed(x, t, condition), net.compute(x, t, condition))
    assert net.calls == WARM + 1


def test_every_shape_has_a_recording_of_its_own(net: Net):
    replayed = Replayed(net)
    for batch in (1, 2, 1, 2):
        condition = {"text": torch.randn(batch, 3)}
        assert torch.equal(replayed(*point(batch, batch), condition), net.compute(*point(batch, batch), condition))
    assert net.calls == 2 * (WARM + 1)
    assert replayed.ran((2, 4, 2, 2))
    assert replayed.ran((1, 4, 2, 2))
    assert not replayed.ran((3, 4, 2, 2))


SYNC = "CUDA error: operation not permitted when stream is capturing"
COPY = "Cannot copy between CPU and CUDA tensors during CUDA graph capture unless the CPU tensor is pinned."


@pytest.mark.parametrize(
    ("said", "closed"),
    [(SYNC, ["ended by hand", "released"]), (COPY, ["ended"])],  # what CUDA finds, and what PyTorch finds before it
)
def test_a_pass_that_cannot_be_recorded_runs_as_it_is_says_why_and_leaves_nothing_open(
    net: Net, said: str, closed: list[str]
):
    net.error = RuntimeError(f"{said}\nmore")
    replayed, condition = Replayed(net), {"text": torch.ones(2, 3)}
    for batch in (2, 2, 1):
        (x, t), told = point(batch, 0), {"text": condition["text"][:batch]}
        assert torch.equal(replayed(x, t, told), net.compute(x, t, told))
    assert replayed.refusal == said
    assert not replayed.ran((2, 4, 2, 2))
    assert net.calls == WARM + 1 + 3
    assert net.ways == ["opened", *closed, "opened one of its own", "ended"]
    assert cuda_graph._FAILED[-1].is_reset


def test_a_shape_that_cannot_be_recorded_ends_the_replays_of_the_others(net: Net):
    replayed = Replayed(net)
    replayed(*point(1, 0), {"text": torch.ones(1, 3)})
    assert replayed.ran((1, 4, 2, 2))
    net.error = RuntimeError(SYNC)
    for batch in (2, 1):
        x, t = point(batch, batch)
        condition = {"text": torch.randn(batch, 3)}
        assert torch.equal(replayed(x, t, condition), net.compute(x, t, condition))
    assert not replayed.ran((1, 4, 2, 2))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory while capturing"), RuntimeError("shapes cannot be multiplied")]
)
def test_other_errors_are_the_passes_own(net: Net, error: RuntimeError):
    net.error = error
    replayed = Replayed(net)
    with pytest.raises(type(error), match=str(error)):
        replayed(*point(1, 0), {"text": torch.ones(1, 3)})
    assert replayed.refusal == ""


def test_on_a_cpu_nothing_is_recorded():
    net = Net()
    replayed = Replayed(net)
    for _ in range(3):
        replayed(*point(1, 0), {"text": torch.ones(1, 3)})
    assert net.calls == 3
    assert not replayed.ran((1, 4, 2, 2))
