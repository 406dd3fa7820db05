"""Predictions that carry guidance: asked once, and known by what they were distilled for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backbones import bundled, distilled
from backbones.pipeline import LatentDiffusion
from backbones.sampler import Field, guided_field, mean_field
from backbones.toy import GaussianWorld


class Carrying(GaussianWorld):
    guided = 4.0


def test_a_field_that_carries_guidance_is_asked_once_and_tells_none_without():
    world, x = Carrying(), torch.randn(2, 3, 4, 4)
    condition, null = world.encode(["red", "blue"]), world.encode([""])
    field = guided_field(world, condition, null, 4.0)(x, 0.6)
    assert torch.equal(field.velocity, world.velocity(x, torch.full((2,), 0.6), condition))
    assert field.conditional is None
    assert mean_field(field, field).conditional is None
    with pytest.raises(ValueError, match="predictions of 'toy' carry guidance 4: 1 cannot be had of it"):
        guided_field(world, condition, null, 1.0)


def test_a_mean_with_a_field_that_tells_none_without_guidance_tells_none():
    one = torch.ones(1)
    assert mean_field(Field(one, 3 * one), Field(3 * one, None)) == Field(2 * one, None)


@pytest.mark.parametrize(
    "said", [{}, {"guidance": 4.0, "steps": 0, "shift": 1.5}, {"guidance": 4.0, "steps": 8.5, "shift": 1.5},
             {"guidance": "4", "steps": 8, "shift": 1.5}, {"guidance": float("nan"), "steps": 8, "shift": 1.5}, 4]
)  # fmt: skip
def test_a_card_that_says_half_of_it_is_refused(said: object):
    with pytest.raises(ValueError, match=r"card of x: distilled is .*: wants guidance, steps and shift"):
        distilled.of_card({"name": "x", "distilled": said})


def test_the_fingerprint_sees_what_a_model_was_distilled_for(folder: Path):
    whole = bundled.load("dit-turbo", folder)
    parts = whole.denoiser, whole.text, whole.tokenizer, whole.vae
    others = (None, distilled.Distilled(guidance=3, steps=8, shift=1.5))
    prints = {LatentDiffusion("a", *parts, each).fingerprint for each in others}
    assert len({whole.fingerprint, *prints}) == 3
