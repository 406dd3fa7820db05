from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from backbones.adm_unet import ADMConfig, ADMUNet
from backbones.dit import DiT, DiTConfig
from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig
from backbones.unet import UNet, UNetConfig
from evalsuite.cost.attribution import Split, split
from evalsuite.cost.counter import Counter

META = torch.device("meta")
WORDS, HEADS, WIDTH, HIDDEN, DEPTH = 5, 2, 16, 24, 3
TINY = DiTConfig(patch=2, width=WIDTH, depth=DEPTH, heads=HEADS, mlp_hidden=HIDDEN, text_width=12)
FACEBOOK = FacebookDiTConfig(width=24, depth=2, heads=3, patch=2, grid=4, rows=11, hidden=96)
ADM = ADMConfig(channels=32, blocks=1, mult=(1.0, 2.0), attention=(2,), heads=2, classes=7)


def dit(config: DiTConfig, rows: int, side: int) -> tuple[nn.Module, Callable[[], object]]:
    net = DiT(config)
    text = torch.empty(rows, WORDS, config.text_width), torch.empty(rows, config.text_width)
    return net, lambda: net(torch.empty(rows, 4, side, side), torch.empty(rows), *text)


def labelled(net: nn.Module, channels: int, rows: int, side: int) -> tuple[nn.Module, Callable[[], object]]:
    labels = torch.zeros(rows, dtype=torch.long)
    return net, lambda: net(torch.empty(rows, channels, side, side), torch.empty(rows), labels)


def unet(rows: int, side: int) -> tuple[nn.Module, Callable[[], object]]:
    net = UNet(UNetConfig(widths=(8, 16), attention=(False, True), head_width=4, text_width=12, embedding=8))
    text = torch.empty(rows, WORDS, 12), torch.empty(rows, 12)
    return net, lambda: net(torch.empty(rows, 4, side, side), torch.empty(rows), *text)


MAKERS: dict[str, Callable[[int, int], tuple[nn.Module, Callable[[], object]]]] = {
    "dit": lambda rows, side: dit(TINY, rows, side),
    "linear dit": lambda rows, side: dit(replace(TINY, attention="linear"), rows, side),
    "unet": unet,
    "facebook dit": lambda rows, side: labelled(FacebookDiT(FACEBOOK), 4, rows, side),
    "adm": lambda rows, side: labelled(ADMUNet(ADM), 3, rows, side),
}


def count(name: str, side: int = 16, rows: int = 1) -> Split:
    with META, torch.no_grad():
        net, run = MAKERS[name](rows, side)
        with Counter() as counter:
            run()
    return split(counter.events, net)


@pytest.mark.parametrize("name", MAKERS)
def test_parts_add_up_to_what_the_flop_counter_of_pytorch_counts(name: str):
    with META, torch.no_grad():
        net, run = MAKERS[name](2, 16)
        with FlopCounterMode(display=False) as reference:
            run()
        with Counter() as counter:
            run()
    assert counter.flops == reference.get_total_flops() > 0
    assert split(counter.events, net).total == counter.flops


@pytest.mark.parametrize("name", MAKERS)
def test_on_a_cpu_the_same_is_counted_as_on_the_meta_device(name: str):
    torch.manual_seed(0)
    with torch.no_grad():
        net, run = MAKERS[name](1, 8)
        with Counter() as counter:
            run()
    assert split(counter.events, net) == count(name, side=8)


def test_a_transformer_costs_what_its_formulas_say():
    side, rows = 16, 3
    tokens = (side // TINY.patch) ** 2
    length, values = tokens + WORDS, 4 * TINY.patch**2
    found = count("dit", side, rows)
    assert found.longest == length
    assert found.core == rows * DEPTH * 4 * length**2 * WIDTH  # QK^T and PV: 2 n^2 d multiply-adds
    assert found.projections == rows * DEPTH * 8 * length * WIDTH**2  # to q, k, v and out
    assert found.mlp == rows * DEPTH * 2 * length * 3 * WIDTH * HIDDEN  # SwiGLU
    outside = 2 * (256 * WIDTH + WIDTH**2 + 12 * WIDTH + 6 * WIDTH**2 + 2 * WIDTH**2)  # time, pooled text, modulation
    outside += 2 * (WORDS * 12 * WIDTH + 2 * tokens * values * WIDTH)  # words, patches in and out
    assert found.other == rows * outside
    assert found.convolution == 0


def test_linear_attention_costs_what_its_formulas_say_and_what_the_shapes_of_softmax_foretell():
    length, width = 64 + WORDS, WIDTH // HEADS
    softmax, linear = count("dit"), count("linear dit")
    assert linear.core == DEPTH * HEADS * 2 * (2 * length * width**2 + length * width)
    assert softmax.linear_core == linear.core
    assert linear.linear_core is None  # no softmax to read it off
    assert (softmax.projections, softmax.mlp, softmax.other) == (linear.projections, linear.mlp, linear.other)


def test_attention_grows_by_16_at_twice_the_side_and_linear_attention_by_4():
    small, large = count("facebook dit", 16), count("facebook dit", 32)
    assert large.longest == 4 * small.longest
    assert large.core == 16 * small.core
    assert small.linear_core is not None
    assert large.linear_core == 4 * small.linear_core
    assert large.mlp == 4 * small.mlp


def test_a_unet_is_split_into_convolutions_and_both_kinds_of_attention():
    side, found = 16, count("unet")
    rows = (side // 4) ** 2  # stem 2 and one halving
    stages = 1 + 1 + 2  # down, middle, up
    assert found.core == stages * 4 * rows * (rows + WORDS) * 16
    assert found.projections == stages * 2 * (8 * rows * 16**2 // 2 + rows * 2 * 16**2 + WORDS * 12 * 2 * 16)
    assert found.mlp == 0
    assert found.convolution > found.core


def test_a_one_by_one_convolution_of_attention_is_a_projection_and_others_are_convolutions():
    found = count("adm")
    tokens, stages = 8 * 8, 1 + 1 + 2  # at half the side: down, middle, up
    assert found.projections == stages * 2 * tokens * 4 * 64**2
    assert found.core == stages * 4 * tokens**2 * 64
    assert found.convolution > 0


class Plain(nn.Module):
    """A network that calls attention itself, and names nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.a(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return self.b(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ByHand(nn.Module):
    """Attention of two products and a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return torch.softmax(q @ k.mT, dim=-1) @ v


class Net(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.ff = layer, nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(self.layer(x))


def test_what_no_name_and_no_attention_module_tells_is_other():
    with META, torch.no_grad():
        net, x = Plain(), torch.empty(1, 6, 8)
        with Counter() as counter:
            net(x)
    assert split(counter.events, net) == Split(
        core=4 * 6 * 6 * 8, other=2 * 6 * 8 * 32, linear_core=2 * 2 * (2 * 6 * 16 + 6 * 4), longest=6
    )


@pytest.mark.parametrize(("layer", "core"), [(Plain, 4 * 6 * 6 * 8), (ByHand, 4 * 6 * 6 * 8)])
def test_attention_is_known_by_what_it_does_whatever_it_is_called(layer: type[nn.Module], core: int):
    with META, torch.no_grad():
        net, x = Net(layer()), torch.empty(1, 6, 8)
        with Counter() as counter:
            net(x)
    found = split(counter.events, net)
    assert (found.core, found.mlp, found.other) == (core, 2 * 2 * 6 * 8 * 32, 0)
    assert found.projections == 2 * 6 * 8 * (32 if layer is Plain else 24)
    assert (found.linear_core is None) == (layer is ByHand)


def test_a_projection_that_attention_and_feed_forward_share_is_divided_by_their_widths():
    class Joint(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.core, self.proj_mlp, self.proj_out = Plain(), nn.Linear(8, 40), nn.Linear(48, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.proj_out(torch.cat([self.core(x), F.gelu(self.proj_mlp(x))], dim=-1))

    with META, torch.no_grad():
        net, x = nn.Sequential(Joint()), torch.empty(1, 6, 8)
        with Counter() as counter:
            net(x)
    found = split(counter.events, net)
    assert found.mlp == 2 * 6 * (8 * 40 + 40 * 8)
    assert found.projections == 2 * 6 * (8 * 32 + 8 * 8)


def test_hooks_and_modes_are_gone_after_an_error():
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ZeroDivisionError

    counter, net = Counter(), nn.Linear(3, 4)
    with pytest.raises(ZeroDivisionError), counter:
        Broken()(torch.zeros(1))
    net(torch.zeros(2, 3))
    assert counter.events == []
    with counter:
        net(torch.zeros(2, 3))
    assert [event.path for event in counter.events] == [(net,)]
