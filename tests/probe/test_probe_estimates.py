"""Sums over draws, and estimates with their influences, against direct formulas and derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import probe_models
import pytest
import torch

from evalsuite.field import field_of
from evalsuite.probe.bank import Bank
from evalsuite.probe.estimates import Estimate, average, exact, mean, one_minus, ratio, variation
from evalsuite.probe.fields import Prompts
from evalsuite.probe.fixed_points import DrawSums, measure
from evalsuite.probe.numbers import centred, slice_at, target_variance
from evalsuite.stats import cluster_error

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("paired", [True, False])
def test_variance_and_square_of_the_mean_are_unbiased_for_a_field_that_is_not_linear(paired: bool):
    """f = 0.4 + e + 0.3 (e^2 - 1): E f = 0.4, Var f = 1 + 2 x 0.09 = 1.18; four draws each, 3,000 dimensions x 40."""
    variances, squares = [], []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        e = torch.randn(2 if paired else 4, 1, 50, 60, generator=generator, dtype=torch.float64)
        e = torch.stack([e, -e], 1).flatten(0, 1) if paired else e
        sums = DrawSums(paired)
        sums.add(0.4 + e + 0.3 * (e**2 - 1))
        variances.append(sums.variance)
        squares.append(sums.square_of_mean)
        assert sums.variance + sums.square_of_mean == pytest.approx(sums.mean_square, rel=1e-12)
    for values, truth in ((variances, 1.18), (squares, 0.16)):
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert abs(np.mean(values) - truth) < 3.5 * error
        assert error < 0.01


def test_without_pairs_the_variance_is_the_textbook_one():
    values = torch.randn(6, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    sums = DrawSums(False)
    for part in values.split([1, 2, 3]):
        sums.add(part)
    assert sums.variance == pytest.approx(values.var(0, correction=1).mean().item(), rel=1e-12)
    assert sums.mean_square == pytest.approx(values.square().mean().item(), rel=1e-12)
    assert sums.channels == pytest.approx(values.mean((0, 2, 3)).tolist(), rel=1e-12)


@pytest.mark.parametrize("batch", [2, 3, 8, 64])
@pytest.mark.parametrize("antithetic", [True, False])
def test_streaming_in_any_batches_is_the_sum_over_everything_at_once(
    batch: int, antithetic: bool, gaussian_bank: Callable[..., Bank]
):
    bank = gaussian_bank(images=3, draws=6, side=4, channels=4, times=(0.1, 0.6), antithetic=antithetic)
    model = probe_models.conv()
    prompts = Prompts(model, "cpu")

    def field(images, draws):
        condition = prompts.of([bank.images[i].caption or "" for i in images], draws)
        return field_of(model, condition, condition, 1.0)

    found = measure(bank, bank.times, field, batch, "cpu", lambda done: None)
    condition = model.encode(["red"])
    for image in range(3):
        noise, x0 = bank.noise(image), bank.x0[image]
        for k, t in enumerate(bank.times):
            x = (1 - t) * x0 + t * noise
            said = model.velocity(x, torch.full((6,), t), {"text": condition["text"].expand(6, -1)}).double()
            wanted = noise.double() - x0.double()
            error = said - wanted
            assert found.mse[image, k] == pytest.approx(error.square().mean().item(), rel=1e-5)
            assert found.product[image, k] == pytest.approx((said * wanted).mean().item(), rel=1e-5)
            assert found.power[image, k] == pytest.approx(said.square().mean().item(), rel=1e-5)
            np.testing.assert_allclose(found.predicted[image, k], said.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(found.target[image, k], wanted.mean((0, 2, 3)), rtol=1e-9)
            if not antithetic:
                assert found.v_noise[image, k] == pytest.approx(said.var(0).mean().item(), rel=1e-5)
                assert found.noise[image, k] == pytest.approx(error.var(0).mean().item(), rel=1e-5)


def test_the_slope_is_that_of_a_regression_about_the_channels_means(gaussian_bank: Callable[..., Bank]):
    bank = gaussian_bank(images=4, draws=4, side=4, channels=4, times=(0.5,))
    model = probe_models.conv()
    prompts = Prompts(model, "cpu")

    def field(images, draws):
        condition = prompts.of(["red"] * len(images), draws)
        return field_of(model, condition, condition, 1.0)

    points = measure(bank, bank.times, field, 8, "cpu", lambda done: None)
    tops, bottoms = centred(points)
    x = torch.stack([0.5 * bank.x0[i] + 0.5 * bank.noise(i) for i in range(4)]).flatten(0, 1)  # (16, C, h, w)
    said = model.velocity(x, torch.full((16,), 0.5), prompts.of(["red"], 16)).double()
    wanted = torch.cat([bank.noise(i).double() - bank.x0[i].double() for i in range(4)])
    p, v = (part - part.mean((0, 2, 3), keepdim=True) for part in (said, wanted))
    assert tops.sum() / bottoms.sum() == pytest.approx(float((p * v).sum() / p.square().sum()), rel=1e-5)
    x0 = torch.stack(bank.x0).double()
    expected = 1 + (x0 - x0.mean((0, 2, 3), keepdim=True)).square().mean().item()
    assert target_variance(bank).mean() == pytest.approx(expected, rel=1e-12)


def _derivatives(make: Callable[[np.ndarray], float], count: int) -> np.ndarray:
    """By how much a number moves as weight goes to each image, by central differences, over the number of images."""
    found = []
    for image in range(count):
        ends = []
        for step in (1e-5, -1e-5):
            weights = np.full(count, (1 - step) / count)
            weights[image] += step
            ends.append(make(weights))
        found.append((ends[0] - ends[1]) / 2e-5)
    return np.array(found) / count


def test_influences_are_derivatives_and_add_to_nothing():
    tops, bottoms = RANDOM.normal(2, 1, 7), RANDOM.uniform(1, 2, 7)
    curves = RANDOM.uniform(0.2, 2, (7, 5))

    def spread(weights: np.ndarray) -> float:
        curve = weights @ curves
        return float(curve.std() / curve.mean())

    cases: list[tuple[Estimate, Callable[[np.ndarray], float]]] = [
        (mean(tops), lambda w: float(w @ tops)),
        (ratio(tops, bottoms, ""), lambda w: float(w @ tops / (w @ bottoms))),
        (one_minus(ratio(tops, bottoms, "")), lambda w: float(1 - w @ tops / (w @ bottoms))),
        (
            average([ratio(tops, bottoms, ""), mean(bottoms)]),
            lambda w: float((w @ tops / (w @ bottoms) + w @ bottoms) / 2),
        ),
        (variation(curves), spread),
    ]
    for found, number in cases:
        assert found.value == pytest.approx(number(np.full(7, 1 / 7)), rel=1e-12)
        np.testing.assert_allclose(found.influences, _derivatives(number, 7), rtol=1e-6, atol=1e-9)
        assert found.influences.sum() == pytest.approx(0, abs=1e-12)


def test_the_error_of_a_mean_from_influences_is_the_textbook_one():
    values = RANDOM.normal(0, 1, 12)
    error = cluster_error(mean(values).influences.tolist(), 1)
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(12), rel=1e-12)


def test_what_is_not_defined_has_no_value_but_a_reason():
    holes = np.array([1.0, np.nan, 2.0])
    assert mean(holes).value is None
    assert mean(holes).note == "predictions that are not finite on 1 of 3 images"
    assert ratio(np.zeros(3), np.zeros(3), "nothing there").note == "nothing there"
    assert one_minus(mean(holes)).value is None
    assert average([mean(np.ones(3)), mean(holes)]).value is None
    assert variation(np.zeros((3, 4))).value is None
    assert variation(np.ones((3, 4))).value == 0
    assert exact(1.0, 3).influences.tolist() == [0, 0, 0]


def test_slices_name_times_without_loss():
    assert [slice_at(t) for t in (0.5, 0.02, 0.125, 0.123456)] == ["t=0.50", "t=0.02", "t=0.125", "t=0.123456"]
