from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.testing import assert_close

from backbones.pipeline import LatentDiffusion
from backbones.sampler import guided_field, sample, timesteps
from backbones.text import Tokenizer

Make = Callable[[str], LatentDiffusion]
both = pytest.mark.parametrize("kind", ["dit", "unet"])


@both
def test_prompts_to_pictures_in_one_go(model: Make, kind: str):
    whole = model(kind)
    condition, null = whole.encode(["a red cat", "blue"]), whole.encode(["", ""])
    noise = torch.randn(2, *whole.latent_shape(48, 32))
    *_, end = sample(guided_field(whole, condition, null, 4.0), noise, timesteps(2), "euler")
    image = whole.decode(end.x)
    assert image.shape == (2, 3, 32, 48)
    assert image.dtype == torch.float32
    assert image.isfinite().all()
    assert not image.requires_grad


def test_decode_undoes_the_latents_normalisation_and_maps_to_the_unit_range(model: Make):
    whole, raw = model("dit"), torch.randn(1, 4, 4, 4)
    assert_close(whole.decode(whole.vae.normalise(raw)), (whole.vae.decode(raw) + 1) / 2)


@both
def test_velocity_is_the_denoisers_in_the_dtype_of_x(model: Make, kind: str):
    whole, x, t = model(kind), torch.randn(2, 4, 16, 16), torch.tensor([0.2, 0.9])
    condition = whole.encode(["red cat", ""])
    exact = whole.denoiser(x, t, condition["tokens"], condition["pooled"])
    assert torch.equal(whole.velocity(x, t, condition), exact)
    half = whole.to("cpu", torch.bfloat16)
    rough = half.velocity(x, t, half.encode(["red cat", ""]))
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() / exact.norm() < 0.05


def test_the_decoder_stays_in_fp32_when_the_rest_is_cast(model: Make):
    whole, latents = model("unet"), torch.randn(1, 4, 4, 4)
    exact = whole.decode(latents)
    assert_close(whole.to("cpu", torch.bfloat16).decode(latents), exact, atol=1e-5, rtol=0)


@both
def test_neighbours_do_not_change_a_picture_at_a_fixed_batch(model: Make, kind: str):
    whole = model(kind)
    noise = torch.randn(4, *whole.latent_shape(64, 64))

    def picture(texts: list[str], noise: torch.Tensor, row: int) -> torch.Tensor:
        field = guided_field(whole, whole.encode(texts), whole.encode([""] * 4), 3.0)
        *_, end = sample(field, noise, timesteps(3), "heun")
        return whole.decode(end.x)[row]

    whole.to("cpu")
    alone = picture(["red cat"] * 4, noise[:1].expand(4, -1, -1, -1).contiguous(), 0)
    among = picture(["blue", "a", "red cat", ""], noise[[1, 2, 0, 3]], 2)
    assert torch.equal(alone, among)


def test_the_fingerprint_follows_weights_configuration_and_vocabulary(model: Make):
    first = model("dit")
    again = LatentDiffusion("other name", first.denoiser, first.text, first.tokenizer, first.vae)
    assert again.fingerprint == first.fingerprint
    first_word, *others = first.tokenizer.vocabulary
    swapped = Tokenizer((*others, first_word), length=5)
    assert LatentDiffusion("dit", first.denoiser, first.text, swapped, first.vae).fingerprint != first.fingerprint
    first.vae.latent_std[0] += 1
    assert LatentDiffusion("dit", *parts(first)).fingerprint != again.fingerprint


def test_models_share_a_latent_space_when_they_share_the_vae(model: Make):
    first, second = model("dit"), model("unet")
    second.vae.load_state_dict(first.vae.state_dict())
    second = LatentDiffusion("unet", *parts(second))
    assert second.fingerprint != first.fingerprint
    assert second.latent_space == first.latent_space
    assert len(first.latent_space) == 12
    second.vae.latent_std[0] += 1
    assert LatentDiffusion("unet", *parts(second)).latent_space != first.latent_space


def test_the_fingerprint_does_not_depend_on_the_memory_layout(model: Make):
    plain = model("unet")
    assert LatentDiffusion("unet", *parts(plain.to("cpu"))).fingerprint == plain.fingerprint


def parts(whole: LatentDiffusion):
    return whole.denoiser, whole.text, whole.tokenizer, whole.vae


def test_unknown_words_are_told(model: Make):
    assert model("dit").unknown_words("a green cat") == ("green",)


@pytest.mark.parametrize("length", [4, 5])
def test_a_tokenizer_of_another_size_is_refused(model: Make, length: int):
    whole = model("dit")
    words = whole.tokenizer.vocabulary[length == 5 :]
    with pytest.raises(ValueError, match="does not fit a text encoder of 8 x 5"):
        LatentDiffusion("dit", whole.denoiser, whole.text, Tokenizer(words, length), whole.vae)


def test_a_denoiser_of_another_text_width_is_refused(model: Make):
    from backbones.dit import DiT

    whole = model("dit")
    with pytest.raises(ValueError, match="text width 32, denoiser wants 256"):
        LatentDiffusion("dit", DiT(), whole.text, whole.tokenizer, whole.vae)
