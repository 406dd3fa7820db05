"""What a diffusers folder is taken for, what is refused, and what stays in fp32."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_diffusers
import torch
from safetensors.torch import load_file, save_file

from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.loaders import diffusers_parts

FAMILIES = sorted(set(tiny_diffusers.MAKERS) - {"sd1_pndm", "sd3_without_t5", "flux_schnell"})


@pytest.fixture
def folder(pipelines: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a pipeline that may be changed."""

    def copy(name: str = "sd1") -> Path:
        return shutil.copytree(pipelines(name), tmp_path / name)

    return copy


def change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        models.resolve(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_leaves_the_vae_and_what_overflows_in_fp32(
    name: str, dtype: torch.dtype, pipelines: Callable[[str], Path]
):
    model = models.resolve(str(pipelines(name)))
    x, t = torch.randn(1, *model.latent_shape(64, 64)), torch.tensor([0.5])
    texts = ["class 1"] if name == "dit" else ["a red ball"]
    wanted = model.velocity(x, t, model.encode(texts))
    model.to("cpu", dtype)
    found = model.velocity(x, t, model.encode(texts))
    assert found.dtype == torch.float32
    assert (found - wanted).abs().max() < 0.15 * wanted.abs().max()
    assert {weight.dtype for weight in model.vae.parameters()} == {torch.float32}
    assert {weight.dtype for weight in model.denoiser.parameters()} >= {dtype}
    kept = [part for key, part in model.encoders.named_modules() if key.endswith("DenseReluDense.wo")]
    assert {part.weight.dtype for part in kept} <= {torch.float32 if dtype == torch.float16 else dtype}
    images = model.decode(x.to(dtype))
    assert images.dtype == torch.float32
    assert images.isfinite().all()


def test_a_fingerprint_sees_weights_configuration_and_tokenizer(folder: Callable[[str], Path]):
    path = folder("sd1")
    found = [models.resolve(str(path)).fingerprint, models.resolve(str(path)).fingerprint]
    assert found[0] == found[1]
    found.append(models.resolve(f"{path}?prediction=v").fingerprint)
    change(path / "scheduler" / "scheduler_config.json", steps_offset=0)
    found.append(models.resolve(str(path)).fingerprint)
    settings = path / "tokenizer" / "tokenizer_config.json"
    settings.write_text(settings.read_text() + " ")
    found.append(models.resolve(str(path)).fingerprint)
    for part in ("text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"):
        file = path / f"{part}.safetensors"
        state = load_file(file)
        state[min(state)].flatten()[0] += 1
        save_file(state, file, {"format": "pt"})
        found.append(models.resolve(str(path)).fingerprint)
    assert len(set(found)) == len(found) - 1


def test_models_of_one_vae_share_a_latent_space(pipelines: Callable[[str], Path]):
    spaces = [models.resolve(str(pipelines(name))).latent_space for name in ("sd1", "sd1_pndm", "sd3")]
    assert spaces[0] == spaces[1] != spaces[2]


def test_a_denoiser_alone_takes_the_rest_from_a_pipeline(folder: Callable[[str], Path], tmp_path: Path):
    path = folder("sd1")
    whole = models.resolve(str(path)).fingerprint
    assert models.resolve(str(path / "unet")).fingerprint == whole
    alone = shutil.copytree(path / "unet", tmp_path / "fine-tuned")
    assert models.resolve(f"{alone}?pipeline={path}").fingerprint == whole
    assert "name the rest with --model-args pipeline=DIR" in refusal(str(alone))
    (path / "unet" / "evil.py").touch()
    assert "may bring no code" in refusal(f"{alone}?pipeline={path}")


def test_files_of_a_variant_are_read_when_it_is_named(folder: Callable[[str], Path]):
    path = folder("sd1")
    whole = models.resolve(str(path)).fingerprint
    for file in path.rglob("*.safetensors"):
        file.rename(file.with_name(f"{file.stem}.fp16.safetensors"))
    assert models.resolve(f"{path}?variant=fp16").fingerprint == whole
    refusal(str(path))


def test_sizes_are_those_that_the_network_can_make(pipelines: Callable[[str], Path]):
    strides = {name: models.resolve(str(pipelines(name))).stride for name in FAMILIES}
    sixteen = dict.fromkeys(("dit", "flux", "pixart_alpha", "pixart_sigma"), 16)
    assert strides == sixteen | dict.fromkeys(("sd1", "sd2", "sd3", "sdxl"), 8) | {"sana": 2}
    model = models.resolve(str(pipelines("sd3")))
    assert model.latent_shape(192, 8) == (4, 1, 24)
    with pytest.raises(ValueError, match="size 200x8: the model's position table ends at 192 pixels"):
        model.latent_shape(200, 8)
    with pytest.raises(ValueError, match="multiples of 8"):
        model.latent_shape(60, 64)


def test_words_that_no_encoder_reads_are_told(pipelines: Callable[[str], Path]):
    clip, both = (models.resolve(str(pipelines(name))) for name in ("sd1", "sd3"))
    text = "twenty-letters-here " * 5  # CLIP reads 75 of the 100 bytes, T5 254
    assert clip.unknown_words(text) == ("twenty-letters-here",) * 2
    assert both.unknown_words(text) == ()
    assert models.resolve(str(pipelines("pixart_sigma"))).unknown_words("a 球 b") == ("球",)


def test_classes_are_also_what_the_model_itself_calls_them(pipelines: Callable[[str], Path]):
    model = models.resolve(str(pipelines("dit")))
    texts = ["Tinca tinca", "goldfish, Carassius auratus", "class 7", "golden retriever", ""]
    assert model.encode(texts)["label"].tolist() == [0, 1, 7, 207, 1000]
    with pytest.raises(InputError, match="'a red ball' is none of them"):
        model.unknown_words("a red ball")


def test_what_differs_from_diffusers_is_noted(pipelines: Callable[[str], Path]):
    model = models.resolve(str(pipelines("sd1_pndm")))
    assert model.notes == ("PNDMScheduler is sampled by our ddim, with the same noise schedule",)
    assert models.resolve(str(pipelines("sd1"))).notes == ()


@pytest.mark.parametrize(
    ("file", "entries", "words"),
    [
        ("model_index.json", {"_class_name": "StableDiffusionInpaintPipeline"}, "is not supported; known: Stable"),
        ("model_index.json", {"text_encoder": ["transformers", "BertModel"]}, "text encoder BertModel"),
        ("model_index.json", {"tokenizer": ["transformers", "BertTokenizer"]}, "tokenizer BertTokenizer"),
        ("unet/config.json", {"_class_name": "UNet2DModel"}, "UNet2DModel is not supported here"),
        ("unet/config.json", {"time_cond_proj_dim": 256}, "weights do not fit config.json: missing"),
        ("unet/config.json", {"cross_attention_dim": 48}, "attn2.to_k.weight is (16, 32) in the file and (16, 48)"),
        ("unet/config.json", {"block_out_channels": [8, 24]}, "weights do not fit config.json"),
        ("vae/config.json", {"layers_per_block": 2}, "weights do not fit config.json: missing"),
        ("text_encoder/config.json", {"hidden_size": 64}, "weights do not fit config.json"),
        ("text_encoder/config.json", {"num_hidden_layers": 3}, "weights do not fit config.json: missing"),
        ("scheduler/scheduler_config.json", {"_class_name": "LCMScheduler"}, "LCMScheduler is not supported"),
    ],
)
def test_another_architecture_is_refused_with_what_differs(
    file: str, entries: dict[str, Any], words: str, folder: Callable[[str], Path]
):
    path = folder("sd1")
    change(path / file, **entries)
    assert words in refusal(str(path))


def test_damaged_and_pickled_weights_are_refused(folder: Callable[[str], Path]):
    path = folder("sd1")
    file = path / "unet" / "diffusion_pytorch_model.safetensors"
    whole = load_file(file)
    save_file(whole | {"more.weight": torch.zeros(2)}, file, {"format": "pt"})
    assert "not in the model more.weight" in refusal(str(path))
    save_file(whole | {"conv_in.bias": torch.full((8,), float("nan"))}, file, {"format": "pt"})
    assert "'conv_in.bias' holds values that are not finite" in refusal(str(path))
    file.write_bytes((2**60).to_bytes(8, "little"))
    assert "too large" in refusal(str(path))
    file.unlink()
    torch.save(whole, file.with_suffix(".bin"))
    assert "holds no .safetensors" in refusal(str(path))


def test_a_package_that_is_not_installed_is_named_with_how_to(
    pipelines: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert "pip install 'evalsuite[diffusers]'" in refusal(str(pipelines("sd1")))
    with pytest.raises(InputError, match="diffusers cannot be imported"):
        diffusers_parts.library("diffusers")


@pytest.mark.parametrize("name", ["sd1", "pixart_sigma", "flux"])
def test_an_autoencoder_decodes_in_tiles_and_one_tile_is_the_whole(name: str, pipelines: Callable[[str], Path]):
    model = models.resolve(str(pipelines(name)))
    latents = torch.randn(1, *model.latent_shape(256, 192), generator=torch.Generator().manual_seed(0))
    whole = model.decode(latents)
    one = torch.cat([strip.clone() for strip in model.strips(latents, 256)], dim=2)
    torch.testing.assert_close(one, whole, atol=0, rtol=0)
    tiled = torch.cat([strip.clone() for strip in model.strips(latents, 128)], dim=2)
    assert tiled.shape == whole.shape
    assert tiled.isfinite().all()
    assert not torch.equal(tiled, whole)  # tiles were made, and GroupNorm sees one at a time
