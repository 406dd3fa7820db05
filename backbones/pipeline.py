"""A denoiser, a text encoder and a VAE, joined into one text-to-image model.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Self, TypeGuard

import torch
from torch import Tensor, nn

from backbones.compiled import repeated
from backbones.distilled import Distilled
from backbones.dit import DiT
from backbones.fingerprint import add_weights
from backbones.protocol import Condition, latent_sides
from backbones.text import TextEncoder, Tokenizer
from backbones.tiling import strips
from backbones.unet import UNet
from backbones.vae import STRIDE, VAE

ABLATION = "trained with centred positions; an ablation of the same weights at inference, with positions"


class LatentDiffusion:
    """Implements `TextToImage` over trained parts; sampling only, no gradients.

    Args:
        name: as reports show it.
        denoiser: predicts velocities of normalised latents.
        text: encodes prompts to the denoiser's text width.
        tokenizer: with the vocabulary that `text` was trained on.
        vae: decodes; stays in fp32, since half precision overflows in decoders.
        distilled: what the denoiser was distilled for; None means it was not.
    """

    stride = 2 * STRIDE  # pixels: even latent sides for every patch and stem
    pure = "velocity"

    def __init__(
        self,
        name: str,
        denoiser: DiT | UNet,
        text: TextEncoder,
        tokenizer: Tokenizer,
        vae: VAE,
        distilled: Distilled | None = None,
    ):
        if len(tokenizer) != text.config.ids or tokenizer.length != text.config.length:
            raise ValueError(
                f"tokenizer of {len(tokenizer)} ids x {tokenizer.length} words does not fit "
                f"a text encoder of {text.config.ids} x {text.config.length}"
            )
        if text.config.width != denoiser.config.text_width:
            raise ValueError(f"text width {text.config.width}, denoiser wants {denoiser.config.text_width}")
        self.name, self.tokenizer = name, tokenizer
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.text = text.eval().requires_grad_(False)
        self.vae = vae.eval().requires_grad_(False)
        self.attention = denoiser.config.attention if isinstance(denoiser, DiT) else "softmax"
        self.distilled = distilled
        self.guided = None if distilled is None else distilled.guidance
        self.shift = None if distilled is None else distilled.shift
        self.fingerprint = self._digest()
        self.latent_space = _latent_space(self.vae)
        self.notes = (f"{ABLATION} {denoiser.places}",) if _is_moved(denoiser) else ()

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (C, h, w) for an image of width x height pixels."""
        return (self.vae.config.latent_channels, *latent_sides(width, height, self.stride, STRIDE))

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Condition:
        """Return {"tokens": (B, L, Dt), "pooled": (B, Dt)}."""
        ids = self.tokenizer(texts).to(self.text.position.device)  # (B, L)
        features = self.text(ids)
        return {"tokens": features.tokens, "pooled": features.pooled}

    @torch.no_grad()
    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict e - x0 (B, C, h, w) of normalised latents, in the dtype of x.

        Where the model is distilled, the mean of the guided velocity over one of its steps.
        """
        tokens = condition["tokens"]
        u: Tensor = self.denoiser(x.to(tokens.dtype), t, tokens, condition["pooled"])
        return u.to(x.dtype)

    @torch.no_grad()
    def latents(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) in [0, 1] to normalised latents (B, C, H/8, W/8), the posterior's mean, fp32."""
        return self.vae.normalise(self.vae.encode(images.float() * 2 - 1)[0])

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Map normalised latents (B, C, h, w) to images (B, 3, 8h, 8w), fp32, nominally in [0, 1]."""
        return (self.vae.decode(self.vae.denormalise(latents.float())) + 1) / 2

    def strips(self, latents: Tensor, tile: int) -> Iterator[Tensor]:
        """Decode in tiles, GroupNorm over the whole picture: `decode` to rounding from tiles of 384 pixels on."""
        return strips(self.decode, latents, tile // STRIDE, norms=self.vae.decoder)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words outside the vocabulary, or past the fixed length."""
        return self.tokenizer.unseen(text)

    def repeated(self, fused: bool = True) -> list[nn.Module]:
        """The blocks of the transformer, or the stages of the U-Net; see `TextToImage`."""
        return repeated(self.denoiser)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Move everything to `device`, and cast the denoiser and the text encoder to `dtype`."""
        # Convolutions on CPUs are 1.2 to 1.5 times faster with channels last; GPUs pay for it in GroupNorm.
        on_cpu = torch.device(device).type == "cpu"
        layout = torch.channels_last if on_cpu else torch.contiguous_format
        self.denoiser.to(device, dtype).to(memory_format=layout)
        self.text.to(device, dtype)
        self.vae.to(device).to(memory_format=layout)
        return self

    def _digest(self) -> str:
        parts: dict[str, DiT | UNet | TextEncoder | VAE] = {
            "denoiser": self.denoiser,
            "text": self.text,
            "vae": self.vae,
        }
        digest = hashlib.sha256(json.dumps(self.tokenizer.vocabulary).encode())
        for key, part in parts.items():
            digest.update(json.dumps([key, type(part).__name__, asdict(part.config)], sort_keys=True).encode())
            if _is_moved(part):
                digest.update(f"{part.places} {part.side}".encode())
            add_weights(digest, part)
        if self.distilled is not None:
            digest.update(json.dumps(asdict(self.distilled), sort_keys=True).encode())
        return digest.hexdigest()


def _is_moved(part: nn.Module) -> TypeGuard[DiT]:
    """Whether image tokens stand elsewhere than in training."""
    return isinstance(part, DiT) and part.places != "centred"


def _latent_space(vae: VAE) -> str:
    """Models that share it predict in the same latents, so their velocities have the same scale."""
    digest = hashlib.sha256(json.dumps(asdict(vae.config), sort_keys=True).encode())
    add_weights(digest, vae)
    return digest.hexdigest()[:12]
