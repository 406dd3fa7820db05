"""One file in the original layout is the same model as the folder whose configuration reads it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_diffusers
import torch
from ldm_layout import original
from safetensors.torch import load_file, save_file

from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.loaders.detect import detect

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept")  # diffusers' own, of NumPy 2


@pytest.fixture
def single(pipelines: Callable[[str], Path], tmp_path: Path) -> Path:
    """The first model in one file, and beside it ``config``: its folder without weights."""
    folder = pipelines("sd1")
    save_file(original(tiny_diffusers.reopen(folder)), tmp_path / "model.safetensors")
    shutil.copytree(folder, tmp_path / "config", ignore=shutil.ignore_patterns("*.safetensors"))
    return tmp_path / "model.safetensors"


def test_a_single_file_is_the_model_of_its_folder(single: Path, pipelines: Callable[[str], Path]):
    assert detect(single) == "single_file"
    found = models.resolve(str(single), (f"config={single.parent / 'config'}",))
    wanted = models.resolve(str(pipelines("sd1")))
    assert found.name == "model"
    for part in ("denoiser", "vae", "encoders"):
        states = [getattr(model, part).state_dict() for model in (found, wanted)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert found.fingerprint == wanted.fingerprint


def test_what_the_file_lacks_is_read_from_the_folder(single: Path, pipelines: Callable[[str], Path]):
    state = {key: value for key, value in load_file(single).items() if key.startswith("model.")}
    save_file(state, single)
    found = models.resolve(f"{single}?config={pipelines('sd1')}")
    assert found.fingerprint == models.resolve(str(pipelines("sd1"))).fingerprint


def test_the_prediction_can_be_told(single: Path):
    config = single.parent / "config"
    guessed, told = (models.resolve(f"{single}?config={config}{more}") for more in ("", "&prediction=v"))
    assert (guessed.native.prediction, told.native.prediction) == ("eps", "v")
    assert guessed.fingerprint != told.fingerprint
    with pytest.raises(InputError, match="prediction=w is not one of this model's; known: eps, x0, v"):
        models.resolve(f"{single}?config={config}&prediction=w")


def test_a_file_without_a_config_or_with_a_wrong_one_is_refused_in_one_line(
    single: Path, pipelines: Callable[[str], Path]
):
    for arguments, words in (
        ("", r"needs --model-args config=DIR, a diffusers folder of the same architecture$"),
        (f"?config={single.parent}", "has no readable model_index.json"),
        (f"?config={pipelines('dit')}", "cannot be read from a single file"),
        (f"?config={pipelines('sdxl')}", r"weights do not fit|cannot be read"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            models.resolve(f"{single}{arguments}")
        assert "\n" not in str(caught.value)


def test_weights_that_are_missing_or_of_another_shape_are_named(single: Path):
    state, name = load_file(single), f"{single}?config={single.parent / 'config'}"
    state.pop("model.diffusion_model.out.2.bias")
    state["model.diffusion_model.time_embed.0.bias"] = torch.zeros(7)
    save_file(state, single)
    words = r"time_embedding.linear_1.bias is \(7,\) in the file and \(32,\) in the config; missing conv_out.bias:"
    with pytest.raises(InputError, match=words):
        models.resolve(name)


def test_text_encoders_that_are_cut_short_are_refused(single: Path):
    state = load_file(single)
    for key in [key for key in state if "layers.1.mlp" in key and key.startswith("cond_stage_model")]:
        state.pop(key)
    save_file(state, single)
    with pytest.raises(InputError, match=r"text encoders"):
        models.resolve(f"{single}?config={single.parent / 'config'}")


def test_a_pickled_single_file_is_refused(single: Path):
    torch.save(load_file(single), single.with_suffix(".ckpt"))
    with pytest.raises(InputError, match=r"pickled single files are not read: save it as .safetensors$"):
        models.resolve(f"{single.with_suffix('.ckpt')}?config={single.parent / 'config'}")
