"""What every text-to-image model offers, whatever is inside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from backbones.sampler import Step

Condition = Mapping[str, Tensor]  # what a model needs to know of its prompts; every tensor has the batch first


class TextToImage(Protocol):
    """A model that answers as a rectified flow: x_t = (1 - t) x0 + t e, data at t = 0, noise at t = 1.

    A model may also have
        latent_space: str; models with the same one share their latents. Without one, its are its own;
        shift: float or None; the time shift that suits it where a run names none. None: its own samplers have none;
        guided: float or None; the scale of classifier-free guidance that its predictions carry already, for a
            guidance-distilled model (arXiv:2210.03142). It is then asked once a prediction, without a null prompt, and
            with this scale alone; it tells no velocity without guidance. None: it does not carry any;
        distilled: `backbones.distilled.Distilled` or None; what it was distilled for, steps included;
        samplers and path: see `OwnPath`, for a model whose users know it by a scheme of its own;
        strips: see `Tiled`, for a model that can decode images too large to be decoded whole;
        latents: see `ReadsImages`, for a model that can be probed on given pictures (`evalsuite probe`);
        attention: "linear", for a model that attends in linear time. Without it, its attention is PyTorch's
            scaled_dot_product_attention, whose kernel the run may choose;
        repeated(fused=True): a list of the modules that a prediction calls again and again, for a model that may be
            compiled; before that the model may put others in their place that compile better, and does not where
            `fused` is False;
        pure: "velocity" or "predict": the name of its method that is a pure function of tensors, and may be recorded
            as a CUDA graph.

    Letters: B batch, C latent channels, h x w latent sides, H x W image sides in pixels.
    """

    name: str
    stride: int  # pixels; widths and heights must divide by it
    fingerprint: str  # SHA-256 over weights and configuration, hex

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (C, h, w) for width x height pixels; raise ValueError where the stride forbids it."""
        ...

    def encode(self, texts: Sequence[str]) -> Condition:
        """Turn B texts into conditions; "" is the null prompt."""
        ...

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict e - x0 (B, C, h, w) at x (B, C, h, w), t (B,) in [0, 1]; in the dtype of x."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents (B, C, h, w) into images (B, 3, H, W), fp32, nominally in [0, 1], not clamped."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words of `text` that do not reach the model."""
        ...

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Move the model, cast what may be cast, and return it."""
        ...


class Tiled(TextToImage, Protocol):
    """A model that also decodes in tiles; see `backbones.tiling.strips`, which does the work."""

    def strips(self, latents: Tensor, tile: int) -> Iterator[Tensor]:
        """Decode latents (B, C, h, w) in tiles of at most `tile` x `tile` pixels, a multiple of 64.

        Yields:
            What `decode` returns, in strips (B, 3, rows, W) from top to bottom; each is valid until the next one.
        """
        ...


class ReadsImages(TextToImage, Protocol):
    """A model that also turns pictures into latents, so that its denoiser can be asked about them."""

    def latents(self, images: Tensor) -> Tensor:
        """Turn images (B, 3, H, W), fp32 in [0, 1], into latents (B, C, h, w), fp32, as the denoiser sees them.

        The posterior's mean where the encoder has a posterior: nothing is drawn. `decode` leads back to the images, as
        well as the autoencoder can; sides are those that `latent_shape` takes.
        """
        ...


@dataclass(frozen=True, slots=True)
class PathSettings:
    """How a model shall walk its own path.

    Attributes:
        steps: at least 1.
        guidance: classifier-free guidance scale; 1 means none.
        sampler: one of the model's `samplers`.
        shift: time shift a of t' = a t / (1 + (a - 1) t); None means the model's own rule. A model whose `shift`
            is None, or absent, is never given one.
    """

    steps: int
    guidance: float
    sampler: str
    shift: float | None = None


class OwnPath(TextToImage, Protocol):
    """A model that also samples by schemes of its own, in its native parametrisation."""

    @property
    def samplers(self) -> tuple[str, ...]:
        """Names that `path` takes; the first is what `--sampler auto` means."""
        ...

    def path(self, noise: Tensor, condition: Condition, null: Condition, settings: PathSettings) -> Iterator[Step]:
        """Walk from noise to data, yielding every step; the last step's x goes to `decode`.

        Args:
            noise: unit Gaussian (B, C, h, w), fp32; scaling it to the first noise level is the path's own business.
            condition: of B prompts.
            null: of the null or the negative prompt, with a batch of B or of 1.
            settings: how.

        Yields:
            x is native latents after the step; t, dt and at are times of the rectified flow, sigma / (alpha + sigma);
            field holds velocities e - x0 of the rectified flow, guided and conditional, or is None for a step at which
            the prediction says nothing of them. A number that is not finite is never put there to mean "undefined".

        Raises:
            ValueError: settings that the model cannot follow.
        """
        ...


def latent_sides(width: int, height: int, stride: int, factor: int) -> tuple[int, int]:
    """Return (h, w) of the latents of a width x height image.

    Args:
        width: pixels.
        height: pixels.
        stride: pixels that both sides must divide by.
        factor: pixels per latent side.

    Raises:
        ValueError: a side is not a positive multiple of the stride.
    """
    if min(width, height) <= 0 or width % stride or height % stride:
        raise ValueError(f"size {width}x{height}: both sides must be positive multiples of {stride} pixels")
    return height // factor, width // factor
