from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from backbones.attention import PLACES, axial_rotation, grid_positions, rotate
from backbones.bundled import TRAINED
from backbones.dit import DiT, DiTConfig
from backbones.protocol import TextToImage
from evalsuite.errors import InputError
from evalsuite.models import resolve

SIDE = 8


def logits(places: Tensor, x: Tensor) -> Tensor:
    rotation = axial_rotation(places, x.shape[-1])
    return rotate(x, rotation) @ rotate(x.flip(-1), rotation).transpose(-1, -2)


@pytest.mark.parametrize("places", PLACES)
def test_all_are_equal_at_the_square_of_training(places):
    assert torch.equal(grid_positions(SIDE, SIDE, places=places, side=SIDE), grid_positions(SIDE, SIDE))


def test_scaled_ones_span_the_square_at_every_ratio():
    for rows, columns in ((6, 11), (11, 6), (7, 10), (16, 16)):
        grid = grid_positions(rows, columns, places="scaled", side=SIDE).view(rows, columns, 2)
        step = grid[1, 1] - grid[0, 0]
        assert_close(step * torch.tensor([rows, columns]), torch.tensor([8.0, 8.0]))
        assert_close(grid.mean(dim=(0, 1)), torch.zeros(2), atol=1e-6, rtol=0)


def test_corner_ones_begin_where_the_square_of_training_begins():
    grid = grid_positions(6, 11, places="corner", side=SIDE).view(6, 11, 2)
    square = grid_positions(SIDE, SIDE).view(SIDE, SIDE, 2)
    assert torch.equal(grid[:6, :8], square[:6, :8])
    assert grid[0, -1, 1] == square[0, -1, 1] + 3


def test_among_image_tokens_a_shift_changes_nothing_but_text_at_the_origin_sees_it():
    """Rotary logits depend on offsets alone: centred and corner differ in what lies between image and text."""
    x = torch.randn(1, 1, 67, 16, generator=torch.Generator().manual_seed(0))
    text = torch.zeros(1, 2)
    centred, corner = (
        torch.cat([text, grid_positions(6, 11, places=places, side=SIDE)]) for places in ("centred", "corner")
    )
    here, there = logits(centred, x), logits(corner, x)
    assert_close(there[..., 1:, 1:], here[..., 1:, 1:], atol=1e-4, rtol=1e-4)
    assert (there[..., 0, 1:] - here[..., 0, 1:]).abs().max() > 0.1
    scaled = torch.cat([text, grid_positions(6, 11, places="scaled", side=SIDE)])
    assert (logits(scaled, x)[..., 1:, 1:] - here[..., 1:, 1:]).abs().max() > 0.1


@pytest.mark.parametrize(("places", "side"), [("middle", 8), ("corner", 0)])
def test_an_unknown_place_is_refused(places, side: int):
    with pytest.raises(ValueError, match="use one of centred, scaled, corner"):
        DiT(DiTConfig(width=32, depth=1, heads=2, mlp_hidden=64, text_width=32)).place(places, side)


@pytest.fixture(scope="module")
def models() -> dict[str, TextToImage]:
    return {name: resolve(name) for name in ("dit", *(f"dit?positions={places}" for places in PLACES))}


def test_positions_are_part_of_a_models_identity_and_said(models: dict[str, TextToImage]):
    prints = {name: model.fingerprint for name, model in models.items()}
    assert prints["dit"] == prints["dit?positions=centred"]
    assert len(set(prints.values())) == 3
    notes = {name: model.notes for name, model in models.items()}  # type: ignore[attr-defined]
    assert notes["dit"] == notes["dit?positions=centred"] == ()
    assert "an ablation of the same weights at inference" in notes["dit?positions=corner"][0]


def test_the_velocity_is_the_same_at_the_square_and_another_elsewhere(models: dict[str, TextToImage]):
    def velocity(name: str, width: int, height: int) -> Tensor:
        model = models[name]
        x = torch.randn(1, *model.latent_shape(width, height), generator=torch.Generator().manual_seed(1))
        return model.velocity(x, torch.tensor([0.7]), model.encode(["a cat on a red background"]))

    for places in ("scaled", "corner"):
        name = f"dit?positions={places}"
        assert torch.equal(velocity(name, TRAINED, TRAINED), velocity("dit", TRAINED, TRAINED))
        assert (velocity(name, 336, 192) - velocity("dit", 336, 192)).abs().max() > 0.01


@pytest.mark.parametrize("name", ["dit?positions=none", "dit?places=corner", "unet?positions=corner"])
def test_what_cannot_be_placed_is_one_line(name: str):
    with pytest.raises(InputError, match="cannot be built"):
        resolve(name)
