from __future__ import annotations

from pathlib import Path

import pytest
import tiny_diffusers
import torch

from evalsuite import models

pytestmark = pytest.mark.usefixtures("one_thread")


def test_diffusers_dit_fused_is_the_same_function_and_can_be_undone(tmp_path: Path):
    tiny_diffusers.dit(tmp_path / "dit").save_pretrained(str(tmp_path / "dit"))
    model = models.resolve(str(tmp_path / "dit"))
    channels, h, w = model.latent_shape(4 * model.stride, 2 * model.stride)
    x = torch.randn(2, channels, h, w, generator=torch.Generator().manual_seed(0))
    asked = x, torch.tensor([20.0, 800.0]), {"label": torch.tensor([3, 5])}
    plain = model.predict(*asked)
    blocks = model.repeated()
    assert len(blocks) == 1 + len(model.denoiser.transformer_blocks)
    assert model.repeated() == blocks  # of one stack: another one would copy weights
    fused = model.predict(*asked)
    assert plain.std() > 0.01
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)
    assert model.repeated(fused=False) == list(model.denoiser.transformer_blocks)
    assert torch.equal(model.predict(*asked), plain)
    model.repeated()
    assert torch.equal(model.to("cpu").predict(*asked), plain)  # moved weights are the plain ones


def test_norms_with_weights_of_their_own_are_not_fused(tmp_path: Path):
    tiny_diffusers.dit(tmp_path / "dit").save_pretrained(str(tmp_path / "dit"))
    model = models.resolve(str(tmp_path / "dit"))
    model.denoiser.register_to_config(norm_elementwise_affine=True)
    assert model.repeated() == list(model.denoiser.transformer_blocks)
