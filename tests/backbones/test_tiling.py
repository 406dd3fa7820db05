from __future__ import annotations

import os
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from backbones.bundled import load_vae
from backbones.tiling import decode_tiled, places, strips
from backbones.vae import VAE

LEVEL = 1 / 255


def painted(z: Tensor) -> Tensor:
    """One latent to 8 x 8 pixels that no other latent reaches."""
    return F.interpolate(torch.sin(z[:, :3] * 3 + z[:, 3:4]), scale_factor=8.0)


def pictures_of(vae: VAE, side: int) -> dict[str, Tensor]:
    """Latents of a scene, of one whose right half is black, and of noise; each (1, 4, side / 8, side / 8)."""
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    scene = torch.stack([0.2 + 0.6 * y, 0.3 + 0.5 * x, 0.5 + 0.3 * (x - y)])
    for _ in range(12):
        across, down, radius, *colour = torch.rand(6).tolist()
        inside = (x - across).square() + (y - down).square() < (0.03 + 0.15 * radius) ** 2
        scene = torch.where(inside, torch.tensor(colour)[:, None, None], scene)
    half = torch.where(x < 0.5, scene, torch.zeros(()))
    found = {name: vae.encode(image[None] * 2 - 1)[0] for name, image in (("scene", scene), ("half black", half))}
    return found | {"noise": vae.denormalise(torch.randn(1, 4, side // 8, side // 8))}


def away_from_blends(size: int, tile: int) -> Tensor:
    """Of every row or column of pixels, whether one tile alone makes it."""
    alone = torch.ones(size * 8, dtype=torch.bool)
    for place in places(size, tile, tile // 4)[1:]:
        alone[place.fade * 8 : place.full * 8] = False
    return alone


@pytest.mark.parametrize(("height", "width"), [(16, 16), (7, 16), (16, 3), (1, 1)])
def test_what_one_tile_holds_is_decoded_as_ever(height: int, width: int):
    vae, z = VAE(), torch.randn(2, 4, height, width)
    assert torch.equal(decode_tiled(vae.decode, z, 16, norms=vae), vae.decode(z))


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 16), (40, 23), (8, 61), (61, 5), (33, 33)])
def test_a_decoder_that_looks_at_single_latents_is_matched_exactly(height: int, width: int, overlap: float):
    z = torch.randn(2, 4, height, width)
    assert torch.equal(decode_tiled(painted, z, 16, overlap), painted(z))


def test_equal_latents_give_an_equal_picture():
    z = torch.full((1, 4, 30, 45), 0.1)
    assert torch.equal(decode_tiled(painted, z, 8), painted(z))


@pytest.mark.parametrize(("height", "width", "overlap"), [(20, 20, 0.25), (23, 9, 0.5), (16, 41, 0.5), (9, 12, 0.0)])
def test_the_weights_of_all_tiles_sum_to_one(height: int, width: int, overlap: float):
    """A tile's weights are the picture when it alone is white."""
    z, count = torch.zeros(1, 4, height, width), 0

    def white(chosen: int) -> Tensor:
        nonlocal count
        count = 0

        def decode(tile: Tensor) -> Tensor:
            nonlocal count
            count += 1
            return torch.full((1, 3, *(side * 2 for side in tile.shape[-2:])), float(count - 1 == chosen))

        return decode_tiled(decode, z, 8, overlap)

    total, tiles = white(0), count
    for chosen in range(1, tiles):
        weights = white(chosen)
        assert weights.min() >= 0
        assert weights.max() == 1
        total += weights
    assert tiles > 1
    assert_close(total, torch.ones(1, 3, 2 * height, 2 * width), atol=1e-6, rtol=0)


@pytest.mark.parametrize("overlap", [0, 1, 4, 8])
def test_tiles_cover_an_axis_in_order_and_share_what_was_asked_for(overlap: int):
    for size in range(16, 200):
        found = places(size, 16, overlap)
        assert (found[0], found[-1].start) == ((0, 0, 0), size - 16)
        for before, place in pairwise(found):
            assert before.start + 16 - place.start >= overlap
            assert place.start <= place.fade <= place.full <= before.start + 16
            assert before.full <= place.fade
            assert place.full - place.fade == overlap // 3


def test_strips_come_from_top_to_bottom_and_join_to_the_whole_picture():
    z = torch.randn(2, 4, 40, 20)
    found = [strip.clone() for strip in strips(painted, z, 16)]
    assert len(found) == 3
    assert all(strip.shape[:2] == (2, 3) and strip.shape[3] == 160 for strip in found)
    assert torch.equal(torch.cat(found, dim=2), painted(z))


def test_no_more_than_a_tile_is_ever_decoded_at_once():
    sides: set[tuple[int, ...]] = set()

    def decode(z: Tensor) -> Tensor:
        sides.add(tuple(z.shape[-2:]))
        return painted(z)

    decode_tiled(decode, torch.randn(1, 4, 50, 9), 16)
    assert sides == {(16, 9)}


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "side", "tile", "bound"),
    [("half black", 512, 48, 0.01), ("scene", 320, 32, 0.01), ("noise", 256, 24, 0.1), ("scene", 256, 16, 0.5)],
)
def test_tiles_of_the_bundled_vae_are_the_whole_picture_where_norms_are_measured_over_it(
    name: str, side: int, tile: int, bound: float
):
    """Mean difference in levels of 255, everywhere and away from the blends."""
    vae, alone = load_vae(), away_from_blends(side // 8, tile)
    z = pictures_of(vae, side)[name]
    apart = (decode_tiled(vae.decode, z, tile, norms=vae.decoder) - vae.decode(z)).abs() / 2 / LEVEL
    assert apart.mean() < bound
    assert apart[..., alone, :][..., alone].mean() < bound


@torch.no_grad()
def test_tiles_that_each_measure_their_own_norms_are_seen():
    """Why `norms` is there: a tile of the black half alone is scaled as if all the picture were black."""
    vae = load_vae()
    z, alone = pictures_of(vae, 512)["half black"], away_from_blends(64, 32)
    apart = (decode_tiled(vae.decode, z, 32) - vae.decode(z)).abs() / 2 / LEVEL
    assert apart[..., alone, :][..., alone].mean() > 3


@torch.no_grad()
def test_every_picture_of_a_batch_has_norms_of_its_own():
    vae = load_vae()
    z = torch.cat(list(pictures_of(vae, 128).values()))
    together = decode_tiled(vae.decode, z, 12, norms=vae)
    alone = torch.cat([decode_tiled(vae.decode, each[None], 12, norms=vae) for each in z])
    assert_close(together, alone, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm_over_tiles_is_group_norm_over_the_picture(affine: bool):
    """Nothing but norms and pointwise steps: to fp32 rounding at any tile."""
    net = nn.Sequential(nn.GroupNorm(2, 4, affine=affine), nn.Conv2d(4, 8, 1), nn.GroupNorm(4, 8), nn.Conv2d(8, 3, 1))
    for weight in net[0].parameters():
        nn.init.normal_(weight)
    z = torch.randn(2, 4, 21, 34) + torch.linspace(-3, 3, 34)
    assert_close(decode_tiled(net, z, 8, norms=net), net(z), atol=2e-5, rtol=0)


@torch.no_grad()
def test_the_layers_are_themselves_again_whatever_happens():
    vae, z = VAE(), torch.randn(1, 4, 24, 24)
    before = vae.decode(z)
    unfinished = strips(vae.decode, z, 16, norms=vae)
    next(unfinished)
    unfinished.close()
    assert torch.equal(vae.decode(z), before)

    def broken(_: Tensor) -> Tensor:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        decode_tiled(broken, z, 16, norms=vae)
    assert torch.equal(vae.decode(z), before)


@torch.no_grad()
def test_layers_that_do_not_run_are_not_waited_for():
    vae, z = VAE(), torch.randn(1, 4, 24, 24)
    assert torch.equal(decode_tiled(vae.decode, z, 16, norms=vae), decode_tiled(vae.decode, z, 16, norms=vae.decoder))


@torch.no_grad()
def test_an_autoencoder_of_diffusers_is_decoded_in_tiles():
    """Without attention, which sees a tile alone, the norms make all the difference."""
    if not os.environ.get("CI"):  # there, a peer that is missing is a fault
        pytest.importorskip("diffusers")
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    sizes = {"block_out_channels": [8, 16], "norm_num_groups": 4, "mid_block_add_attention": False}
    vae = AutoencoderKL(**blocks, **sizes).eval()

    def decode(z: Tensor) -> Tensor:
        return vae.decode(z, return_dict=False)[0]

    z = torch.randn(1, 4, 36, 27) + torch.linspace(-1, 1, 27)
    whole = decode(z)
    assert torch.equal(decode_tiled(decode, z, 36), whole)
    plain, measured = (decode_tiled(decode, z, 20, norms=norms) for norms in (None, vae.decoder))
    assert plain.shape == measured.shape == whole.shape == (1, 3, 72, 54)
    assert (measured - whole).abs().mean() < (plain - whole).abs().mean() / 10


@pytest.mark.parametrize(
    ("tile", "overlap", "decode", "complaint"),
    [
        (3, 0.25, painted, "tile 3, overlap 0.25"),
        (8, 0.6, painted, "tile 8, overlap 0.6"),
        (8, -0.1, painted, "overlap -0.1"),
        (8, 0.25, lambda z: torch.zeros(1, 3, 12, 16), "latents 8x8 decode to 12x16"),
        (8, 0.25, lambda z: torch.zeros(1, 3, 4, 4), "latents 8x8 decode to 4x4"),
    ],
)
def test_impossible_tiles_are_refused_with_their_numbers(tile: int, overlap: float, decode, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        decode_tiled(decode, torch.zeros(1, 4, 20, 20), tile, overlap)
