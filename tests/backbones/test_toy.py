from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

import backbones
from backbones.sampler import guided_field, sample, timesteps
from backbones.toy import COLOURS, GaussianWorld, gaussian_velocity


def test_velocity_is_the_conditional_mean_of_the_target():
    """Regress e - x0 on x_t over many pairs: slope K/D, and value -m + K/D (x_t - (1 - t) m)."""
    mean, deviation, t = 0.7, 0.5, 0.4
    x0, noise = mean + deviation * torch.randn(200_000), torch.randn(200_000)
    x, target = (1 - t) * x0 + t * noise, noise - x0
    found = gaussian_velocity(x.view(-1, 1, 1, 1), torch.full((200_000,), t), torch.tensor(mean), deviation).flatten()
    residual = target - found
    assert residual.mean().abs() < 0.01
    assert (residual * (x - x.mean())).mean().abs() < 0.01
    expected = deviation**2 / ((1 - t) ** 2 * deviation**2 + t**2)  # irreducible error s^2 / D
    assert residual.square().mean().item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("a red cat on a blue background", "blue"),
        ("BLUE then Red.", "red"),
        ("a reddish cat", "gray"),
        ("", "gray"),
    ],
)
def test_the_colour_named_last_is_painted(text: str, colour: str):
    mean = GaussianWorld().encode([text])["mean"]
    assert_close(mean, 2 * torch.tensor([COLOURS[colour]]) - 1)


def test_samples_have_the_colour_and_spread_of_the_world():
    world = backbones.load("toy")
    noise = torch.randn(1, *world.latent_shape(512, 256))
    field = guided_field(world, world.encode(["a green field"]), world.encode([""]), 1.0)
    *_, end = sample(field, noise, timesteps(100), "midpoint")
    image = world.decode(end.x)
    assert image.shape == (1, 3, 256, 512)
    assert_close(image.mean(dim=(0, 2, 3)), torch.tensor(COLOURS["green"]), atol=0.01, rtol=0)
    assert image.std(dim=(2, 3)).mean().item() == pytest.approx(0.125, rel=0.05)  # s / 2, since [-1, 1] -> [0, 1]
    assert torch.equal(image[..., :8, :8], image[..., :1, :1].expand(1, 3, 8, 8))


def test_it_knows_every_word_and_its_fingerprint_follows_its_parameters():
    assert GaussianWorld().unknown_words("xyzzy") == ()
    assert GaussianWorld().fingerprint == GaussianWorld().fingerprint
    assert GaussianWorld(deviation=0.5).fingerprint != GaussianWorld().fingerprint
    assert len(GaussianWorld().fingerprint) == 64


@pytest.mark.parametrize(("width", "height"), [(250, 256), (256, 8), (0, 256), (-16, 16)])
def test_sizes_off_the_stride_are_refused(width: int, height: int):
    with pytest.raises(ValueError, match=f"size {width}x{height}: both sides must be positive multiples of 16"):
        GaussianWorld().latent_shape(width, height)
