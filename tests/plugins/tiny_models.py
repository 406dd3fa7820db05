"""Models of a few weights that the tests name as ``tiny_models:factory``: each is real, or wrong in one way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.native import FlowSchedule, Native, NativeModel, NoiseSchedule
from backbones.protocol import PathSettings
from backbones.sampler import Step


class ConvWorld(nn.Module):
    """Random convolutions and linears: the layers whose last bits depend on the shape of a batch."""

    stride = 16

    def __init__(self, name: str = "conv") -> None:
        super().__init__()
        self.name = name
        self.fingerprint = sha256(name.encode()).hexdigest()
        self.encoded: list[str] = []
        self.shapes: set[tuple[int, ...]] = set()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            self.time = nn.Sequential(nn.Linear(1, 512), nn.SiLU(), nn.Linear(512, 16))
            self.text = nn.Linear(512, 16)
            self.first, self.last = nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
            self.paint = nn.Conv2d(4, 3, 3, padding=1)
        self.eval().requires_grad_(False)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        return 4, height // 8, width // 8

    def encode(self, texts: list[str]) -> dict[str, Tensor]:
        self.encoded += texts
        seeds = [int.from_bytes(sha256(text.encode()).digest()[:7], "big") for text in texts]
        return {"text": torch.stack([torch.randn(512, generator=torch.Generator().manual_seed(s)) for s in seeds])}

    def velocity(self, x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        self.shapes.add(tuple(x.shape))
        about = self.time(t[:, None]) + self.text(condition["text"])
        return self.last(F.silu(self.first(x) + about[:, :, None, None]))

    def decode(self, latents: Tensor) -> Tensor:
        return F.interpolate(torch.sigmoid(self.paint(latents)), scale_factor=8.0)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in text.split() if word.startswith("zz"))


class Slow(ConvWorld):
    def velocity(self, x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        time.sleep(0.05)
        return super().velocity(x, t, condition)


class Decodes(ConvWorld):
    """Paints every image of a batch with one of these values, in turn."""

    def __init__(self, *values: float) -> None:
        super().__init__("decodes")
        self.values = values

    def decode(self, latents: Tensor) -> Tensor:
        images = super().decode(latents)
        for place, value in enumerate(self.values):
            images[place :: len(self.values), :, 3, 5] = value
        return images


class Constant(ConvWorld):
    def decode(self, latents: Tensor) -> Tensor:
        return torch.full_like(super().decode(latents), 0.25)


class Hungry(ConvWorld):
    """Lacks memory for images wider than tall, as long as the class says so."""

    starving = True

    def velocity(self, x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        if self.starving and x.shape[3] > x.shape[2]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")
        return super().velocity(x, t, condition)


class Noisy(ConvWorld, NativeModel):
    """The same layers, which now predict noise under Stable Diffusion's schedule."""

    velocity = NativeModel.velocity

    def __init__(self, name: str = "noisy", prediction: str = "eps", zero_terminal_snr: bool = False) -> None:
        ConvWorld.__init__(self, name)
        schedule = NoiseSchedule.named("scaled_linear", 0.00085, 0.012, zero_terminal_snr=zero_terminal_snr)
        self.native = Native(prediction=prediction, schedule=schedule, spacing="trailing")

    def predict(self, x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        return ConvWorld.velocity(self, x, t / 1000, condition)


class Flow(Noisy):
    """The same layers as a flow that has a time shift of its own."""

    def __init__(self) -> None:
        super().__init__("flow")
        self.native = Native(prediction="flow", schedule=FlowSchedule(3.0))


class Silent(ConvWorld):
    """Has a path that tells no velocity."""

    samplers = ("lookup",)

    def path(self, noise: Tensor, condition: object, null: object, settings: PathSettings) -> Iterator[Step]:
        yield Step(0, 1.0, 1.0, 1.0, noise / 2, None)


def noisy() -> Noisy:
    return Noisy()


def zero_snr() -> Noisy:
    return Noisy("zero_snr", zero_terminal_snr=True)


def flow() -> Flow:
    return Flow()


def silent() -> Silent:
    return Silent("silent")


def scaled(scale: str = "1") -> ConvWorld:
    return ConvWorld(f"conv x {scale}")


def conv() -> ConvWorld:
    return ConvWorld()


def slow() -> ConvWorld:
    return Slow("slow")


def nonfinite() -> ConvWorld:
    return Decodes(float("nan"), float("inf"), 0.5)


def constant() -> ConvWorld:
    return Constant("constant")


def hungry() -> ConvWorld:
    return Hungry("hungry")


def unbuildable() -> ConvWorld:
    raise ValueError("weights are 3 bytes long")


def nothing() -> object:
    return object()


def faulty() -> ConvWorld:
    raise ZeroDivisionError("a fault of the plugin")
