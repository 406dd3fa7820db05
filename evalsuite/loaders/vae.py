"""What turns latents of Stable Diffusion's kind into images and back: an AutoencoderKL's folder, or the bundled VAE."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from backbones.vae import STRIDE, VAE
from evalsuite.errors import InputError
from evalsuite.loaders.detect import read_json
from evalsuite.loaders.diffusers_parts import network
from evalsuite.loaders.safety import refuse_code
from evalsuite.model_source import PREFIX, locate, parse

BUNDLED = "bundled"


class Decoder(nn.Module):
    """Latents to images, and images to latents, in fp32: half precision overflows in decoders.

    Attributes:
        channels: of the latents.
        factor: pixels per latent side.
    """

    channels: int
    factor: int

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Map normalised latents (B, C, h, w) to images (B, 3, H, W), fp32, nominally in [0, 1], not clamped."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) in [0, 1] to normalised latents (B, C, h, w), fp32: the posterior's mean."""


class BundledDecoder(Decoder):
    """Our own VAE. It knows other latents than Stable Diffusion's: its pictures of those show the flow, no objects."""

    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae, self.channels, self.factor = vae, vae.config.latent_channels, STRIDE

    def decode(self, latents: Tensor) -> Tensor:
        """See `Decoder`."""
        return (self.vae.decode(self.vae.denormalise(latents.float())) + 1) / 2

    def encode(self, images: Tensor) -> Tensor:
        """See `Decoder`."""
        return self.vae.normalise(self.vae.encode(images.float() * 2 - 1)[0])


class KLDecoder(Decoder):
    """diffusers' AutoencoderKL.

    Args:
        vae: the module.
        scaling: the latents are those of the VAE times this.
    """

    def __init__(self, vae: Any, scaling: float, channels: int, factor: int) -> None:
        super().__init__()
        self.vae, self.scaling, self.channels, self.factor = vae, scaling, channels, factor

    def decode(self, latents: Tensor) -> Tensor:
        """See `Decoder`."""
        images: Tensor = self.vae.decode(latents.float() / self.scaling, return_dict=False)[0]
        return (images + 1) / 2

    def encode(self, images: Tensor) -> Tensor:
        """See `Decoder`."""
        mean: Tensor = self.vae.encode(images.float() * 2 - 1).latent_dist.mode()
        return mean * self.scaling


def load_decoder(given: str, *, channels: int, factor: int, scaling: float) -> Decoder:
    """The decoder that a user names for a model without one.

    Args:
        given: ``bundled``, a diffusers folder of an AutoencoderKL (its ``config.json`` and safetensors, or a pipeline
            that has one as ``vae``), or ``hf:owner/repo`` of a snapshot that is on this machine.
        channels: of the model's latents.
        factor: pixels per latent side.
        scaling: the model's latents are those of the VAE times this.

    Raises:
        InputError: no such folder, none of an AutoencoderKL, or one of other latents.
    """
    if given == BUNDLED:
        from backbones.bundled import load_vae

        decoder: Decoder = BundledDecoder(load_vae())
    else:
        decoder = _from_folder(_folder(given), scaling)
    if (decoder.channels, decoder.factor) != (channels, factor):
        raise InputError(
            f"vae={given}: decodes {decoder.channels} channels by {decoder.factor}, this model draws {channels} by"
            f" {factor}: name the VAE it was trained with"
        )
    return decoder.eval().requires_grad_(False)


def _folder(given: str) -> Path:
    folder = locate(parse(given)) if given.startswith(PREFIX) else Path(given).expanduser()
    return folder / "vae" if (folder / "vae" / "config.json").is_file() else folder


def _from_folder(folder: Path, scaling: float) -> KLDecoder:
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or config.get("_class_name") != "AutoencoderKL":
        raise InputError(f"vae={folder}: no diffusers folder of an AutoencoderKL; see stabilityai/sd-vae-ft-ema")
    refuse_code(folder)
    own = config.get("scaling_factor", scaling)
    if own != scaling or config.get("shift_factor"):
        raise InputError(
            f"vae={folder}: its latents are scaled by {own} and shifted by {config.get('shift_factor') or 0}, this"
            f" model's by {scaling} and 0: name the VAE it was trained with"
        )
    vae: Any = network(folder, ("AutoencoderKL",))
    return KLDecoder(vae, scaling, vae.config.latent_channels, 2 ** (len(vae.config.block_out_channels) - 1))
