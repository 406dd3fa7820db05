"""The families of diffusers' text-to-image models: what each network is told besides x and t, and how it encodes.

Each equals its pipeline in diffusers at the same noise, steps and guidance.

Letters: B batch, C latent channels, h x w latent sides, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from backbones.guidance import Guide, Guided
from backbones.protocol import Condition
from evalsuite.loaders.diffusers_base import DiffusersModel, first, known
from evalsuite.loaders.diffusers_texts import Classes
from evalsuite.loaders.fused_dit import FusedDiT

EMBEDDED_GUIDANCE = 3.5
"""What a network that takes guidance as an input is told where no scale is given: diffusers' own default."""


class StableDiffusion(DiffusersModel):
    """Stable Diffusion 1.x and 2.x (arXiv:2112.10752)."""

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Text (B, L, D)."""
        return known(text=self.ask(texts)[0])

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The U-Net."""
        return first(self.denoiser(x, t, encoder_hidden_states=condition["text"], return_dict=False))


class StableDiffusionXL(DiffusersModel):
    """SDXL (arXiv:2307.01952): two encoders, and the image's size as original and target size, without a crop."""

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Text (B, L, D), pooled (B, D'); both zero for "" where the model was trained so."""
        text, _, pooled, _ = self.ask(texts)
        found = dict(known(text=text, pooled=pooled))
        if self.settings.get("force_zeros_for_empty_prompt", True):
            for place in [place for place, prompt in enumerate(texts) if prompt == ""]:
                for rows in found.values():
                    rows[place] = 0
        return found

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The U-Net."""
        height, width = (side * self.factor for side in x.shape[-2:])
        sizes = x.new_tensor([height, width, 0, 0, height, width]).expand(len(x), -1)  # (B, 6) pixels
        added = {"text_embeds": condition["pooled"], "time_ids": sizes}
        return first(self.denoiser(x, t, condition["text"], added_cond_kwargs=added, return_dict=False))


class DiT(DiffusersModel):
    """DiT (arXiv:2212.09748), class conditional; prompts are names or numbers of classes."""

    patch = "patch_size"
    fused: FusedDiT | None = None

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Labels (B,)."""
        assert isinstance(self.prompts, Classes)
        return self.prompts(texts)

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The transformer's own modules in their order; its `forward` folds tokens to squares alone."""
        net, label = self.denoiser, condition["label"]
        rows, columns = (side // self.patch_size for side in x.shape[-2:])
        tokens: Tensor = net.pos_embed(x)  # (B, L, D)
        if self.fused is not None:
            tokens = self.fused(tokens, t, label)
        else:
            for block in net.transformer_blocks:
                tokens = block(tokens, timestep=t, class_labels=label)
            about = net.transformer_blocks[0].norm1.emb(t, label, hidden_dtype=tokens.dtype)  # (B, D)
            shift, scale = net.proj_out_1(nn.functional.silu(about)).chunk(2, dim=1)
            tokens = net.norm_out(tokens) * (1 + scale[:, None]) + shift[:, None]
        size = self.patch_size
        patches: Tensor = net.proj_out_2(tokens).reshape(len(x), rows, columns, size, size, -1)
        return patches.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)  # (B, C or 2 C, h, w)

    def repeated(self, fused: bool = True) -> list[nn.Module]:
        """Its blocks; fused, where they are all that DiT's are."""
        config = self.denoiser.config
        if (
            not fused
            or not config.attention_bias
            or config.upcast_attention
            or config.norm_elementwise_affine
            or config.activation_fn != "gelu-approximate"
        ):
            self.fused = None
            return super().repeated()
        self.fused = FusedDiT(self.denoiser) if self.fused is None else self.fused
        return self.fused.stack.repeated()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """See `TextToImage`."""
        self.fused = None  # its weights would not move with the others
        return super().to(device, dtype)


class PixArt(DiffusersModel):
    """PixArt-alpha (arXiv:2310.00426) and -sigma (arXiv:2403.04692), at any size: no binning to trained ones."""

    patch = "patch_size"
    micro: ClassVar[bool] = False  # whether the pipeline tells the network an image's size

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Text (B, L, D) and its mask (B, L)."""
        text, mask, _, _ = self.ask(texts)
        return known(text=text, mask=mask)

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The transformer."""
        added: dict[str, Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if self.micro and self.denoiser.config.sample_size == 128:
            height, width = (side * self.factor for side in x.shape[-2:])
            added["resolution"] = x.new_tensor([height, width]).expand(len(x), -1)
            added["aspect_ratio"] = x.new_tensor([height / width]).expand(len(x), -1)
        found = self.denoiser(
            x,
            encoder_hidden_states=condition["text"],
            encoder_attention_mask=condition["mask"],
            timestep=t,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return first(found)


class PixArtAlpha(PixArt):
    """PixArt-alpha: its 1024-pixel network is told resolution and aspect ratio."""

    micro = True


class StableDiffusion3(DiffusersModel):
    """Stable Diffusion 3 and 3.5 (arXiv:2403.03206)."""

    patch = "patch_size"

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (C, h, w); images larger than the position table are refused."""
        most = int(self.denoiser.config.pos_embed_max_size) * self.stride
        if max(width, height) > most:
            raise ValueError(f"size {width}x{height}: the model's position table ends at {most} pixels")
        return super().latent_shape(width, height)

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Text (B, L, D) of three encoders and pooled (B, D') of two."""
        text, _, pooled, _ = self.ask(texts)
        return known(text=text, pooled=pooled)

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The transformer."""
        text, pooled = condition["text"], condition["pooled"]
        return first(self.denoiser(x, text, pooled, t, return_dict=False))


class Flux(DiffusersModel):
    """Flux: 2 x 2 latent pixels are a token; guidance is an input (dev) or none (schnell), and has no null prompt."""

    @property
    def patch_size(self) -> int:
        """Latent pixels per side of a token."""
        return 2

    @property
    def channels(self) -> int:
        """C."""
        return int(self.denoiser.config.in_channels) // 4

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Text (B, L, D), pooled (B, D') and the guidance scale (B,)."""
        text, pooled, _ = self.ask(texts)
        return known(text=text, pooled=pooled, guidance=torch.full((len(texts),), EMBEDDED_GUIDANCE))

    def guide(self, condition: Condition, null: Condition, guidance: float) -> Guide:
        """Tell the network the scale: one prediction, which is both the guided and the conditional one."""
        told = dict(condition) | {"guidance": torch.full_like(condition["guidance"], guidance)}

        def guided(x: Tensor, t: Tensor) -> Guided:
            output = self.raw(x, t, told)
            return Guided(output, output)

        return guided

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The transformer over packed latents."""
        rows, columns = (side // 2 for side in x.shape[-2:])
        tokens = x.reshape(*x.shape[:2], rows, 2, columns, 2)
        tokens = tokens.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B, rows columns, 4 C)
        places = x.new_zeros(rows, columns, 3)
        places[..., 1] = torch.arange(rows, device=x.device)[:, None]
        places[..., 2] = torch.arange(columns, device=x.device)[None]
        found = self.denoiser(
            hidden_states=tokens,
            timestep=t.to(x.dtype) / 1000,
            guidance=condition["guidance"].float() if self.denoiser.config.guidance_embeds else None,
            pooled_projections=condition["pooled"],
            encoder_hidden_states=condition["text"],
            txt_ids=x.new_zeros(condition["text"].shape[1], 3),
            img_ids=places.flatten(0, 1),
            return_dict=False,
        )
        patches = first(found).reshape(len(x), rows, columns, -1, 2, 2)
        return patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)  # (B, C, h, w)


class Sana(DiffusersModel):
    """Sana (arXiv:2410.10629), at any size: no binning. Prompts follow an instruction, what is led away from not."""

    patch = "patch_size"

    def conditions(self, texts: Sequence[str]) -> Condition:
        """Text (B, L, D) and mask (B, L), and both again without the instruction; "" never has it."""
        with_it, mask, _, _ = self.ask(texts)
        without, bare, _, _ = self.ask(texts, complex_human_instruction=None)
        found = dict(known(text=with_it, mask=mask, null_text=without, null_mask=bare))
        for place in [place for place, prompt in enumerate(texts) if prompt == ""]:
            for key in ("text", "mask"):
                found[key][place] = found[f"null_{key}"][place]
        return found

    def guide(self, condition: Condition, null: Condition, guidance: float) -> Guide:
        """Lead away from what is encoded without the instruction."""
        bare = dict(null) | {key: null[f"null_{key}"] for key in ("text", "mask")} if null else null
        return super().guide(condition, bare, guidance)

    def denoise(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The transformer."""
        found = self.denoiser(
            x,
            encoder_hidden_states=condition["text"],
            timestep=t * self.denoiser.config.timestep_scale,
            encoder_attention_mask=condition["mask"],
            return_dict=False,
        )
        return first(found)
