from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from backbones.sampler import Field, Step, guided_field, sample, timesteps
from backbones.toy import GaussianWorld
from evalsuite.trace import Recorder, batch_statistics, path_statistics


def steps_of(velocities: Tensor, times: list[float], conditional: Tensor | None = None) -> list[Step]:
    """Steps whose fields are velocities (K, B, C, h, w)."""
    others = velocities if conditional is None else conditional
    return [
        Step(k, times[k], times[k] - times[k + 1], times[k], velocities[k], Field(velocities[k], others[k]))
        for k in range(len(velocities))
    ]


def recorded(steps: list[Step], count: int):
    recorder = Recorder()
    for step in steps:
        recorder.add(step)
    return recorder.traces(count)


def test_every_statistic_equals_its_definition():
    torch.manual_seed(0)
    times = timesteps(6, 2.5)
    guided, conditional = torch.randn(2, 6, 3, 2, 4, 5)
    traces = recorded(steps_of(guided, times, conditional), 2)
    spans = -np.diff(times)
    weights = spans / spans.sum()
    assert len(traces) == 2
    for image, trace in enumerate(traces):
        assert trace["t"] == times[:-1]
        np.testing.assert_allclose(trace["weight"], weights, rtol=1e-12)
        for name, all_of_it in (("guided", guided), ("conditional", conditional)):
            v = all_of_it[:, image].flatten(1).double().numpy()
            centre = sum(w * row for w, row in zip(weights, v, strict=True))
            path = trace[name]
            expected = {
                "mean": [row.mean() for row in v],
                "variance": [row.var() for row in v],
                "power": [(row**2).sum() / row.size for row in v],
                "deviation": [((row - centre) ** 2).sum() / row.size for row in v],
                "cosine": [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in itertools.pairwise(v)],
                "change": [((b - a) ** 2).sum() / a.size for a, b in itertools.pairwise(v)],
                "straightness": sum(
                    w * ((row - centre) ** 2).sum() / row.size for w, row in zip(weights, v, strict=True)
                ),
                "mean_power": (centre**2).sum() / centre.size,
            }
            assert path.keys() == expected.keys()
            for key, value in expected.items():
                np.testing.assert_allclose(path[key], value, rtol=1e-12, atol=1e-14)


def test_a_trace_has_the_times_that_its_velocities_stand_for():
    world, noise = GaussianWorld(), torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    condition = world.encode(["red"])
    for method, expected in (("euler", [1.0, 0.5]), ("midpoint", [0.75, 0.25]), ("heun", [0.75, 0.25])):
        field = guided_field(world, condition, condition, guidance=1.0)
        (trace,) = recorded(list(sample(field, noise, timesteps(2), method)), 1)
        assert trace["t"] == expected


def test_a_straight_path_has_no_variance_along_it():
    v = torch.randn(1, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64).expand(5, 7)
    path = path_statistics(v, [0.1, 0.2, 0.3, 0.2, 0.2])
    assert path["straightness"] == pytest.approx(0, abs=1e-30)
    np.testing.assert_allclose(path["cosine"], 1, rtol=1e-12)
    assert path["mean_power"] == pytest.approx(path["power"][0], rel=1e-12)


def test_power_splits_into_the_mean_path_and_the_rest():
    v = torch.randn(9, 50, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    weights = torch.rand(9, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights /= weights.sum()
    path = path_statistics(v, weights.tolist())
    power = float(weights @ torch.tensor(path["power"], dtype=torch.float64))
    assert path["straightness"] + path["mean_power"] == pytest.approx(power, rel=1e-12)


def test_no_velocity_at_all_gives_zeros():
    path = path_statistics(torch.zeros(4, 6, dtype=torch.float64), [0.25] * 4)
    assert all(not np.any(value) for value in path.values())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_path_that_is_not_finite_has_no_trace(bad: float):
    velocities = torch.randn(3, 2, 1, 2, 2, generator=torch.Generator().manual_seed(4))
    velocities[1, 0, 0, 1, 1] = bad
    first, second = recorded(steps_of(velocities, timesteps(3)), 2)
    assert first is None
    assert second is not None


def test_the_gaussian_world_is_as_curved_as_theory_says():
    """S = s (2 - pi / 2) and |vbar|^2 / D = m^2 + (1 - s)^2 for x0 ~ N(m, s^2 I)."""
    deviation, mean = 0.5, 0.7
    model = GaussianWorld(deviation=deviation)
    noise = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    noise = (noise - noise.mean((1, 2, 3), keepdim=True)) / noise.std((1, 2, 3), keepdim=True, correction=0)
    condition = {"mean": torch.full((2, 3), mean)}
    field = guided_field(model, condition, condition, guidance=1.0)
    for trace in recorded(list(sample(field, noise, timesteps(200), "midpoint")), 2):
        assert trace["guided"] == trace["conditional"]
        assert trace["guided"]["straightness"] == pytest.approx(deviation * (2 - math.pi / 2), rel=5e-3)
        assert trace["guided"]["mean_power"] == pytest.approx(mean**2 + (1 - deviation) ** 2, rel=5e-3)


def test_a_whole_batch_at_once_has_the_statistics_of_each_image():
    velocities = torch.randn(5, 3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    velocities[:, 1] = 0  # no direction, so no angle
    weights = [0.1, 0.3, 0.2, 0.2, 0.2]
    found = batch_statistics(velocities, weights)
    for image in range(3):
        wanted = path_statistics(velocities[:, image], weights)
        assert wanted.keys() == found.keys()
        for name, value in wanted.items():
            np.testing.assert_allclose(found[name][image], value, rtol=1e-12, atol=1e-15)
