"""Pictures to latents: what a model's denoiser sees is what its own autoencoder says, and `decode` leads back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from torch.testing import assert_close

import backbones
from evalsuite import models

PICTURE = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", ["sd1", "sdxl", "sd3", "flux", "sana"])
def test_a_diffusers_model_encodes_as_its_pipeline_would(name: str, pipelines: Callable[[str], Path]):
    """The autoencoder's own way there and back, without our scaling and shift, gives the same pictures."""
    model = models.resolve(str(pipelines(name)))
    latents = model.latents(PICTURE)
    assert tuple(latents.shape[1:]) == model.latent_shape(96, 64)
    with torch.no_grad():
        encoded = model.vae.encode(PICTURE * 2 - 1)
        raw = encoded.latent_dist.mean if hasattr(encoded, "latent_dist") else encoded.latent
        assert_close(model.decode(latents), model.vae.decode(raw).sample / 2 + 0.5, atol=1e-5, rtol=1e-4)
    config = model.vae.config
    expected = (raw - (config.get("shift_factor") or 0)) * config.scaling_factor
    assert_close(latents, expected)
    assert latents.dtype == torch.float32


def test_a_transformer_of_facebook_encodes_by_the_autoencoder_that_was_named(
    dit_file: Callable[..., Path], pipelines: Callable[[str], Path]
):
    vae = pipelines("sd1") / "vae"
    model = models.resolve(f"{dit_file()}?heads=2&vae={vae}")
    mean = AutoencoderKL.from_pretrained(vae, low_cpu_mem_usage=False).eval().encode(PICTURE * 2 - 1).latent_dist.mean
    assert_close(model.latents(PICTURE), mean * 0.18215)
    ours = models.resolve(f"{dit_file()}?heads=2&vae=bundled")
    assert_close(ours.latents(PICTURE), backbones.load("dit").latents(PICTURE))


def test_a_network_over_pixels_sees_the_picture_itself(adm_file: Callable[..., Path]):
    model = models.resolve(str(adm_file()))
    assert_close(model.latents(PICTURE), PICTURE * 2 - 1)
    assert_close(model.decode(model.latents(PICTURE)), PICTURE)


def test_the_bundled_models_know_their_own_world_again():
    from evalsuite.probe.pictures import as_tensor, chosen
    from evalsuite.probe.spec import BankSpec, ProbeSpec
    from evalsuite.progress import Silent

    model = backbones.load("dit")
    recipe = ProbeSpec(made=BankSpec(images=2)).recipe()
    assert recipe is not None
    for picture in chosen(recipe, Silent()):
        pixels = as_tensor([picture])
        latents = model.latents(pixels)
        assert tuple(latents.shape[1:]) == model.latent_shape(picture.width, picture.height)
        assert -10 * (model.decode(latents).clamp(0, 1) - pixels).square().mean().log10() > 28  # dB
        assert 0.5 < latents.std() < 2


def test_the_toy_model_shrinks_what_it_paints():
    toy = backbones.load("toy")
    latents = torch.rand(2, *toy.latent_shape(64, 32)) * 2 - 1
    assert_close(toy.latents(toy.decode(latents)), latents, atol=1e-5, rtol=0)
