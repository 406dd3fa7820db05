"""A checkpoint of guided-diffusion, from its file and flags to scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backbones.protocol import PathSettings
from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.pipeline import run
from evalsuite.spec import RunSpec


def test_flags_say_how_the_weights_are_used(adm_file: Callable[..., Path]):
    model = models.resolve(str(adm_file()))
    assert (model.name, model.stride, model.latent_shape(48, 32)) == ("tiny-adm", 2, (3, 32, 48))
    assert model.native.schedule.alphas_cumprod[500] == pytest.approx(0.4923, abs=1e-3)  # cosine
    assert (model.native.prediction, model.native.clip, model.native.learned_variance) == ("eps", 1.0, True)
    linear = models.resolve(str(adm_file("linear.pt", noise_schedule="linear", diffusion_steps=4000)))
    assert linear.native.schedule.steps == 4000
    assert linear.native.schedule.alphas_cumprod[-1] == pytest.approx(4.0e-5, rel=0.1)  # as with 1,000 steps
    assert models.resolve(str(adm_file("x0.pt", predict_xstart=True))).native.prediction == "x0"


def test_rescaled_timesteps_reach_the_network_in_thousandths(adm_file: Callable[..., Path]):
    known = {"diffusion_steps": 500, "learn_sigma": False}
    plain = models.resolve(str(adm_file("a.pt", **known)))
    scaled = models.resolve(str(adm_file("b.pt", **known, rescale_timesteps=True)))
    x, condition = torch.randn(1, 3, 32, 32), plain.encode(["class 3"])
    assert torch.equal(plain.raw(x, torch.tensor([300.0]), condition), scaled.raw(x, torch.tensor([150.0]), condition))
    assert plain.fingerprint != scaled.fingerprint


def test_its_path_ends_within_the_range_of_images(adm_file: Callable[..., Path]):
    model = models.resolve(str(adm_file()))
    condition = model.encode(["tench", "goldfish"])
    *_, last = model.path(torch.randn(2, 3, 32, 32), condition, model.encode([""]), PathSettings(5, 1.0, "ddim"))
    assert last.x.abs().max() <= 1
    assert 0 <= model.decode(last.x).min() <= model.decode(last.x).max() <= 1
    assert (last.x[0] - last.x[1]).abs().max() > 1e-3


@pytest.mark.parametrize("change", [{}, {"class_cond": False, "resblock_updown": False, "num_head_channels": -1}])
def test_it_goes_through_the_whole_run(
    adm_file: Callable[..., Path], tiny: Callable[..., RunSpec], class_prompts: str, change: dict[str, object]
):
    rows = run(tiny(class_prompts, models=(str(adm_file(**change)),), guidance=1.0 if not change else 4.0))
    found = rows[(rows["metric"] == "v_variance@trajectory") & (rows["slice"] == "all")]
    assert found["n"].tolist() == [6]
    assert found["value"].item() > 0


def test_guidance_without_a_null_class_is_refused_before_anything_is_written(
    adm_file: Callable[..., Path], tiny: Callable[..., RunSpec], class_prompts: str, tmp_path: Path
):
    with pytest.raises(InputError, match="'tiny-adm' has no null class to guide away from: use --guidance 1"):
        run(tiny(class_prompts, models=(str(adm_file()),)))
    assert not (tmp_path / "run").exists()


def test_an_unconditional_model_says_that_no_word_reaches_it(adm_file: Callable[..., Path]):
    model = models.resolve(str(adm_file(class_cond=False)))
    assert model.unknown_words("a cat") == ("a", "cat")
    x, t = torch.randn(1, 3, 32, 32), torch.tensor([3.0])
    seen = model.guide(model.encode(["a cat"]), model.encode([""]), 7.0)(x, t)
    assert seen.output is seen.conditional


def test_a_checkpoint_without_flags_is_told_what_they_look_like(adm_file: Callable[..., Path], tmp_path: Path):
    path = adm_file()
    flags = path.with_suffix(".json").rename(tmp_path / "mine.txt")
    with pytest.raises(
        InputError, match=r'write the flags they were trained with to .*tiny-adm.json or flags=FILE.*"im'
    ):
        models.resolve(str(path))
    assert models.resolve(f"{path}?flags={flags}").stride == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_chanels": 32}, "no flag 'num_chanels'"),
        ({"image_size": "32"}, 'image_size is "32", not a int'),
        ({"image_size": True}, "image_size is true, not a int"),
        ({"num_channels": -1}, "num_channels is -1: out of range"),
        ({"noise_schedule": "sqrt"}, "noise_schedule 'sqrt' is not one of linear, cosine"),
        ({"attention_resolutions": "a,b"}, "attention_resolutions is 'a,b': write numbers"),
        ({"channel_mult": ""}, "image_size 32 has no usual channel_mult"),
        ({"class_cond": False}, "class_cond is False, and the checkpoint has labels"),
        ({"num_channels": 48}, "48 channels at a level: they must divide by 32"),
        ({"num_head_channels": 48}, "64 channels do not divide into 1 heads"),
        ({"num_res_blocks": 2}, "input_blocks.3.0.emb_layers.1.bias is 128, expected 64"),
    ],
)
def test_flags_that_cannot_be_are_told(adm_file: Callable[..., Path], change: dict[str, object], words: str):
    path = adm_file()
    flags = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(flags | change))
    with pytest.raises(InputError, match=words):
        models.resolve(str(path))


def test_a_missing_flag_is_not_guessed(adm_file: Callable[..., Path]):
    path = adm_file()
    flags = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({k: v for k, v in flags.items() if k != "noise_schedule"}))
    with pytest.raises(InputError, match="lacks noise_schedule: say all flags"):
        models.resolve(str(path))
