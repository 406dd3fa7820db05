from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from backbones.adaln import linear_gelu
from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig

pytestmark = pytest.mark.usefixtures("one_thread")
SIZES = FacebookDiTConfig(width=32, depth=3, heads=2, patch=2, grid=4, rows=11, hidden=128)


@pytest.fixture
def network() -> FacebookDiT:
    found = FacebookDiT(SIZES)
    generator = torch.Generator().manual_seed(0)
    for value in found.parameters():
        value.data.normal_(0, 0.15, generator=generator)
    return found.eval().requires_grad_(False)


@torch.no_grad()
def predict(network: FacebookDiT) -> torch.Tensor:
    x = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    return network(x, torch.tensor([30.0, 700.0]), torch.tensor([4, 10]))


def test_fused_blocks_are_the_same_function(network: FacebookDiT):
    plain = predict(network)
    assert len(network.fuse()) == 1 + SIZES.depth
    fused = predict(network)
    assert plain.std() > 0.1
    torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-5)


def test_fusing_keeps_the_checkpoint_and_can_be_undone(network: FacebookDiT):
    plain, state = predict(network), {key: value.clone() for key, value in network.state_dict().items()}
    network.fuse()
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert network.unfuse() == list(network.blocks)
    assert torch.equal(predict(network), plain)


def test_fused_modulations_are_the_blocks_own_memory(network: FacebookDiT):
    network.fuse()
    own = network.blocks[1].adaLN_modulation[1].weight
    assert own.data_ptr() == network.fused.weight[1].data_ptr()
    own.data.zero_()
    assert network.fused.weight[1].abs().max() == 0


def test_a_linear_layer_with_gelu_is_the_two_after_another():
    x, weight, bias = torch.randn(2, 3, 8), torch.randn(5, 8), torch.randn(5)
    assert torch.equal(linear_gelu(x, weight, bias), F.gelu(F.linear(x, weight, bias), approximate="tanh"))
    assert linear_gelu(*(part.to("meta") for part in (x, weight, bias))).shape == (2, 3, 5)
