"""The bank: latents of pictures, draws of noise and times, fixed before any model is asked and saved.

Letters: P images, M draws, C latent channels, h x w latent sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import torch
from torch import Tensor

from backbones.protocol import ReadsImages
from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.probe.pictures import Picture, as_tensor
from evalsuite.probe.spec import Recipe

ENCODED = 4
"""Pictures of one size that are encoded together."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of an image of the bank."""

    id: str
    caption: str | None
    width: int
    height: int
    pixel_sha256: str


@dataclass(frozen=True)
class Bank:
    """What every model is asked about.

    Attributes:
        images: P of them.
        x0: of each image (C, h, w), fp32.
        drawn: of each image (M, C, h, w), fp32; with antithetic draws (M/2, C, h, w), whose negatives are the others.
        times: rising, in (0, 1).
        antithetic: whether draws come in pairs e, -e.
        seed: of the noise.
        latent_space: of the latents; models of the same one are shown the same bank.
    """

    images: tuple[Shown, ...]
    x0: tuple[Tensor, ...]
    drawn: tuple[Tensor, ...]
    times: tuple[float, ...]
    antithetic: bool
    seed: int
    latent_space: str

    @property
    def draws(self) -> int:
        """M."""
        return len(self.drawn[0]) * (2 if self.antithetic else 1)

    @property
    def has_captions(self) -> bool:
        """Whether every image has one."""
        return all(image.caption is not None for image in self.images)

    def noise(self, image: int) -> Tensor:
        """The draws (M, C, h, w) of an image; antithetic ones are neighbours."""
        drawn = self.drawn[image]
        return torch.stack([drawn, -drawn], 1).flatten(0, 1) if self.antithetic else drawn

    @cached_property
    def recipe(self) -> str:
        """See `recipe_of`."""
        return recipe_of(self.images, self.times, self.draws, self.antithetic, self.seed)

    @cached_property
    def sha256(self) -> str:
        """Of everything in it."""
        found = hashlib.sha256(digest([self.recipe, self.latent_space]).encode())
        for tensor in (*self.x0, *self.drawn):
            found.update(str(tuple(tensor.shape)).encode())
            found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()


def recipe_of(images: Sequence[Shown], times: Sequence[float], draws: int, antithetic: bool, seed: int) -> str:
    """SHA-256 of all that banks of the same pictures in other latent spaces share."""
    return digest(["probe bank 1", [asdict(image) for image in images], list(times), draws, antithetic, seed])


def shown(pictures: Sequence[Picture]) -> tuple[Shown, ...]:
    """What a bank keeps of its pictures."""
    return tuple(Shown(*picture[:5]) for picture in pictures)


def build(recipe: Recipe, pictures: Sequence[Picture], model: ReadsImages, latent_space: str, device: str) -> Bank:
    """Encode pictures by a model's own autoencoder, and draw noise for each from a seed of its own.

    Args:
        recipe: of the bank.
        pictures: those to show.
        model: on its device.
        latent_space: of the model.
        device: of the model.

    Raises:
        InputError: latents that are not finite, or of another shape than the model says.
    """
    x0 = _encoded(pictures, model, device)
    for picture, latent in zip(pictures, x0, strict=True):
        shape = model.latent_shape(picture.width, picture.height)
        if tuple(latent.shape) != tuple(shape) or not bool(latent.isfinite().all()):
            raise InputError(
                f"{picture.id}: model {model.name!r} encodes it as {tuple(latent.shape)}, finite:"
                f" {bool(latent.isfinite().all())}; {tuple(shape)} and finite is needed: its `latents` is at fault"
            )
    count = recipe.draws // 2 if recipe.antithetic else recipe.draws
    drawn = [
        draw(recipe.seed, picture.pixel_sha256, count, tuple(x.shape)) for picture, x in zip(pictures, x0, strict=True)
    ]
    return Bank(shown(pictures), tuple(x0), tuple(drawn), recipe.times, recipe.antithetic, recipe.seed, latent_space)


def draw(seed: int, image: str, count: int, shape: Sequence[int]) -> Tensor:
    """Noise (count, *shape), fp32, drawn on the CPU, each from a seed that bank, image and number give."""
    draws = []
    for number in range(count):
        own = hashlib.sha256(f"probe|{seed}|{image}|{number}".encode()).digest()
        generator = torch.Generator("cpu").manual_seed(int.from_bytes(own[:8], "big") >> 1)
        draws.append(torch.randn(tuple(shape), generator=generator))
    return torch.stack(draws)


@torch.inference_mode()
def _encoded(pictures: Sequence[Picture], model: ReadsImages, device: str) -> list[Tensor]:
    """Latents (C, h, w) of every picture, in their order, on the CPU."""
    places: dict[tuple[int, int], list[int]] = {}
    for place, picture in enumerate(pictures):
        places.setdefault((picture.width, picture.height), []).append(place)
    found: dict[int, Tensor] = {}
    for same in places.values():
        for start in range(0, len(same), ENCODED):
            some = same[start : start + ENCODED]
            latents = model.latents(as_tensor(pictures[place] for place in some).to(device))
            found.update(zip(some, latents.float().cpu().contiguous(), strict=True))
    return [found[place].clone() for place in range(len(pictures))]
