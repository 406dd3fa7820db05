from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from evalsuite.encoders.assign import build, construct, fill, read_config
from evalsuite.errors import InputError

TINY: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 512, "width": 32, "heads": 2, "layers": 2},
}


def with_random_weights(config: dict[str, Any]) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
        return kind(**{key: value for key, value in copy.deepcopy(config).items() if key != "custom_text"}).eval()


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    return with_random_weights(TINY)


@pytest.fixture
def saved(theirs: torch.nn.Module, tmp_path: Path) -> Callable[..., Path]:
    """A file of the weights, changed by a function."""

    def save(change: Callable[[dict[str, torch.Tensor]], object] = lambda state: None) -> Path:
        state = {key: value.detach().clone() for key, value in theirs.state_dict().items()}
        change(state)
        save_file(state, tmp_path / "w.safetensors")
        return tmp_path / "w.safetensors"

    return save


def features(model: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *model.visual.image_size, generator=generator)
    tokens = torch.randint(1, 500, (2, 77), generator=generator)
    with torch.inference_mode():
        return model.encode_image(images), model.encode_text(tokens)


def assert_same_features(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    for found, expected in zip(features(ours), features(theirs), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)  # fp32; the two attend by other kernels


def test_a_built_network_equals_open_clips_constructor_with_the_same_weights(
    theirs: torch.nn.Module, saved: Callable[..., Path]
):
    ours = build(TINY, saved())
    assert type(ours) is type(theirs)
    torch.testing.assert_close(ours.attn_mask, theirs.attn_mask, rtol=0, atol=0)
    assert not any(t.is_meta or t.requires_grad for t in [*ours.parameters(), *ours.buffers()])
    assert not ours.training
    assert_same_features(ours, theirs)


def test_building_draws_no_random_number(saved: Callable[..., Path]):
    path, before = saved(), torch.get_rng_state()
    build(TINY, path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_exactly(saved: Callable[..., Path], dtype: torch.dtype):
    path = saved(lambda state: state.update({key: value.to(dtype) for key, value in state.items()}))
    ours = build(TINY, path).state_dict()
    for key, value in load_file(path).items():
        assert ours[key].dtype == torch.float32
        assert torch.equal(ours[key], value.float())


def test_quick_gelu_overrules_the_architecture(saved: Callable[..., Path]):
    path = saved()
    quick = build(TINY | {"quick_gelu": True}, path)
    assert_same_features(build(TINY, path, quick_gelu=True), quick)
    assert not torch.allclose(features(quick)[0], features(build(TINY, path))[0], atol=1e-4)


def test_tables_that_only_a_constructor_makes_are_made(tmp_path: Path):
    config = TINY | {
        "custom_text": True,
        "vision_cfg": {
            "image_size": 224,
            "timm_model_name": "eva02_tiny_patch14_224",
            "timm_pool": "token",
            "timm_model_pretrained": True,  # must not be followed: there is nobody to fetch it from
        },
    }
    theirs = with_random_weights(config | {"vision_cfg": config["vision_cfg"] | {"timm_model_pretrained": False}})
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    before = torch.get_rng_state()
    assert_same_features(build(config, tmp_path / "w.safetensors"), theirs)
    assert torch.equal(torch.get_rng_state(), before)


def test_names_and_scalars_of_older_files_are_understood(theirs: torch.nn.Module, saved: Callable[..., Path]):
    path = saved(lambda state: state.update(logit_scale=state["logit_scale"].reshape(1)))
    assert_same_features(build(TINY | {"custom_text": True}, path), theirs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("ln_final.bias"), "not weights of mine: ln_final.bias is absent, expected 32:"),
        (lambda s: s.update(extra=torch.zeros(2, 3)), "extra is 2x3, expected absent"),
        (lambda s: s.update({"visual.proj": torch.zeros(64, 8)}), "visual.proj is 64x8, expected 64x32"),
        (lambda s: s.update({"visual.proj": torch.zeros(64, 32, dtype=torch.int8)}), "visual.proj is torch.int8, not"),
        (lambda s: s.update({"visual.proj": s["visual.proj"].to(torch.float8_e4m3fn)}), "float8_e4m3fn, not fp32"),
    ],
)
def test_other_weights_are_refused_by_name(saved: Callable[..., Path], change: Callable[..., object], message: str):
    with pytest.raises(InputError, match=message) as caught:
        build(TINY, saved(change), name="mine")
    assert "\n" not in str(caught.value)


def test_another_architecture_is_told_by_its_first_differences(saved: Callable[..., Path]):
    with pytest.raises(
        InputError, match=r"not weights of ViT-B-32: ln_final\.bias is 32, expected 512; .* and \d+ more:"
    ):
        build("ViT-B-32", saved())


def test_damaged_files_are_refused(saved: Callable[..., Path], tmp_path: Path):
    path = saved()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a sound safetensors file"):
        build(TINY, path)
    with pytest.raises(InputError, match="No such file"):
        build(TINY, tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("ViT-H-41", "no architecture 'ViT-H-41': did you mean .*ViT-H-14"),
        ("hf-hub:owner/repo", "no architecture 'hf-hub:owner/repo'"),
        ({}, "it needs embed_dim, vision_cfg and text_cfg"),
        ({**TINY, "text_cfg": None}, "it needs embed_dim, vision_cfg and text_cfg"),
        ({**TINY, "width": 3}, "cannot build it .*'width'"),
        ("roberta-ViT-B-32", "its text tower is roberta-base, which open_clip takes from the hub"),
        ("coca_ViT-B-32", "its text tower is a captioner"),
        ({**TINY, "vision_cfg": {"timm_model_name": "hf-hub:owner/repo"}}, "image tower comes from hf-hub:owner/repo"),
    ],
)
def test_what_cannot_be_built_without_the_network_is_refused(architecture: Any, message: str):
    with pytest.raises(InputError, match=message):
        construct(read_config(architecture), str(architecture)[:20])


def test_a_known_architecture_is_copied():
    read_config("ViT-B-32")["vision_cfg"].clear()
    assert read_config("ViT-B-32")["vision_cfg"]["patch_size"] == 32


def test_a_network_with_memory_of_its_own_is_filled_too(theirs: torch.nn.Module, saved: Callable[..., Path]):
    other = with_random_weights(TINY)
    for parameter in other.parameters():
        torch.nn.init.zeros_(parameter)
    fill(other, saved(), "mine")
    assert_same_features(other, theirs)
