from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from backbones import bundled
from evalsuite.decoding import Decoded, joined
from evalsuite.errors import InputError
from evalsuite.painter import Painter
from evalsuite.prepare import Shelf, prepare
from evalsuite.spec import RunSpec
from evalsuite.vae_precision import BATCH_PIXELS, at_once, decoding


@pytest.mark.parametrize(
    ("device", "bf16", "asked", "wanted"),
    [
        ("cpu", False, {}, ("fp32", "fp32")),
        ("cuda", True, {}, ("bf16", "tf32")),
        ("cuda", False, {}, ("fp32", "fp32")),
        ("cuda", True, {"dtype": "fp32"}, ("fp32", "fp32")),
        ("cuda", True, {"dtype": "fp16"}, ("fp16", "tf32")),
        ("cuda", True, {"vae_dtype": "fp32"}, ("bf16", "fp32")),
        ("cpu", True, {}, ("fp32", "fp32")),
    ],
)
def test_a_gpu_takes_bf16_and_decodes_in_tf32_unless_told(
    device: str, bf16: bool, asked: dict[str, str], wanted: tuple[str, str]
):
    spec = RunSpec(**asked).resolved(device=device, cores=1, bf16=bf16)
    assert (spec.dtype, spec.vae_dtype) == wanted


def test_tf32_is_of_gpus(tiny: Callable[..., RunSpec]):
    with pytest.raises(InputError, match="vae_dtype tf32 is of GPUs, not of cpu: use auto, fp32 or bf16"):
        prepare(tiny(vae_dtype="tf32"), Shelf())


def test_decoding_in_bf16_is_near_fp32_and_not_it(tiny: Callable[..., RunSpec]):
    settings = {"models": ("dit",), "prompts": 1, "aspects": ("1:1",), "batch_size": 1, "steps": 2}
    found = {}
    for asked in ("fp32", "bf16"):
        manifest = prepare(tiny(**settings, vae_dtype=asked), Shelf())
        (found[asked],) = Painter(bundled.dit(), manifest.spec).paint(manifest.units[0])
    off = abs(found["fp32"].rgb.astype(int) - found["bf16"].rgb)
    assert 0 < off.max() <= 8
    assert off.mean() < 1


def test_the_arithmetic_is_as_before_afterwards():
    weight = torch.randn(4, 4)
    with decoding("bf16", "cpu"):
        assert (weight @ weight).dtype == torch.bfloat16
    assert (weight @ weight).dtype == torch.float32
    before = torch.backends.cudnn.allow_tf32
    with decoding("tf32", "cuda"):
        assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_gpu_decodes_as_many_as_fill_it():
    assert at_once(64, 256, 256, "cuda") == 64
    assert at_once(64, 512, 512, "cuda") == BATCH_PIXELS // 512**2 == 16
    assert at_once(64, 4096, 4096, "cuda") == 1
    assert at_once(64, 4096, 4096, "cpu") == 64  # whose memory is the run's to bound


def test_batches_join_in_their_order():
    parts = [Decoded(np.full((n, 2, 2, 3), n, np.uint8), [n == 1] * n) for n in (1, 2)]
    whole = joined(parts)
    assert whole.rgb[:, 0, 0, 0].tolist() == [1, 2, 2]
    assert whole.finite == [True, False, False]
    assert joined(parts[:1]) is parts[0]
