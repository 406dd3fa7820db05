from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from evalsuite.encoders.preprocess import MEAN, STD, letterbox


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def undo(x: torch.Tensor) -> torch.Tensor:
    return x * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)


def test_resize_equals_torchvision():
    image = pixels(2, 3, 256, 256)
    expected = tv.resize(image.float() / 255, [128, 128], tv.InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
    torch.testing.assert_close(undo(letterbox(image, 128)), expected, atol=1e-6, rtol=0)


def test_side_that_fits_is_kept_exactly():
    image = pixels(1, 3, 32, 32)
    torch.testing.assert_close(undo(letterbox(image, 32)), image / 255, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(208, 320), (320, 208), (192, 336), (1, 500)])
def test_longest_side_fills_and_the_rest_is_centred_grey(height: int, width: int):
    x = undo(letterbox(torch.zeros(1, 3, height, width, dtype=torch.uint8), 128))[0]
    inside = (x.abs() < 1e-6).all(0)
    rows, columns = inside.any(1).sum().item(), inside.any(0).sum().item()
    assert (rows, columns) == (
        max(1, round(height * 128 / max(height, width))),
        round(width * 128 / max(height, width)),
    )
    torch.testing.assert_close(x[:, ~inside], torch.full_like(x[:, ~inside], 0.5), atol=1e-6, rtol=0)
    top = inside.any(1).int().argmax().item()
    assert top == (128 - rows) // 2


def test_turning_the_image_turns_the_result():
    image = pixels(1, 3, 208, 320)
    torch.testing.assert_close(letterbox(image.mT, 128), letterbox(image, 128).mT, atol=2e-6, rtol=0)


@pytest.mark.parametrize("bad", [torch.zeros(1, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)])
def test_other_inputs_are_refused(bad: torch.Tensor):
    with pytest.raises(ValueError, match="expected uint8"):
        letterbox(bad, 8)
