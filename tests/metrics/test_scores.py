"""HPS and CLIP score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from evalsuite.metrics import HPS, CLIPScore
from evalsuite.metrics.base import Features, Inputs
from evalsuite.metrics.clip_score import clip_score
from evalsuite.metrics.clip_score import estimate as clip_estimate
from evalsuite.metrics.hps import estimate as hps_estimate
from evalsuite.metrics.hps import per_image as hps_per_image
from evalsuite.metrics.hps import preference_score
from evalsuite.stats import clustered_mean

Draw = Callable[[int, int], np.ndarray]


def at_angle(degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    radians = np.deg2rad(degrees)
    return torch.tensor([[1.0, 0.0]]), torch.tensor([[np.cos(radians), np.sin(radians)]])


@pytest.mark.parametrize(("degrees", "hps", "clip"), [(0, 100, 100), (60, 50, 50), (90, 0, 0), (120, -50, 0)])
def test_scores_are_cosines(degrees: float, hps: float, clip: float):
    assert preference_score(*at_angle(degrees)).item() == pytest.approx(hps, abs=1e-9)
    assert clip_score(*at_angle(degrees)).item() == pytest.approx(clip, abs=1e-9)


def test_clip_score_equals_torchmetrics_formula(features: Draw):
    image, text = torch.from_numpy(features(6, 16)), torch.from_numpy(features(6, 16))
    theirs = 100 * (image * text).sum(axis=-1)  # torchmetrics.functional.multimodal.clip_score, before its mean
    torch.testing.assert_close(clip_score(image, text).float(), theirs.clamp(min=0), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("metric", "function"), [(HPS(), preference_score), (CLIPScore(), clip_score)])
def test_metric_over_several_updates_equals_the_function(
    metric: HPS | CLIPScore, function: Callable[..., torch.Tensor], features: Draw
):
    image, text = torch.from_numpy(features(10, 16)), torch.from_numpy(features(10, 16))
    for part in torch.arange(10).split([1, 4, 5]):
        metric.update(image[part], text[part])
    assert metric.compute().item() == pytest.approx(function(image, text).mean().item(), abs=1e-12)
    assert metric.higher_is_better
    metric.reset()
    metric.update(image[:1], text[:1])
    assert metric.compute().item() == pytest.approx(function(image[:1], text[:1]).item(), abs=1e-12)


def test_estimate_is_clustered_by_prompt_and_its_edits(sample: Callable, inputs: Callable, features: Draw):
    samples = [sample("a"), sample("a", index=1), sample("a2", base="a"), sample("b"), sample("c")]
    given = inputs(samples, features(5, 8), features(5, 8), truncated=[True, True, False, False, True])
    got = clip_estimate(given)
    values = clip_score(*map(torch.from_numpy, given.features)).tolist()
    expected = clustered_mean(values, ["a", "a", "a", "b", "c"])
    assert got[:3] == pytest.approx((expected.value, expected.low, expected.high))
    assert (got.n, got.note) == (5, "2 prompts cut to the text encoder's length")
    assert "G=3" in got.method


def test_hps_reads_the_features_of_the_preference_head(sample: Callable, inputs: Callable, features: Draw):
    given: Inputs = inputs([sample("a"), sample("b")], features(2, 8), features(2, 8))
    same = features(2, 8)
    given = Inputs(**{**vars(given), "preference": Features(same, same)})
    assert hps_estimate(given).value == pytest.approx(100, abs=1e-4)
    assert hps_per_image(given) == pytest.approx({"m|a|1:1|0": 100, "m|b|1:1|0": 100}, abs=1e-4)


def test_nothing_to_score_gives_no_value(inputs: Callable):
    empty = inputs([], np.zeros((0, 8)), np.zeros((0, 8)))
    assert clip_estimate(empty)[:4] == (None, None, None, 0)
    assert hps_estimate(empty)[:4] == (None, None, None, 0)
