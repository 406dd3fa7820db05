"""What a sampling path says about the prediction: how far it is from a straight line (arXiv:2209.03003).

Letters: K steps, B images, D dimensions of one latent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

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
        self._conditional: list[Tensor] = []

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
        guided = torch.stack(self._guided).flatten(2).double().cpu()  # (K, B, D)
        same = all(a is b for a, b in zip(self._guided, self._conditional, strict=True))
        conditional = guided if same else torch.stack(self._conditional).flatten(2).double().cpu()
        traces: list[Trace | None] = []
        for image in range(count):
            path = path_statistics(guided[:, image], weights)
            other = path if same else path_statistics(conditional[:, image], weights)
            trace: Trace = {"t": self._times, "weight": weights, "guided": path, "conditional": other}
            traces.append(trace if _is_finite(path) and _is_finite(other) else None)
        return traces


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


def _is_finite(path: PathStatistics) -> bool:
    return all(map(math.isfinite, [*path["power"], path["straightness"], path["mean_power"]]))
