from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from backbones.schedule import endpoints, flow_to_vp, flow_velocity, vp_to_flow
from backbones.toy import gaussian_velocity

MEAN, DEVIATION = 0.7, 0.5


def optimal(kind: str, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The best prediction c m + K / D (x - a m) of the target c x0 + d e, for x0 ~ N(m, s^2)."""
    c, d = {"eps": (0, 1), "x0": (1, 0), "v": (-b, a), "flow": (-1, 1)}[kind]
    gain = (c * a * DEVIATION**2 + d * b) / (a**2 * DEVIATION**2 + b**2)
    return c * MEAN + gain * (x - a * MEAN)


@pytest.mark.parametrize("kind", ["eps", "x0", "v"])
@pytest.mark.parametrize("t", [0.02, 0.3, 0.5, 0.98])
def test_every_parametrisation_of_one_model_gives_one_velocity(kind: str, t: float):
    time = torch.tensor(t)
    x = torch.randn(2, 3, 4, 4)
    exact = gaussian_velocity(x, time.expand(2), torch.tensor(MEAN), DEVIATION)
    vp, alpha, sigma = flow_to_vp(x, time)
    assert_close(flow_velocity(kind, optimal(kind, vp, alpha, sigma), vp, alpha, sigma), exact, atol=1e-5, rtol=1e-4)
    assert_close(flow_velocity("flow", optimal("flow", x, 1 - time, time), x, 1 - time, time), exact, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["eps", "x0", "v", "flow"])
def test_true_targets_give_back_the_data_and_the_noise(kind: str):
    x0, noise = torch.randn(2, 4, 3, 5, 5, dtype=torch.float64)
    t = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64).view(4, 1, 1, 1)
    norm = torch.ones_like(t) if kind == "flow" else torch.hypot(1 - t, t)
    a, b = (1 - t) / norm, t / norm
    target = {"eps": noise, "x0": x0, "v": a * noise - b * x0, "flow": noise - x0}[kind]
    found = endpoints(kind, target, a * x0 + b * noise, a, b)
    assert_close(found.x0, x0)
    assert_close(found.noise, noise)


def test_vp_and_flow_points_agree_in_signal_to_noise_and_come_back():
    x, t = torch.randn(3, 1, 2, 2), torch.tensor([0.1, 0.5, 0.9]).view(3, 1, 1, 1)
    vp, alpha, sigma = flow_to_vp(x, t)
    assert_close(alpha**2 + sigma**2, torch.ones_like(t))
    assert_close(sigma / alpha, t / (1 - t))
    back = vp_to_flow(vp, alpha, sigma)
    assert_close(back.x, x)
    assert_close(back.t, t)


@pytest.mark.parametrize(("kind", "a", "b"), [("eps", 0.0, 1.0), ("x0", 1.0, 0.0)])
def test_a_division_by_zero_is_refused(kind: str, a: float, b: float):
    x = torch.zeros(1, 1, 1, 1)
    with pytest.raises(ValueError, match="skip that step"):
        endpoints(kind, x, x, torch.tensor(a), torch.tensor(b))


def test_an_unknown_prediction_is_refused():
    x = torch.zeros(1)
    with pytest.raises(ValueError, match="'score' is not one of eps, x0, v, flow"):
        flow_velocity("score", x, x, torch.tensor(0.5), torch.tensor(0.5))
