"""Models for probes: one Gaussian world in every parametrisation, and models that are wrong or poor in one way."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import torch
from gaussian_network import optimal
from tiny_models import ConvWorld
from torch import Tensor
from torch.nn import functional as F

from backbones.native import FlowSchedule, Native, NativeModel, NoiseSchedule
from backbones.protocol import Condition
from evalsuite.errors import InputError

COSINE = NoiseSchedule.named("squaredcos_cap_v2")


class Exact(NativeModel):
    """Data N(0.7, 0.5^2) in one parametrisation, computed in float64 from the network's own timestep."""

    stride, latent_space = 16, "exact"

    def __init__(self, prediction: str, schedule: NoiseSchedule | FlowSchedule) -> None:
        self.native = Native(prediction=prediction, schedule=schedule)  # type: ignore[arg-type]
        self.name = prediction
        self.fingerprint = sha256(f"exact {prediction}".encode()).hexdigest()

    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        schedule = self.native.schedule
        if isinstance(schedule, FlowSchedule):
            a, b = 1 - t.double() / schedule.steps, t.double() / schedule.steps
        else:
            table = schedule.ratios().log().double()
            low = t.long().clamp(0, schedule.steps - 2)
            ratio = (table[low] + (t.double() - low) * (table[low + 1] - table[low])).exp()
            a, b = 1 / torch.hypot(ratio, torch.ones(())), ratio / torch.hypot(ratio, torch.ones(()))
        a, b = a.view(-1, 1, 1, 1), b.view(-1, 1, 1, 1)
        return optimal(self.native.prediction, x.double(), a, b).to(x.dtype)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        return 3, height // 8, width // 8

    def encode(self, texts: Sequence[str]) -> Condition:
        return {"text": torch.zeros(len(texts), 1)}

    def latents(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images, 8) * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        return F.interpolate((latents + 1) / 2, scale_factor=8.0)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Exact:
        return self


class SeesPictures(ConvWorld):
    """Random convolutions over latents of a space of their own."""

    latent_space = "conv"

    def latents(self, images: Tensor) -> Tensor:
        small = F.avg_pool2d(images, 8) * 2 - 1
        return torch.cat([small, small.mean(1, keepdim=True)], 1)


class Still(SeesPictures):
    """Predicts nothing at all, as a network whose head begins at zero."""

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return torch.zeros_like(x)


class Overflows(SeesPictures):
    """Is not finite for large inputs at late times."""

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        found = super().velocity(x, t, condition)  # type: ignore[arg-type]
        return torch.where((t > 0.9)[:, None, None, None], torch.full_like(found, float("inf")), found)


class OfClasses(SeesPictures):
    """Knows two classes, and has no null prompt."""

    def encode(self, texts: Sequence[str]) -> dict[str, Tensor]:
        for text in texts:
            self.unknown_words(text)
        return super().encode(list(texts))

    def unknown_words(self, text: str) -> tuple[str, ...]:
        if text not in ("", "class 0", "class 1"):
            raise InputError(f"model 'of_classes': {text!r} is no class")
        return ()

    def check_run(self, prompts: object, spec: object) -> None:
        if spec.guidance != 1:  # type: ignore[attr-defined]
            raise InputError("model 'of_classes' has no null class")


def exact_eps() -> Exact:
    return Exact("eps", COSINE)


def exact_x0() -> Exact:
    return Exact("x0", COSINE)


def exact_v() -> Exact:
    return Exact("v", COSINE)


def exact_flow() -> Exact:
    return Exact("flow", FlowSchedule())


def stable() -> Exact:
    return Exact("eps", NoiseSchedule.named("scaled_linear", 0.00085, 0.012))


def conv() -> ConvWorld:
    return SeesPictures("conv")


def scaled(scale: str = "1") -> ConvWorld:
    """Its velocities are those of `conv` times a number."""
    model = SeesPictures(f"conv x {scale}")
    model.last.weight *= float(scale)
    model.last.bias *= float(scale)
    return model


def still() -> ConvWorld:
    return Still("still")


def overflows() -> ConvWorld:
    return Overflows("overflows")


def of_classes() -> ConvWorld:
    return OfClasses("of_classes")
