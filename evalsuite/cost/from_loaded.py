"""Models that only loading can tell: checkpoints without a configuration, and models of other packages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from backbones.native import NativeModel
from backbones.pipeline import LatentDiffusion
from backbones.protocol import Condition
from backbones.vae import STRIDE
from evalsuite import models
from evalsuite.cost import own
from evalsuite.cost.from_diffusers import Components, of_components
from evalsuite.cost.subject import Feed, Network, Pass, Subject
from evalsuite.errors import InputError
from evalsuite.loaders.adm import ADMModel
from evalsuite.loaders.diffusers_base import DiffusersModel
from evalsuite.loaders.diffusers_models import FAMILIES
from evalsuite.loaders.facebook_dit import FacebookDiTModel
from evalsuite.loaders.image_folder import ImageFolder

PROMPT = "a red apple"


def load(name: str, args: Sequence[str] = ()) -> Subject:
    """Load a model, and move what it has learned to the meta device.

    Raises:
        InputError: it cannot be loaded, or has no network.
    """
    model = models.resolve(name, args)
    if isinstance(model, ImageFolder):
        raise InputError(f"model {name!r} is a folder of images: there is no network to count")
    if isinstance(model, LatentDiffusion):
        parts = model.denoiser.to("meta"), model.text.to("meta"), model.vae.to("meta")
        return own.of_parts(name, *parts, model.distilled)
    if isinstance(model, FacebookDiTModel):
        network, vae = model.network.to("meta"), model.vae.to("meta")
        channels = network.config.channels
        decoder = Network(vae, lambda feed: partial(vae.decode, _latents(feed, channels)), exact=True)
        return own.of_facebook(name, network, decoder)
    if isinstance(model, ADMModel):
        return own.of_adm(name, model.network.config, model.network.to("meta"))
    if isinstance(model, DiffusersModel):
        for module in (model.denoiser, model.vae, model.encoders):
            module.to("meta")
        pipeline = next(key for key, family in FAMILIES.items() if type(model) is family.model)
        return of_components(name, Components(pipeline, model.denoiser, model.vae, dict(model.encoders.items())))
    return _any(name, model)


def _any(name: str, model: Any) -> Subject:
    """A model of which nothing is known but the protocol."""
    condition = model.encode([PROMPT])
    try:
        channels, side, _ = model.latent_shape(64 * model.stride, 64 * model.stride)
    except ValueError as error:
        raise InputError(f"model {name!r}: {error}") from error
    own_modules = (
        [model] if isinstance(model, nn.Module) else [m for m in vars(model).values() if isinstance(m, nn.Module)]
    )
    modules = nn.ModuleList(own_modules).to("meta")
    factor = max(1, 64 * model.stride // side)

    def predict(feed: Feed) -> Pass:
        x, about = feed.noise(channels, feed.height // factor, feed.width // factor), _told(condition, feed)
        if isinstance(model, NativeModel):
            return partial(model.predict, x, feed.times(own.STEPS), about)
        return partial(model.velocity, x, feed.times(), about)

    def decode(feed: Feed) -> Pass:
        return partial(model.decode, feed.noise(channels, feed.height // factor, feed.width // factor))

    return Subject(
        name=name,
        denoiser=Network(modules, predict),
        stride=model.stride,
        factor=factor,
        vae=Network(nn.ModuleList(), decode),
        samplers=tuple(getattr(model, "samplers", ())),
        notes=("its text encoder is not counted, and its weights are all told as the denoiser's",),
    )


def _latents(feed: Feed, channels: int) -> Tensor:
    return feed.noise(channels, feed.height // STRIDE, feed.width // STRIDE, dtype=torch.float32)


def _told(condition: Condition, feed: Feed) -> Condition:
    """A condition of one prompt for all rows."""
    rows = {key: value[:1].expand(feed.rows, *value.shape[1:]) for key, value in condition.items()}
    return {
        key: value.to(feed.device, feed.dtype if value.is_floating_point() else value.dtype)
        for key, value in rows.items()
    }
