from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backbones.sampler
from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.manifest import Manifest
from evalsuite.plan import Machine
from evalsuite.sizes import parse_aspect, size_of
from evalsuite.spec import DTYPES, NOT_PIXELS, SAMPLERS, RunSpec

CHANGES = {
    "models": ("unet",),
    "prompts": "scenes",
    "aspects": ("1:1",),
    "pixels": 128 * 128,
    "limit": 3,
    "seed": 1,
    "num_images": 2,
    "steps": 21,
    "guidance": 4.5,
    "sampler": "heun",
    "shift": 1.0,
    "negative_prompt": "blur",
    "model_args": ("a=1",),
    "attention": "math",
    "vae_tile": "512",
    "device": "cuda",
    "dtype": "bf16",
    "vae_dtype": "bf16",
    "compile": "on",
    "batch_size": 3,
    "threads": 7,
}


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        ("1:1", (256, 256)),
        ("3:2", (320, 208)),
        ("2:3", (208, 320)),
        ("16:9", (336, 192)),
        ("9:16", (192, 336)),
        ("4:1", (512, 128)),
    ],
)
def test_sizes_of_the_usual_ratios(aspect: str, size: tuple[int, int]):
    assert size_of(aspect) == size


@given(st.integers(1, 99999), st.integers(1, 99999), st.integers(4096, 10**7), st.sampled_from([8, 16, 32]))
def test_sides_are_the_nearest_multiples_and_turn_with_the_ratio(a: int, b: int, pixels: int, stride: int):
    if not Fraction(1, 4) <= Fraction(a, b) <= 4:
        with pytest.raises(InputError, match="beyond 4:1"):
            size_of(f"{a}:{b}", pixels, stride)
        return
    width, height = size_of(f"{a}:{b}", pixels, stride)
    assert size_of(f"{b}:{a}", pixels, stride) == (height, width)
    assert width % stride == height % stride == 0
    assert abs(width - sqrt(pixels * a / b)) <= stride / 2 + 1e-6
    assert abs(height - sqrt(pixels * b / a)) <= stride / 2 + 1e-6


@pytest.mark.parametrize(
    "text", ["16x9", "1", "1:", ":1", "1:1:1", "0:1", "1:00", "-1:1", "1.5:1", "a:b", "", " 1:1", "\u0661:\u0661"]
)
def test_text_that_is_no_ratio_is_refused(text: str):
    with pytest.raises(InputError, match="16:9"):
        parse_aspect(text)


def test_names_known_without_torch_are_those_of_the_code():
    assert SAMPLERS == backbones.sampler.SAMPLERS
    assert set(DTYPES) == set(models.TORCH_DTYPES)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": ()}, "models"),
        ({"models": ("dti",)}, "did you mean 'dit'"),
        ({"models": ("dit", "dit")}, "twice"),
        ({"models": ("di|t",)}, "not a name"),
        ({"models": "dit"}, "list"),
        ({"prompts": ""}, "prompts"),
        ({"aspects": ("5:1",)}, "beyond 4:1"),
        ({"aspects": ("1:1", "2:2")}, "same ratio"),
        ({"pixels": 100}, "4096"),
        ({"limit": 0}, "limit is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"num_images": 0}, "num_images"),
        ({"steps": -3}, "steps is -3"),
        ({"steps": 2.5}, "whole number"),
        ({"steps": True}, "whole number"),
        ({"guidance": float("nan")}, "guidance"),
        ({"guidance": -1}, "guidance"),
        ({"sampler": "Euler a"}, r"auto, euler, heun, midpoint, ddim, dpm\+\+2m"),
        ({"sampler": ""}, "no name"),
        ({"shift": 0.0}, "shift"),
        ({"shift": "auto"}, "shift"),
        ({"negative_prompt": "a\nb"}, "one line"),
        ({"negative_prompt": None}, "one line"),
        ({"model_args": ("a",)}, "'a' is no argument: write key=value"),
        ({"model_args": ("a=1", "a=2")}, "names a key twice"),
        ({"models": ("./absent.safetensors",)}, "no such file or folder"),
        ({"models": ("hf:owner",)}, "hf:owner/repo"),
        ({"models": ("hf:owner/absent@v1",)}, "huggingface-cli download owner/absent --revision v1"),
        ({"device": "tpu"}, "cuda:0"),
        ({"attention": "fast"}, "auto, sdpa, flash, cudnn, efficient, math, linear"),
        ({"vae_tile": "on"}, "auto, off, or a multiple of 64 from 128 to 4096"),
        ({"vae_tile": "500"}, "vae_tile '500'"),
        ({"vae_tile": 64}, "vae_tile '64'"),
        ({"vae_tile": "8192"}, "vae_tile '8192'"),
        ({"vae_tile": True}, "vae_tile True"),
        ({"vae_tile": "-512"}, "vae_tile '-512'"),
        ({"dtype": "fp8"}, "fp32, bf16, fp16"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "all"}, "batch_size"),
        ({"threads": 0}, "threads"),
        ({"metrics": ("fidd",)}, "did you mean 'fid'"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(changes: dict[str, object], words: str):
    with pytest.raises(InputError, match=words) as caught:
        RunSpec(**changes).validate()
    assert "\n" not in str(caught.value)


def test_a_plugin_may_be_named_by_module_and_factory():
    assert RunSpec(models=("my.own:factory",)).validate().models == ("my.own:factory",)


@pytest.mark.parametrize(("device", "batch"), [("cpu", 4), ("cuda", 16), ("cuda:1", 16)])
def test_resolving_leaves_nothing_open(device: str, batch: int):
    spec = RunSpec().resolved(device=device, cores=3)
    assert (spec.device, spec.batch_size, spec.threads) == (device, batch, 3)
    assert spec.resolved(device="cpu", cores=9) == spec


def test_half_precision_on_a_cpu_is_refused_with_the_reason():
    with pytest.raises(InputError, match="30 times slower"):
        RunSpec(dtype="fp16").resolved(device="cpu", cores=1)
    assert RunSpec(dtype="fp16").resolved(device="cuda", cores=1).dtype == "fp16"


def identity(spec: RunSpec) -> dict[str, object]:
    return Manifest(spec, (), "set", "0" * 64, {}, Machine("cpu", "2"), {}).identity()


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"prompts", "device"}))
def test_the_identity_sees_every_field_that_can_change_a_pixel(name: str):
    assert identity(RunSpec(**{name: CHANGES[name]})) != identity(RunSpec())


def test_the_identity_ignores_the_rest():
    spec = RunSpec(device="cuda:0")
    same = replace(spec, device="cuda:1", metrics=("fid",), output_dir="elsewhere", guidance=4)
    assert identity(same) == identity(spec)
    assert set(CHANGES) | set(NOT_PIXELS) == set(spec.to_json())


def test_json_and_back_is_the_same_spec():
    spec = RunSpec(models=["unet", "dit"], limit=3, **{"guidance": 2})
    assert RunSpec.from_json(spec.to_json()) == spec
    with pytest.raises(InputError, match="did you mean 'steps'"):
        RunSpec.from_json({"stepps": 3})
