"""The presets that are trained with several seeds: small, and equal in parameters and arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from backbones import dit, unet


def passed(net: nn.Module, text_width: int) -> tuple[torch.Size, float]:
    """Shape of the prediction of a 16:9 picture, and multiply-adds of the pass."""
    place = {"device": "meta"}
    with FlopCounterMode(display=False) as counter:
        found = net(
            torch.empty(1, 4, 24, 42, **place),
            torch.empty(1, **place),
            torch.empty(1, 20, text_width, **place),
            torch.empty(1, text_width, **place),
        )
    return found.shape, counter.get_total_flops()


def test_twins_are_small_and_equal():
    one, other = dit.PRESETS["twin"], unet.PRESETS["twin"]
    with torch.device("meta"):
        nets = dit.DiT(one), unet.UNet(other)
    sizes = [sum(weight.numel() for weight in net.parameters()) for net in nets]
    assert all(1.8e6 < size < 2.1e6 for size in sizes)
    assert sizes[1] == pytest.approx(sizes[0], rel=0.03)
    assert one.text_width == other.text_width
    (shape, work), (same, as_much) = (passed(net, one.text_width) for net in nets)
    assert shape == same == (1, 4, 24, 42)
    assert as_much == pytest.approx(work, rel=0.15)


def test_twins_are_shaped_like_the_bundled_backbones():
    assert (dit.PRESETS["twin"].patch, unet.PRESETS["twin"].stem) == (2, 1)
    assert dit.PRESETS["twin"].depth == dit.PRESETS["medium"].depth
    assert unet.PRESETS["twin"].attention == unet.PRESETS["medium"].attention
