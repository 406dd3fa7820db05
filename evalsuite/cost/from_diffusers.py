"""diffusers' pipelines as subjects: networks from their configurations, called as `evalsuite.loaders` calls them.

Letters: B rows, L tokens of text, D their width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from backbones.protocol import Condition
from evalsuite.cost.subject import Feed, Network, Pass, Subject
from evalsuite.errors import InputError
from evalsuite.loaders import diffusers_families as families
from evalsuite.loaders import diffusers_parts as parts
from evalsuite.loaders.diffusers_base import DiffusersModel, vae_factor
from evalsuite.loaders.diffusers_models import FAMILIES, Family

STEPS = 1000.0  # native timesteps
CLIP = 77  # tokens that CLIP reads
LONGEST = {  # tokens of text of a pipeline's other encoder: its max_sequence_length, in diffusers 0.42
    "PixArtAlphaPipeline": 120,
    "PixArtSigmaPipeline": 300,
    "StableDiffusion3Pipeline": 256,
    "FluxPipeline": 512,
    "SanaPipeline": 300,
}
FACTORS = {"SanaPipeline": 32}  # pixels along a side of a latent, where no VAE says it; 8 for all others
NO_VAE = "without a VAE, {} pixels along a side of a latent are assumed"
SANA = "Sana's prompts are longer by an instruction, which is not counted"


@dataclass(frozen=True, slots=True)
class Components:
    """Networks of a pipeline.

    Attributes:
        pipeline: its class in diffusers.
        denoiser: of diffusers.
        vae: likewise, or None where that is not counted.
        encoders: of transformers, by their folders' names.
    """

    pipeline: str
    denoiser: Any
    vae: Any = None
    encoders: Mapping[str, Any] = field(default_factory=dict)


def of_configs(
    name: str,
    pipeline: str,
    denoiser: Mapping[str, Any],
    vae: Mapping[str, Any] | None = None,
    encoders: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None,
) -> Subject:
    """A pipeline from the contents of its config.json files, on the meta device.

    Args:
        name: of the subject.
        pipeline: its class in diffusers, one of those that `evalsuite.loaders` reads.
        denoiser: of the U-Net or transformer.
        vae: of the VAE, or None.
        encoders: class and config of text encoders, by their folders' names.

    Raises:
        InputError: diffusers is not installed, or a configuration makes no network.
    """
    family = FAMILIES[pipeline]
    for said, _ in (encoders or {}).values():
        if said not in parts.TEXT_MODELS:
            raise InputError(f"{name}: text encoder {said} is not supported; known: {', '.join(parts.TEXT_MODELS)}")
    made = Components(
        pipeline,
        parts.unfilled("diffusers", family.denoiser[1], denoiser),
        None if vae is None else parts.unfilled("diffusers", family.vae, vae),
        {key: parts.unfilled("transformers", *about) for key, about in (encoders or {}).items()},
    )
    return of_components(name, made)


def of_components(name: str, made: Components) -> Subject:
    """A pipeline of networks that are there, on any device."""
    family = FAMILIES[made.pipeline]
    factor = FACTORS.get(made.pipeline, 8) if made.vae is None else vae_factor(made.vae)
    model = _bare(family, made.denoiser, factor)
    notes = [NO_VAE.format(factor)] if made.vae is None else []
    notes += [SANA] if made.encoders and family.model is families.Sana else []
    texts = nn.ModuleDict(dict(made.encoders))
    return Subject(
        name=name,
        denoiser=Network(made.denoiser, lambda feed: _prediction(model, made.pipeline, feed)),
        stride=factor * model.patch_size,
        factor=factor,
        text=Network(texts, lambda feed: _encoding(texts, made.pipeline, feed)) if texts else None,
        vae=None if made.vae is None else decoder(made.vae),
        two_pass=family.model is not families.Flux,
        samplers=("euler", "dpm++2m") if made.pipeline in FLOWS else ("ddim", "dpm++2m", "euler", "heun"),
        largest=_largest(made.denoiser, factor * model.patch_size) if family.model is SD3 else None,
        notes=tuple(notes),
    )


FLOWS = ("StableDiffusion3Pipeline", "FluxPipeline", "SanaPipeline")
SD3 = families.StableDiffusion3


def decoder(vae: Any) -> Network:
    """The decoder of a VAE of diffusers; it stays in fp32."""
    factor, channels = vae_factor(vae), int(vae.config.latent_channels)

    def decode(feed: Feed) -> Pass:
        z = feed.noise(channels, feed.height // factor, feed.width // factor, dtype=torch.float32)
        return partial(vae.decode, z, return_dict=False)

    return Network(vae, decode, exact=True)


def _bare(family: Family, denoiser: Any, factor: int) -> DiffusersModel:
    """The loader's model, as far as a prediction needs it: it has no weights to be fingerprinted."""
    model: DiffusersModel = object.__new__(family.model)
    model.denoiser, model.factor = denoiser, factor
    return model


def _prediction(model: DiffusersModel, pipeline: str, feed: Feed) -> Pass:
    x = feed.noise(model.channels, feed.height // model.factor, feed.width // model.factor)
    return partial(model.denoise, x, feed.times(STEPS), _condition(pipeline, model.denoiser.config, feed))


def _condition(pipeline: str, config: Any, feed: Feed) -> Condition:
    """What the family's `denoise` needs to know of prompts."""
    if pipeline == "DiTPipeline":
        return {"label": feed.labels()}
    longest = LONGEST.get(pipeline, 0)
    if pipeline in ("StableDiffusionPipeline", "StableDiffusionXLPipeline"):
        found = {"text": feed.noise(CLIP, int(config.cross_attention_dim))}  # (B, L, D)
        if pipeline == "StableDiffusionXLPipeline":
            pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
            found["pooled"] = feed.noise(int(pooled))
        return found
    if pipeline in ("StableDiffusion3Pipeline", "FluxPipeline"):
        count = longest + (CLIP if pipeline == "StableDiffusion3Pipeline" else 0)
        pooled = {"pooled": feed.noise(int(config.pooled_projection_dim))}
        return {"text": feed.noise(count, int(config.joint_attention_dim)), "guidance": feed.times(), **pooled}
    mask = torch.ones(feed.rows, longest, device=feed.device, dtype=feed.dtype)
    return {"text": feed.noise(longest, int(config.caption_channels)), "mask": mask}


def _encoding(texts: nn.ModuleDict, pipeline: str, feed: Feed) -> Pass:
    """All encoders, one after the other."""
    longest = LONGEST.get(pipeline, CLIP)
    counts = [CLIP if type(encoder).__name__.startswith("CLIP") else longest for encoder in texts.values()]
    words = [feed.words(count) for count in counts]
    return lambda: [encoder(ids) for encoder, ids in zip(texts.values(), words, strict=True)]


def _largest(denoiser: Any, stride: int) -> int:
    """Pixels where Stable Diffusion 3's position table ends."""
    return int(denoiser.config.pos_embed_max_size) * stride
