import pytest
import torch
from torch import nn

from backbones.training.loop import Average, load_state, save_state, trapezoid
from backbones.training.muon import Muon, optimisers, orthogonalise


def test_the_learning_rate_rises_stays_and_falls_to_zero():
    rates = [trapezoid(step, 100, 10, 0.4) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:61] == [1.0] * 52
    assert rates[80] == pytest.approx(0.5)
    assert rates[100] == 0


@pytest.mark.parametrize("shape", [(48, 48), (32, 96), (96, 32)])
def test_orthogonalising_brings_all_singular_values_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    # The quintic oscillates about 1 by design; what matters is that no direction stays small.
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_muon_takes_a_convolution_as_a_matrix():
    torch.manual_seed(0)
    conv = nn.Conv2d(32, 32, 3, bias=False)
    before = conv.weight.detach().clone()
    conv(torch.randn(2, 32, 5, 5)).square().sum().backward()
    Muon(conv.parameters(), lr=0.1, weight_decay=0.0).step()
    moved = (before - conv.weight.detach()).flatten(1)
    values = torch.linalg.svdvals(moved) / (0.1 * 0.2 * 288**0.5)
    raw = torch.linalg.svdvals(conv.weight.grad.flatten(1))
    assert values.max() < 1.3
    assert values.max() / values.min() < raw.max() / raw.min() / 5


def test_only_hidden_matrices_go_to_muon():
    model = nn.ModuleDict({"words": nn.Embedding(64, 64), "hidden": nn.Linear(64, 64), "head": nn.Linear(64, 3)})
    muon, adamw = optimisers(model, 1e-3)
    assert [p.shape for p in muon.param_groups[0]["params"]] == [(64, 64)]
    assert muon.param_groups[0]["params"][0] is model["hidden"].weight
    assert len(adamw.param_groups[0]["params"]) == 4


def test_the_average_of_constant_weights_is_those_weights():
    layer = nn.Linear(2, 2)
    average = Average(layer, 0.9)
    with torch.no_grad():
        layer.weight.fill_(3.0)
    for step in range(400):
        average.update(layer, step)
    torch.testing.assert_close(average.module.weight, torch.full((2, 2), 3.0))


def test_a_checkpoint_goes_on_after_its_step(tmp_path):
    layer, other = nn.Linear(3, 3), nn.Linear(3, 3)
    path = tmp_path / "state.pt"
    assert load_state(path, layer=other) == 0
    save_state(path, 41, layer=layer)
    assert load_state(path, layer=other) == 42
    assert torch.equal(layer.weight, other.weight)
