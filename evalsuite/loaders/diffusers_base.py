"""What the families of diffusers' text-to-image models have in common: sizes, decoding, identity, moving.

Letters: B batch, C latent channels, h x w latent sides, H x W image sides in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from backbones.compiled import repeated
from backbones.fingerprint import fingerprint_of
from backbones.native import Native, NativeModel
from backbones.protocol import Condition, latent_sides
from backbones.tiling import strips
from evalsuite.loaders.diffusers_texts import Classes, Texts

_MOMENTS = ("latents_mean", "latents_std")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a model is made of.

    Attributes:
        name: of the model.
        denoiser: of diffusers, in fp32.
        vae: of diffusers, in fp32.
        prompts: how prompts become conditions.
        native: how to read the denoiser.
        about: facts for the fingerprint, besides weights and `native`.
        settings: of model_index.json.
        notes: what is done otherwise than by diffusers, for people.
    """

    name: str
    denoiser: Any
    vae: Any
    prompts: Texts | Classes
    native: Native
    about: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class DiffusersModel(NativeModel):
    """Base of the families: sizes, decoding, identity, moving. The VAE stays in fp32.

    Attributes:
        notes: what is done otherwise than by diffusers, for people.
    """

    pure = "predict"
    patch: ClassVar[str | None] = None  # the denoiser's config entry of latent pixels per token; None: 1

    def __init__(self, parts: Parts) -> None:
        self.name, self.native, self.notes = parts.name, parts.native, parts.notes
        self.denoiser, self.vae, self.prompts = parts.denoiser, parts.vae, parts.prompts
        self.encoders = parts.prompts.encoders if isinstance(parts.prompts, Texts) else nn.ModuleDict()
        self.settings = parts.settings
        self.factor = vae_factor(self.vae)  # pixels per latent side
        self.stride = self.factor * self.patch_size
        self.dtype = torch.float32
        scale = {key: _plain(self.vae.config.get(key)) for key in ("scaling_factor", "shift_factor", *_MOMENTS)}
        self.latent_space = fingerprint_of(scale, {"vae": self.vae})
        configs = {key: _plain(dict(part.config)) for key, part in (("denoiser", self.denoiser), ("vae", self.vae))}
        about = dict(parts.about) | {"family": type(self).__name__, "native": self.native.facts(), "configs": configs}
        self.fingerprint = fingerprint_of(about | {"latents": self.latent_space}, self._modules())

    @property
    def patch_size(self) -> int:
        """Latent pixels per side of a token."""
        return 1 if self.patch is None else int(self.denoiser.config[self.patch])

    @property
    def channels(self) -> int:
        """C."""
        return int(self.denoiser.config.in_channels)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """See `TextToImage`."""
        return (self.channels, *latent_sides(width, height, self.stride, self.factor))

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Condition:
        """See `TextToImage`."""
        return self.conditions(texts)

    def conditions(self, texts: Sequence[str]) -> Condition:
        """What `denoise` needs to know of B prompts."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """See `NativeModel`."""
        cast = {key: rows.to(self.dtype) if rows.is_floating_point() else rows for key, rows in condition.items()}
        return self.denoise(x.to(self.dtype), t, cast).to(x.dtype)

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The network's output; x in its dtype, t (B,) in fp32."""
        raise NotImplementedError

    @torch.no_grad()
    def latents(self, images: Tensor) -> Tensor:
        """See `backbones.protocol.ReadsImages`."""
        config = self.vae.config
        found = self.vae.encode(images.float() * 2 - 1)
        z: Tensor = found.latent_dist.mode() if hasattr(found, "latent_dist") else found.latent  # AutoencoderDC's
        mean, std = (config.get(key) for key in _MOMENTS)
        if mean is not None and std is not None:
            scaled: Tensor = (z - _channels(mean, z)) * config.scaling_factor / _channels(std, z)
            return scaled
        shift = config.get("shift_factor")
        z = z if shift is None else z - shift
        return z * float(config.scaling_factor)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """See `TextToImage`."""
        config = self.vae.config
        z = latents.float()
        mean, std = (config.get(key) for key in _MOMENTS)
        if mean is not None and std is not None:
            z = z * _channels(std, z) / config.scaling_factor + _channels(mean, z)
        else:
            z = z / config.scaling_factor
            shift = config.get("shift_factor")
            z = z if shift is None else z + shift
        image: Tensor = self.vae.decode(z, return_dict=False)[0]  # (B, 3, H, W) in [-1, 1]
        return image * 0.5 + 0.5

    def strips(self, latents: Tensor, tile: int) -> Iterator[Tensor]:
        """Decode in tiles of so many pixels; see `backbones.protocol.Tiled`. GroupNorm sees a tile at a time."""
        return strips(self.decode, latents, tile // self.factor)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Words beyond what the encoders read, or unknown to their tokenizers."""
        return self.prompts.unread(text)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """See `TextToImage`."""
        self.denoiser.to(device, dtype)
        self.vae.to(device, torch.float32)
        if isinstance(self.prompts, Texts):
            self.prompts.to(device, dtype)
        self.dtype = dtype
        return self

    def repeated(self, fused: bool = True) -> list[nn.Module]:
        """What the package calls repeated blocks, else the entries of the denoiser's lists of modules."""
        return repeated(self.denoiser, getattr(self.denoiser, "_repeated_blocks", None) or ())

    def ask(self, texts: Sequence[str], **changes: Any) -> tuple[Tensor | None, ...]:
        """The outputs of the pipeline's encoders."""
        assert isinstance(self.prompts, Texts)
        return self.prompts(texts, **changes)

    def _modules(self) -> dict[str, nn.Module]:
        return {"denoiser": self.denoiser, **dict(self.encoders.items())}


def vae_factor(vae: Any) -> int:
    """Pixels per latent side."""
    widths = vae.config.get("block_out_channels") or vae.config["encoder_block_out_channels"]
    return int(2 ** (len(widths) - 1))


def first(found: Any) -> Tensor:
    """The one output of a network."""
    output: Tensor = found[0]
    return output


def known(**tensors: Tensor | None) -> Condition:
    """A condition of tensors that are all there, on one device."""
    device = next(rows.device for rows in tensors.values() if rows is not None)
    found = {key: rows.to(device) for key, rows in tensors.items() if rows is not None}
    assert found.keys() == tensors.keys()
    return found


def _channels(values: Sequence[float], z: Tensor) -> Tensor:
    return torch.tensor(values, device=z.device, dtype=z.dtype).view(1, -1, 1, 1)


def _plain(value: Any) -> Any:
    """JSON data of a config's values."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items() if not str(key).startswith("_")}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
