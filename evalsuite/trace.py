"""What a sampling path says about the prediction: how far it is from a straight line (arXiv:2209.03003).

Letters: K steps, B images, D dimensions of one latent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from backbones.sampler import Step
from evalsuite.samples import PathStatistics, Trace


class Recorder:
    """Keeps the velocities of a batch while it is sampled, and sums them up per image at the end."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._spans: list[float] = []
        self._guided: list[Tensor] = []
        self._conditional: list[Tensor | None] = []

    def add(self, step: Step) -> None:
        """Take a step's field; tensors stay where they are, so that a GPU is not waited for.

        A step that tells no velocity is left out: the others' weights then sum to 1.
        """
        if step.field is None:
            return
        self._times.append(step.at)
        self._spans.append(step.dt)
        self._guided.append(step.field.velocity)
        self._conditional.append(step.field.conditional)

    @property
    def told(self) -> bool:
        """Whether any step told a velocity."""
        return bool(self._times)

    def traces(self, count: int) -> list[Trace | None]:
        """The traces of the first ``count`` images; None where a number is not finite, or no step told a velocity."""
        if not self.told:
            return [None] * count
        total = math.fsum(self._spans)
        weights = [span / total for span in self._spans]
        paths = _paths(self._guided, weights, count)
        traces: list[Trace | None] = []
        for path, other in zip(paths, self._others(paths, weights), strict=True):
            trace: Trace = {"t": self._times, "weight": weights, "guided": path, "conditional": other}
            traces.append(trace if _is_finite(path) and (other is None or _is_finite(other)) else None)
        return traces

    def _others(self, paths: Sequence[PathStatistics], weights: Sequence[float]) -> Sequence[PathStatistics | None]:
        """Of the predictions without guidance; None where a step told none."""
        told = [velocity for velocity in self._conditional if velocity is not None]
        if len(told) < len(self._guided):
            return [None] * len(paths)
        if all(a is b for a, b in zip(self._guided, told, strict=True)):
            return paths
        return _paths(told, weights, len(paths))


def _paths(steps: Sequence[Tensor], weights: Sequence[float], count: int) -> list[PathStatistics]:
    """Of the first ``count`` images of steps (B, C, h, w)."""
    velocities = torch.stack(list(steps)).flatten(2).double()  # (K, B, D)
    if velocities.device.type == "cpu":
        return [path_statistics(velocities[:, image], weights) for image in range(count)]
    sums = batch_statistics(velocities, weights)
    return [{name: rows[image] for name, rows in sums.items()} for image in range(count)]  # type: ignore[misc]


def path_statistics(velocities: Tensor, weights: Iterable[float]) -> PathStatistics:
    """Statistics of one image's path.

    Args:
        velocities: (K, D), float64, one prediction per step.
        weights: (K), dt_k / sum dt.
    """
    w = torch.tensor(list(weights), dtype=torch.float64)
    centre = w @ velocities  # (D)
    power = velocities.square().mean(1)  # (K)
    deviation = (velocities - centre).square().mean(1)  # (K)
    size = velocities.norm(dim=1)  # (K)
    sizes = size[1:] * size[:-1]
    dots = (velocities[1:] * velocities[:-1]).sum(1)
    cosine = torch.where(sizes > 0, dots / sizes.where(sizes > 0, torch.ones_like(sizes)), 0.0).clamp(-1, 1)
    return {
        "mean": velocities.mean(1).tolist(),
        "variance": velocities.var(1, correction=0).tolist(),
        "power": power.tolist(),
        "deviation": deviation.tolist(),
        "cosine": cosine.tolist(),
        "change": velocities.diff(dim=0).square().mean(1).tolist(),
        "straightness": float(w @ deviation),
        "mean_power": float(centre.square().mean()),
    }


def batch_statistics(velocities: Tensor, weights: Sequence[float]) -> dict[str, list[Any]]:
    """What `path_statistics` tells of each image, of a whole batch (K, B, D) on its own device, by name.

    A GPU is waited for once, where image by image it would be for every number.
    """
    w = torch.tensor(weights, dtype=torch.float64).to(velocities.device)[:, None]  # (K, 1)
    centre = (w[..., None] * velocities).sum(0)  # (B, D)
    power = velocities.square().mean(2)  # (K, B)
    deviation = (velocities - centre).square().mean(2)  # (K, B)
    size = velocities.norm(dim=2)  # (K, B)
    sizes = size[1:] * size[:-1]
    dots = (velocities[1:] * velocities[:-1]).sum(2)
    cosine = torch.where(sizes > 0, dots / sizes.where(sizes > 0, torch.ones_like(sizes)), 0.0).clamp(-1, 1)
    change = velocities.diff(dim=0).square().mean(2)  # (K - 1, B)
    curves = {
        "mean": velocities.mean(2),
        "variance": velocities.var(2, correction=0),
        "power": power,
        "deviation": deviation,
        "cosine": cosine,
        "change": change,
    }
    numbers = {"straightness": (w * deviation).sum(0), "mean_power": centre.square().mean(1)}  # (B) each
    return {name: rows.T.tolist() for name, rows in curves.items()} | {n: v.tolist() for n, v in numbers.items()}


def _is_finite(path: PathStatistics) -> bool:
    return all(map(math.isfinite, [*path["power"], path["straightness"], path["mean_power"]]))
