from __future__ import annotations

import math

import numpy as np
import pytest

from evalsuite.doctor import degrade
from evalsuite.doctor.interventions import TABLE
from evalsuite.records import Pixels


def noisy(height: int = 96, width: int = 128) -> Pixels:
    return np.random.default_rng(0).integers(60, 196, (height, width, 3), np.uint8)


def smooth(side: int = 256) -> Pixels:
    waves = np.sin(np.linspace(0, 20, side))
    return np.rint(128 + 80 * np.outer(waves, waves))[..., None].repeat(3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("sigma", [2.0, 4.0, 8.0])
def test_a_blurred_step_has_the_variance_of_the_gaussian(sigma: float):
    step = np.zeros((256, 256, 3), np.uint8)
    step[:, 128:] = 255
    slope = np.diff(degrade.blur(step, sigma)[128, :, 0].astype(float))
    where = np.arange(len(slope))
    mean = (where * slope).sum() / slope.sum()
    variance = ((where - mean) ** 2 * slope).sum() / slope.sum()
    assert math.sqrt(variance) == pytest.approx(sigma, rel=0.04)


def test_blur_is_as_wide_as_the_image_is_large():
    step = np.zeros((64, 64, 3), np.uint8)
    step[:, 32:] = 255
    small = np.diff(degrade.blur(step, 8.0)[32, :, 0].astype(float))
    same = np.diff(degrade.blur(step.repeat(4, 0).repeat(4, 1), 8.0)[128, :, 0].astype(float))
    assert small.max() == pytest.approx(4 * same.max(), rel=0.1)


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_noise_has_its_deviation_and_only_its_strength_differs_between_levels(sigma: float):
    image = np.full((128, 128, 3), 128, np.uint8)
    added = degrade.noise(image, sigma).astype(float) - 128
    assert added.std() == pytest.approx(255 * sigma, rel=0.02)
    assert abs(added.mean()) < 0.5
    twice = degrade.noise(image, sigma / 2).astype(float) - 128
    assert np.abs(added - 2 * twice).max() <= 1.5  # rounding


def test_jpeg_and_resize_lose_more_at_every_level():
    for key in ("jpeg", "resize", "blur", "noise"):
        ladder = next(one for one in TABLE if one.key == key)
        assert ladder.apply is not None
        for image in (noisy(), smooth()):
            losses = [np.square(ladder.apply(image, s).astype(float) - image).mean() for _, s in ladder.levels]
            if key == "resize" and image.shape[0] == 96:
                continue  # of white noise nothing is left at the first level
            assert losses == sorted(losses)
            assert losses[0] > 0


def test_mirroring_twice_is_nothing_and_an_empty_image_is_one_colour():
    image = noisy()
    once = degrade.mirror(image, 0)
    assert (degrade.mirror(once, 0) == image).all()
    assert (once[:, 0] == image[:, -1]).all()
    assert len(np.unique(degrade.grey(image, 0))) == 1


def test_every_change_keeps_the_shape_and_repeats_itself():
    for ladder in TABLE:
        if ladder.apply is None:
            continue
        for image in (noisy(), noisy(33, 70), noisy(1, 1)):
            for _, strength in ladder.levels:
                found = ladder.apply(image, strength)
                assert found.shape == image.shape
                assert found.dtype == np.uint8
                assert (found == ladder.apply(image, strength)).all()
