from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cleanfid.resize import build_resizer
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchvision.transforms import ToTensor
from torchvision.transforms.v2 import functional as tv

from evalsuite.encoders.resize import RULES, SIDE, bicubic

SIZES = [(299, 299), (64, 64), (256, 256), (432, 768), (1, 500), (300, 298)]


def pixels(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height + width)
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=generator)


def as_torch_fidelity(images: torch.Tensor) -> torch.Tensor:
    x = interpolate_bilinear_2d_like_tensorflow1x(images.float(), size=(SIDE, SIDE), align_corners=False)
    return (x - 128) / 128


def as_torchmetrics(images: torch.Tensor) -> torch.Tensor:
    x = tv.resize(images.float(), [SIDE, SIDE], tv.InterpolationMode.BILINEAR, antialias=True)
    return (x - 128) / 128


def as_clean_fid(images: torch.Tensor) -> torch.Tensor:
    resize = build_resizer("clean")
    resized = np.stack([resize(image) for image in images.permute(0, 2, 3, 1).numpy()])
    return (torch.from_numpy(resized).permute(0, 3, 1, 2) - 128) / 128


def as_pytorch_fid(images: torch.Tensor) -> torch.Tensor:
    batch = torch.stack([ToTensor()(image) for image in images.permute(0, 2, 3, 1).numpy()])
    return 2 * F.interpolate(batch, size=(SIDE, SIDE), mode="bilinear", align_corners=False) - 1


PEERS = {
    "tf1": as_torch_fidelity,
    "antialias": as_torchmetrics,
    "clean": as_clean_fid,
    "pytorch-fid": as_pytorch_fid,
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_rule_equals_its_origin_bit_for_bit(rule: str, height: int, width: int):
    images = pixels(height, width)
    resized = RULES[rule].function(images)
    assert resized.dtype == torch.float32
    torch.testing.assert_close(resized, PEERS[rule](images), rtol=0, atol=0)


@pytest.mark.parametrize("rule", RULES)
def test_memory_format_and_neighbours_change_nothing(rule: str):
    images, resize = pixels(96, 160), RULES[rule].function
    before = images.clone()
    expected = resize(images)
    decoded = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)  # as pixels come out of a file
    torch.testing.assert_close(resize(decoded), expected, rtol=0, atol=0)
    torch.testing.assert_close(resize(images[1:]), expected[1:], rtol=0, atol=0)
    torch.testing.assert_close(images, before, rtol=0, atol=0)


@pytest.mark.parametrize("rule", RULES)
def test_flat_image_stays_flat_and_scales_as_the_rule_says(rule: str):
    for value in (0, 128, 255):
        expected = 2 * value / 255 - 1 if rule == "pytorch-fid" else (value - 128) / 128
        resized = RULES[rule].function(torch.full((1, 3, 50, 70), value, dtype=torch.uint8))
        torch.testing.assert_close(resized, torch.full_like(resized, expected), rtol=0, atol=2e-6)


def test_tf1_reads_the_upper_left_where_others_read_the_middle():
    ramp = torch.arange(0, 256, 2, dtype=torch.uint8).expand(1, 3, 128, 128)
    first = {rule: RULES[rule].function(ramp)[0, 0, 0, 0].item() * 128 + 128 for rule in ("tf1", "antialias")}
    assert first["tf1"] == 0
    assert RULES["tf1"].function(ramp)[0, 0, 0, 2].item() * 128 + 128 == pytest.approx(2 * 2 * 128 / SIDE, abs=1e-4)
    middle = (2.5 * 128 / SIDE - 0.5) * 2  # of output pixel 2, in values of the ramp
    assert RULES["antialias"].function(ramp)[0, 0, 0, 2].item() * 128 + 128 == pytest.approx(middle, abs=1e-3)


@pytest.mark.parametrize(("height", "width"), [*SIZES, (1024, 1000), (33, 700), (2, 1)])
def test_bicubic_by_matrices_is_that_of_pil_to_the_last_bit(height: int, width: int):
    images = pixels(height, width)
    found = bicubic(images).clamp_(0, 255)
    torch.testing.assert_close(found, as_clean_fid(images) * 128 + 128, rtol=0, atol=2**-15)  # of 255: two bits


def test_bicubic_does_not_depend_on_how_many_images_share_a_product(monkeypatch: pytest.MonkeyPatch):
    images = pixels(40, 60)
    whole = bicubic(images)
    monkeypatch.setattr("evalsuite.encoders.resize.PRODUCT", 1)
    torch.testing.assert_close(bicubic(images), whole, rtol=0, atol=2**-15)
