from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from torch import Tensor

from backbones import tiling
from evalsuite.decoding import decode, to_bytes
from evalsuite.errors import InputError
from evalsuite.generate import generate
from evalsuite.options import spec_from
from evalsuite.painter import Painter
from evalsuite.plan import Machine, jobs, units
from evalsuite.prepare import Shelf, prepare
from evalsuite.progress import Silent
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from evalsuite.tiles import tile_of
from prompts import Prompt


class Tiled(tiny_models.ConvWorld):
    """Decodes in tiles, a latent at a time, so that tiles change nothing but the way."""

    tiles: list[int]

    def __init__(self) -> None:
        super().__init__("tiled")
        self.tiles = []

    def decode(self, latents: Tensor) -> Tensor:
        return torch.sigmoid(latents[:, :3]).repeat_interleave(8, -1).repeat_interleave(8, -2)

    def strips(self, latents: Tensor, tile: int) -> Iterator[Tensor]:
        self.tiles.append(tile)
        return tiling.strips(self.decode, latents, tile // 8)


@pytest.mark.parametrize(
    ("asked", "width", "height", "tile"),
    [
        ("auto", 1024, 1024, None),
        ("auto", 2048, 512, None),
        ("auto", 1024, 1040, 384),
        ("auto", 4096, 4096, 384),
        ("off", 4096, 4096, None),
        ("256", 256, 256, None),
        ("256", 272, 240, 256),
        ("4096", 1024, 1024, None),
    ],
)
def test_large_images_are_decoded_in_tiles(asked: str, width: int, height: int, tile: int | None):
    assert tile_of(asked, width, height) == tile


def test_the_options_set_the_tile_and_the_kernel():
    spec = spec_from(vae_tile="256", attention="math")
    assert (spec.vae_tile, spec.attention) == ("256", "math")
    assert RunSpec(vae_tile=256) == RunSpec(vae_tile="256")


def test_a_unit_key_sees_the_tiles_of_its_own_size_alone():
    """Tiles that no image needs change no byte, so they remake none."""
    machine, prompts = Machine("cpu", "2"), (Prompt("p", "text"),)
    keys = {}
    for asked in ("auto", "off", "128", "256"):
        spec = RunSpec(batch_size=1, aspects=("1:1",), pixels=192 * 192, vae_tile=asked)
        (unit,) = units(jobs(spec, prompts, {"dit": 16}), spec, {"dit": "aa"}, machine)
        keys[asked] = unit.key
    assert keys["auto"] == keys["off"] == keys["256"]
    assert keys["128"] != keys["off"]


def test_tiles_are_used_where_they_are_asked_for_and_recorded(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
):
    model = Tiled()
    monkeypatch.setattr(tiny_models, "tiled", lambda: model, raising=False)
    spec = tiny(models=("tiny_models:tiled",), pixels=192 * 192, aspects=("1:1", "1:4"), prompts=1, vae_tile="256")
    manifest = prepare(spec, Shelf())
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        assert generate(store, lambda name: model, Silent()) == ()
        assert json.loads((store.folder / "run.json").read_bytes())["spec"]["vae_tile"] == "256"
        told = {(unit.width, unit.height): store.record(unit)["tile"] for unit in manifest.units}
    assert told == {(192, 192): None, (96, 384): 256}
    assert model.tiles == [256]
    whole = Painter(model, replace(manifest.spec, vae_tile="off"))
    for unit in manifest.units:
        tiled = Painter(model, manifest.spec).paint(unit)
        for a, b in zip(tiled, whole.paint(unit), strict=True):
            assert np.array_equal(a.rgb, b.rgb)


def test_a_model_without_tiles_decodes_whole_unless_they_are_asked_for_by_number(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(vae_tile="auto", prompts=1, aspects=("1:1",)), Shelf())
    painter = Painter(tiny_models.conv(), manifest.spec)
    painter.paint(manifest.units[0])
    assert painter.made(manifest.units[0]).tile is None
    with pytest.raises(InputError, match="vae_tile 128: model 'tiny_models:conv' decodes whole images only") as caught:
        prepare(tiny(vae_tile="128"), Shelf())
    assert "\n" not in str(caught.value)
    assert not Path(tiny().output_dir).exists()


def test_strips_become_one_picture_and_what_is_not_finite_anywhere_is_told():
    image = torch.rand(3, 3, 30, 20)
    image[1, 2, 29, 3] = float("nan")
    image[2, 0, 0, 0] = float("inf")
    rgb, finite = to_bytes(image.split([7, 20, 3], dim=2), 20, 30, "x")
    assert finite == [True, False, False]
    expected = image[0].clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(rgb[0], expected)
    assert rgb.shape == (3, 30, 20, 3)


@pytest.mark.parametrize(
    ("strips", "shape"),
    [
        ([(3, 10, 20)], r"\(3, 10, 20\)"),
        ([(3, 10, 20), (3, 21, 20)], r"\(3, 31, 20\)"),
        ([(3, 30, 19)], r"\(3, 30, 19\)"),
        ([(4, 30, 20)], r"\(4, 30, 20\)"),
        ([], r"\(0, 0, 0\)"),
    ],
)
def test_strips_of_another_size_are_refused(strips: list[tuple[int, ...]], shape: str):
    with pytest.raises(ValueError, match=rf"x decodes to {shape}, not \(3, 30, 20\)"):
        to_bytes([torch.zeros(1, *each) for each in strips], 20, 30, "x")


@torch.inference_mode()
def test_the_bundled_model_decodes_the_same_picture_in_tiles():
    """In bytes: to one level, and to 0.01 levels on average; 256 x 256 pixels in tiles of 192."""
    from backbones import bundled

    model = bundled.dit()
    latents = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    whole, tiled = (decode(model, latents, 256, 256, tile).rgb.astype(int) for tile in (None, 192))
    assert abs(whole - tiled).max() <= 1
    assert abs(whole - tiled).mean() < 0.01
