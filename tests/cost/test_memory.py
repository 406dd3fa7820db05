from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.cost.count import Counts
from evalsuite.cost.fused import FusedAttention
from evalsuite.cost.measure import on_device, timed
from evalsuite.cost.memory import LiveBytes, parameters, weight_bytes
from evalsuite.cost.size import Size
from evalsuite.cost.subject import Feed

META, CPU = torch.device("meta"), torch.device("cpu")


class Toy(nn.Module):
    """x + b(gelu(a(x))): at b's output there are a's, gelu's and b's; the input was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 32), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.gelu(self.a(x)))


def peak(run: Callable[[], object], device: torch.device = META) -> int:
    with device, torch.no_grad(), FusedAttention(), LiveBytes() as alive:
        run()
    assert alive.live == 0
    return alive.peak


@pytest.mark.parametrize("device", [META, CPU])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_toy_network_holds_what_a_hand_counts(device: torch.device, dtype: torch.dtype):
    net, x = Toy().to(device, dtype), torch.zeros(4, 8, device=device, dtype=dtype)
    # a's 4 x 32 with gelu's; a's is gone when b's 4 x 8 comes, and gelu's when the sum comes.
    assert peak(lambda: net(x), device) == (4 * 32 + 4 * 32) * x.itemsize


def test_views_weights_and_inputs_are_not_counted_and_what_is_kept_is():
    x, weight = torch.zeros(6, 4, device="meta"), torch.zeros(4, 4, device="meta")
    assert peak(lambda: weight.t()[1:].unflatten(0, (1, 3))) == 0
    assert peak(lambda: x.add_(1)) == 0
    kept = []
    with LiveBytes() as alive:
        kept += [x + 1, x[:2] * 2]
    assert alive.live == alive.peak == (24 + 8) * 4
    kept.clear()
    assert alive.live == 0


def test_fused_attention_keeps_no_table_of_scores():
    q = torch.zeros(1, 2, 1000, 8, device="meta")
    assert peak(lambda: F.scaled_dot_product_attention(q, q, q)) == 1000 * 2 * 8 * 4
    with torch.no_grad(), LiveBytes() as whole:
        F.scaled_dot_product_attention(q, q, q)
    assert whole.peak >= 2 * 1000 * 1000 * 4


def test_heads_of_fused_attention_lie_beside_each_other_so_that_joining_them_copies_nothing():
    q = torch.zeros(1, 2, 10, 8, device="meta")
    assert peak(lambda: F.scaled_dot_product_attention(q, q, q).transpose(1, 2).flatten(2)) == 10 * 2 * 8 * 4


@pytest.mark.parametrize("part", ["denoiser", "text", "vae"])
def test_activations_are_those_that_pytorch_allocates_on_a_cpu(part: str, counts: Callable[[str], Counts]):
    """The profiler sees every allocation: also a copy of its weight that a convolution makes to work with."""
    network, size = counts("dit").subject.networks[part], Size(128, 64)
    foretold = counts("dit").activations(part, size, 2)
    copy = max(weight.nbytes for weight in network.module.parameters()) if part == "vae" else 0
    with on_device(network, CPU, torch.float32):
        seen = timed(network, Feed(2, *size, device=CPU), budget=0.01)
    assert seen is not None
    assert seen.peak is not None
    assert foretold <= seen.peak <= foretold + copy
    assert seen.fastest <= seen.seconds <= seen.slowest
    assert all(weight.device == META for weight in network.module.parameters())


def test_the_allocator_of_the_toy_network_agrees_on_a_cpu():
    net, x = Toy(), torch.zeros(64, 8)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with torch.no_grad():
        net(x)
        with torch.profiler.profile(activities=kinds, profile_memory=True) as profile:
            net(x)
        foretold = peak(lambda: net(x), CPU)
    assert profile.profiler is not None
    assert profile.profiler.kineto_results is not None
    events = profile.profiler.kineto_results.events()
    assert max(accumulate(event.nbytes() for event in events if event.name() == "[memory]")) == foretold


def test_shared_weights_are_counted_once_and_whole_numbers_keep_their_size():
    tied = nn.ModuleDict({"a": nn.Linear(4, 4, bias=False), "b": nn.Linear(4, 4, bias=False)})
    tied["b"].weight = tied["a"].weight
    tied.register_buffer("places", torch.zeros(3, dtype=torch.long))
    assert parameters([tied]) == 16
    assert weight_bytes([tied, tied], itemsize=2) == 16 * 2 + 3 * 8
