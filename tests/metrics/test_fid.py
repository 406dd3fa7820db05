from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from evalsuite.metrics import FrechetDistance
from evalsuite.metrics.fid import estimate, estimate_infinity
from evalsuite.metrics.frechet import frechet_distance_of
from evalsuite.reference import Moments, Reference, moments

Draw = Callable[[int, int], np.ndarray]


def reference_of(aspects: dict[str, Moments]) -> Reference:
    return Reference(aspects, "test", "f" * 64, "none", "0" * 64)


class Flatten(torch.nn.Module):
    num_features = 12

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).float() / 255


def test_metric_equals_torchmetrics_on_the_same_features():
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randint(0, high, (60, 3, 2, 2), dtype=torch.uint8, generator=generator) for high in (256, 200))
    theirs = FrechetInceptionDistance(feature=Flatten())
    theirs.update(real, real=True)
    ours = FrechetDistance(moments(Flatten()(real).numpy()))
    for part in fake.split([5, 30, 25]):
        theirs.update(part, real=False)
        ours.update(Flatten()(part))
    assert ours.compute().item() == pytest.approx(theirs.compute().item(), rel=1e-5)


def test_metric_over_several_updates_equals_the_function(features: Draw):
    rows, reference = features(50, 8), moments(features(80, 8))
    metric = FrechetDistance(reference)
    for part in torch.from_numpy(rows).split([1, 20, 29]):
        metric.update(part)
    assert metric.compute().item() == pytest.approx(frechet_distance_of(rows, reference), rel=1e-9)
    assert not metric.higher_is_better
    metric.reset()
    metric.update(torch.from_numpy(rows[:1]))
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        metric.compute()


def test_small_spread_around_a_large_mean_does_not_cancel(generator: np.random.Generator):
    rows = 1e4 + 1e-3 * generator.standard_normal((40, 4))
    reference = moments(1e4 + 1e-3 * generator.standard_normal((50, 4)))
    metric = FrechetDistance(reference)
    metric.update(torch.from_numpy(rows))
    assert metric.compute().item() == pytest.approx(frechet_distance_of(rows, reference), rel=1e-6)


def test_estimate_compares_with_the_slices_own_mix_of_aspects(sample: Callable, inputs: Callable, features: Draw):
    square, wide, rows = features(30, 4), features(40, 4) + 1, features(9, 4)
    reference = reference_of({"1:1": moments(square), "3:2": moments(wide)})
    samples = [sample(str(i // 3), aspect="3:2" if i % 3 == 0 else "1:1", index=i) for i in range(9)]
    got = estimate(inputs(samples, rows, rows, reference=reference))
    mixed = reference.mixture({"1:1": 6, "3:2": 3})
    assert got.value == pytest.approx(frechet_distance_of(rows, mixed))
    assert got.low is not None
    assert got.high is not None
    assert got.low < got.value < got.high
    assert got.n == 9
    assert got.note.startswith("n=9 < 2048: not comparable with published FID; use at equal n; the interval is for")


def test_without_what_it_needs_there_is_no_value_and_a_reason(sample: Callable, inputs: Callable, features: Draw):
    rows, two = features(2, 4), [sample("a"), sample("b")]
    reference = reference_of({"3:2": moments(features(9, 4))})
    cases = [
        (inputs(two, rows, rows), "no reference moments"),
        (inputs(two, rows, rows, reference=reference), "no reference images of aspect 1:1"),
        (inputs(two[:1], rows[:1], rows[:1], reference=reference), "a Frechet distance needs at least 2 images"),
    ]
    for given, reason in cases:
        got = estimate(given)
        assert (got.value, got.low, got.high, got.note) == (None, None, None, reason)
        assert estimate_infinity(given) is None


def test_extrapolation_needs_enough_images(sample: Callable, inputs: Callable, features: Draw):
    reference, rows = reference_of({"1:1": moments(features(90, 4))}), features(24, 4)
    samples = [sample(str(i)) for i in range(24)]
    got = estimate_infinity(inputs(samples, rows, rows, reference=reference))
    plain = estimate(inputs(samples, rows, rows, reference=reference))
    assert got is not None
    assert got.value is not None
    assert plain.value is not None
    assert got.value < plain.value
    assert got.method.startswith("half-split extrapolation")
    assert estimate_infinity(inputs(samples[:8], rows[:8], rows[:8], reference=reference)) is None


def test_one_prompt_has_a_value_but_no_interval(sample: Callable, inputs: Callable, features: Draw):
    reference, rows = reference_of({"1:1": moments(features(90, 4))}), features(20, 4)
    given = inputs([sample("a", index=i) for i in range(20)], rows, rows, reference=reference)
    got = estimate(given)
    assert got.value is not None
    assert (got.low, got.high, got.method) == (None, None, "influence, none: one prompt family")
    assert estimate_infinity(given) is None


@pytest.mark.parametrize(("n", "said"), [(4, True), (5, False)])
def test_fewer_images_than_dimensions_make_a_conservative_interval(
    sample: Callable, inputs: Callable, features: Draw, n: int, said: bool
):
    reference, rows = reference_of({"1:1": moments(features(90, 4))}), features(n, 4)
    got = estimate(inputs([sample(str(i)) for i in range(n)], rows, rows, reference=reference))
    assert (f"n={n} <= d=4: the interval is conservative" in got.note) is said


def test_prompts_too_unequal_to_halve_have_no_extrapolation(sample: Callable, inputs: Callable, features: Draw):
    reference, rows = reference_of({"1:1": moments(features(90, 4))}), features(20, 4)
    samples = [sample("a" if i else "b", index=i) for i in range(20)]
    assert estimate_infinity(inputs(samples, rows, rows, reference=reference)) is None
