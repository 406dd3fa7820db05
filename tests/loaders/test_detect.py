from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from backbones.checkpoint import CheckpointError
from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.loaders.arguments import known_args
from evalsuite.loaders.detect import LOADERS, detect
from evalsuite.loaders.safety import refuse_code
from evalsuite.loaders.tensors import shapes_of, tensors_of

KEYS = {
    "facebook_dit": ["x_embedder.proj.weight", "blocks.0.attn.qkv.weight", "final_layer.linear.weight", "pos_embed"],
    "adm": ["time_embed.0.weight", "input_blocks.0.0.weight", "out.2.weight", "label_emb.weight"],
    "single_file": ["model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.decoder.conv_in.weight"],
}


def state(keys: list[str]) -> dict[str, torch.Tensor]:
    return {key: torch.full((2,), float(place)) for place, key in enumerate(keys)}


def as_safetensors(content: Any, path: Path) -> Path:
    save_file(content, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def as_pickle(content: Any, path: Path) -> Path:
    torch.save(content, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


@pytest.mark.parametrize("save", [as_safetensors, as_pickle])
@pytest.mark.parametrize("kind", KEYS)
def test_a_file_is_known_by_its_keys(kind: str, save: Callable[[Any, Path], Path], tmp_path: Path):
    path = save(state(KEYS[kind]), tmp_path / "some name")
    assert detect(path) == kind
    assert shapes_of(path) == dict.fromkeys(KEYS[kind], (2,))
    assert {key: value[0].item() for key, value in tensors_of(path).items()} == {
        key: float(place) for place, key in enumerate(KEYS[kind])
    }


def test_a_training_file_is_its_averaged_weights(tmp_path: Path):
    kind = "facebook_dit"
    average = state(KEYS[kind])
    latest = {key: value + 100 for key, value in average.items()}
    content = {"model": latest, "ema": average, "opt": {"state": {0: {"step": 1}}}, "args": argparse.Namespace(lr=1e-4)}
    path = as_pickle(content, tmp_path / "0100000")
    assert detect(path) == kind
    assert all(torch.equal(value, average[key]) for key, value in tensors_of(path).items())


@pytest.mark.parametrize("name", ["model_index.json", "config.json"])
def test_a_diffusers_folder_is_known_by_its_settings(name: str, tmp_path: Path):
    (tmp_path / name).write_text(json.dumps({"_class_name": "UNet2DModel"}))
    assert detect(tmp_path) == "diffusers"


def test_a_folder_of_images_is_known_by_them(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.PNG").touch()
    assert detect(tmp_path) == "image_folder"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "not a model that we know; known are a diffusers folder"),
        ({"config.json": b'{"model_type": "clip"}'}, "not a model that we know"),
        ({"config.json": b"{" * 10**5}, "not a model that we know"),
        ({"a.pt": b"", "b.pt": b"", "c.png": b""}, "holds a.pt, b.pt, and nothing that says what they are"),
    ],
)
def test_a_folder_of_nothing_known_is_told(files: dict[str, bytes], words: str, tmp_path: Path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        detect(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_of_nothing_known_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="keys such as a, b are of no model that we know"):
        detect(as_safetensors(state(["b", "a"]), tmp_path / "w"))
    (tmp_path / "w.txt").write_text("hello")
    with pytest.raises(InputError, match="not a model that we know"):
        detect(tmp_path / "w.txt")
    (tmp_path / "w.safetensors").write_bytes((2**60).to_bytes(8, "little"))
    with pytest.raises(CheckpointError, match="too large"):
        detect(tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"cannot be built: .*too large"):
        models.resolve(str(tmp_path / "w.safetensors"))


def test_weights_that_are_not_finite_or_cut_are_told(tmp_path: Path):
    path = as_safetensors({"a": torch.tensor([float("nan")])}, tmp_path / "w")
    with pytest.raises(InputError, match="'a' holds values that are not finite"):
        tensors_of(path)
    path.write_bytes(as_safetensors(state(["a"]), tmp_path / "v").read_bytes()[:-2])
    with pytest.raises(InputError, match="copy the file again"):
        tensors_of(path)


def test_every_format_has_a_module_of_its_own():
    assert len(set(LOADERS.values())) == len(LOADERS)
    assert all(target.startswith("evalsuite.loaders.") for target in LOADERS.values())


PIPELINE = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "scale": 0.1}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("unet/evil.py", "", "may bring no code"),
        ("unet/deep/evil.PYC", "", "may bring no code"),
        ("model_index.json", PIPELINE | {"_class_name": ["pipeline", "Mine"]}, "_class_name"),
        ("unet/config.json", {"_class_name": ["my", "UNet"]}, "_class_name"),
        ("model_index.json", PIPELINE | {"unet": ["my_unet", "UNet"]}, "unet comes from"),
        ("model_index.json", PIPELINE | {"unet": ["diffusers"]}, "unet comes from"),
        ("model_index.json", PIPELINE | {"unet": [["diffusers"], "UNet"]}, "unet comes from"),
        ("model_index.json", PIPELINE | {"custom_pipeline": "owner/repo"}, "custom_pipeline asks for code"),
        ("text_encoder/config.json", {"auto_map": {"AutoModel": "modeling.Mine"}}, "auto_map asks for code"),
        ("unet/config.json", [], "not a JSON object"),
    ],
)
def test_a_folder_that_brings_or_asks_for_code_is_refused(name: str, content: Any, words: str, tmp_path: Path):
    (tmp_path / "model_index.json").write_text(json.dumps(PIPELINE))
    refuse_code(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=words):
        refuse_code(tmp_path)
    with pytest.raises(InputError, match=words):
        models.resolve(str(tmp_path))


def test_a_usual_folder_is_let_through(tmp_path: Path):
    usual = PIPELINE | {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "image_encoder": [None, None],
        "requires_safety_checker": True,
    }
    (tmp_path / "model_index.json").write_text(json.dumps(usual))
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 77}')
    (tmp_path / "vocab.json").write_text("[1, 2]")
    refuse_code(tmp_path)


def test_arguments_that_a_loader_does_not_know_are_refused_with_the_nearest():
    known_args({"vae": "x"}, ("vae", "dtype"), Path("m"))
    with pytest.raises(InputError, match="m: no argument 'vea' for this kind of model; did you mean 'vae'"):
        known_args({"vea": "x"}, ("vae", "dtype"), Path("m"))
    with pytest.raises(InputError, match="known: none"):
        known_args({"veda": "x"}, (), Path("m"))
