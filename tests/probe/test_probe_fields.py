"""The fields that are asked: each model is guided in its own way, and read as a velocity afterwards."""

from __future__ import annotations

import pytest
import tiny_models
import torch
from torch.testing import assert_close

from backbones.native import FlowSchedule, Native
from backbones.sampler import guided_field
from evalsuite.field import field_of
from evalsuite.probe.fields import Prompts


@pytest.mark.parametrize("make", [tiny_models.noisy, tiny_models.flow, tiny_models.conv])
def test_guidance_of_raw_outputs_is_guidance_of_velocities_where_it_acts_on_all_channels(make):
    model, x = make(), torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    prompts = Prompts(model, "cpu")
    condition, null = prompts.of(["a", "b"]), prompts.of([""])
    for t in (0.1, 0.5, 0.9):
        ours, theirs = field_of(model, condition, null, 3.0)(x, t), guided_field(model, condition, null, 3.0)(x, t)
        assert_close(ours.velocity, theirs.velocity, atol=1e-4, rtol=1e-4)
        assert_close(ours.conditional, theirs.conditional, atol=1e-5, rtol=1e-5)
        alone = field_of(model, condition, null, 1.0)(x, t)
        assert alone.velocity is alone.conditional
        assert_close(alone.velocity, model.velocity(x, torch.full((2,), t), condition))


def test_guidance_of_some_channels_leaves_the_others_conditional():
    model, x = tiny_models.flow(), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    model.native = Native(prediction="flow", schedule=FlowSchedule(), guided_channels=3)
    prompts = Prompts(model, "cpu")
    found = field_of(model, prompts.of(["a"]), prompts.of([""]), 4.0)(x, 0.4)
    assert torch.equal(found.velocity[:, 3:], found.conditional[:, 3:])
    assert (found.velocity[:, :3] - found.conditional[:, :3]).abs().min() > 0


def test_a_caption_is_encoded_once_and_repeated_beside_itself():
    model = tiny_models.conv()
    prompts = Prompts(model, "cpu")
    twice = prompts.of(["a", "b", "a"], 2)["text"]
    assert model.encoded == ["a", "b"]
    assert_close(twice, model.encode(["a", "a", "b", "b", "a", "a"])["text"])
