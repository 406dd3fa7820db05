from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from backbones.vae import VAE, VAEConfig

SMALL = VAEConfig(widths=(16, 32))


@pytest.mark.parametrize(("height", "width"), [(32, 48), (24, 8)])
def test_an_image_becomes_latents_of_an_eighth_of_its_sides_and_back(height: int, width: int):
    vae = VAE(SMALL)
    mean, logvar = vae.encode(torch.rand(2, 3, height, width) * 2 - 1)
    assert mean.shape == logvar.shape == (2, 4, height // 8, width // 8)
    assert vae.decode(mean).shape == (2, 3, height, width)


def test_sides_that_do_not_divide_by_eight_are_refused():
    with pytest.raises(ValueError, match="image 36x32: both sides must divide by 8"):
        VAE(SMALL).encode(torch.zeros(1, 3, 32, 36))


def test_normalised_latents_have_zero_mean_and_unit_deviation_and_come_back():
    vae, z = VAE(SMALL), torch.randn(64, 4, 3, 3) * torch.tensor([1.0, 2, 3, 4])[:, None, None] + 5
    vae.latent_mean.copy_(z.mean(dim=(0, 2, 3)))
    vae.latent_std.copy_(z.std(dim=(0, 2, 3)))
    even = vae.normalise(z)
    assert_close(even.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    assert_close(even.std(dim=(0, 2, 3)), torch.ones(4))
    assert_close(vae.denormalise(even), z)
    assert {"latent_mean", "latent_std"} <= vae.state_dict().keys()


def test_a_few_steps_on_one_picture_bring_it_closer():
    vae, picture = VAE(SMALL), torch.rand(1, 3, 16, 16) * 2 - 1
    rule = torch.optim.Adam(vae.parameters(), lr=3e-3)
    errors = []
    for _ in range(25):
        error = (vae.decode(vae.encode(picture)[0]) - picture).square().mean()
        rule.zero_grad()
        error.backward()
        rule.step()
        errors.append(error.item())
    assert errors[-1] < errors[0] / 2


@pytest.mark.parametrize(("row", "column"), [(2, 5), (5, 1)])
def test_place_is_kept_both_ways(row: int, column: int):
    """The response to one latent, or of one, is strongest in its own 8 x 8 pixels."""
    vae = VAE(VAEConfig(widths=(16, 32), encoder_blocks=(0, 0), decoder_blocks=(0, 0)))
    picture = torch.randn(8, 3, 64, 64, requires_grad=True)
    vae.encode(picture)[0][:, :, row, column].square().sum().backward()
    z = torch.randn(8, 4, 8, 8)
    other = z.clone()
    other[:, :, row, column] += 1
    for response in (picture.grad, vae.decode(other) - vae.decode(z)):
        energy = response.detach().square().sum(dim=(0, 1)).unfold(0, 8, 8).unfold(1, 8, 8).sum(dim=(2, 3))
        assert divmod(int(energy.argmax()), 8) == (row, column)
