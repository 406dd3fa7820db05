"""Our own backbones as subjects: built from a card's configuration, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backbones import distilled as distillation
from backbones.adm_unet import IMAGE_CHANNELS, ADMConfig, ADMUNet
from backbones.bundled import WEIGHTS
from backbones.cards import build
from backbones.dit import DiT, DiTConfig
from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig
from backbones.native import OF_NOISE
from backbones.pipeline import LatentDiffusion
from backbones.text import TextConfig, TextEncoder
from backbones.unet import UNet, UNetConfig
from backbones.vae import STRIDE, VAE, VAEConfig
from evalsuite.cost.subject import META, Feed, Network, Pass, Subject
from evalsuite.errors import InputError
from evalsuite.loaders.detect import read_json

STEPS = 1000.0  # native timesteps of the networks that others made


def of_card(name: str, card: Mapping[str, Any], vae: Mapping[str, Any] | None = None) -> Subject:
    """A transformer or U-Net of ours.

    Args:
        name: of the subject.
        card: of its weights file.
        vae: configuration of the VAE that decodes; None means the bundled one's.

    Raises:
        CheckpointError: a configuration that makes no network.
    """
    with META:
        text = build(TextEncoder, TextConfig, card.get("text"))
        decoder = build(VAE, VAEConfig, _bundled_vae() if vae is None else vae)
        denoiser: DiT | UNet = (
            build(DiT, DiTConfig, card["config"]) if card["kind"] == "dit" else build(UNet, UNetConfig, card["config"])
        )
    return of_parts(name, denoiser, text, decoder, distillation.of_card(card))


def of_parts(
    name: str, denoiser: DiT | UNet, text: TextEncoder, vae: VAE, distilled: distillation.Distilled | None = None
) -> Subject:
    """The same from its networks, on any device; a transformer is also built with the other kind of attention."""
    words, channels = text.config.length, vae.config.latent_channels
    kind = denoiser.config.attention if isinstance(denoiser, DiT) else None
    twin = None
    if isinstance(denoiser, DiT):
        with META:
            twin = _denoiser(
                DiT(replace(denoiser.config, attention="softmax" if kind == "linear" else "linear")), words
            )

    def decode(feed: Feed) -> Pass:
        z = feed.noise(channels, feed.height // STRIDE, feed.width // STRIDE, dtype=torch.float32)
        return partial(vae.decode, z)

    return Subject(
        name=name,
        denoiser=_denoiser(denoiser, words),
        stride=LatentDiffusion.stride,
        factor=STRIDE,
        text=Network(_frozen(text), lambda feed: partial(text, feed.words(words))),
        vae=Network(_frozen(vae), decode, exact=True, channels_last=True),
        linear=twin if kind == "softmax" else None,
        softmax=twin if kind == "linear" else None,
        guided=None if distilled is None else distilled.guidance,
        notes=() if distilled is None else (f"distilled: {distilled}",),
    )


def of_file(name: str, path: Path) -> Subject:
    """One of ours from its card, ``<name>.json`` beside or in place of the weights.

    Raises:
        InputError: the VAE's card beside it cannot be read.
    """
    own = path.with_name("vae.json")
    beside = read_json(own) if own.is_file() else None
    if own.is_file() and not (isinstance(beside, dict) and "config" in beside):
        raise InputError(f"{own}: no card of a VAE: take it from the same release")
    card = read_json(path.with_suffix(".json"))
    return of_card(name, card, None if beside is None else beside["config"])


def of_facebook(name: str, network: FacebookDiT, vae: Network | None, notes: tuple[str, ...] = ()) -> Subject:
    """A DiT of facebookresearch/DiT.

    Args:
        name: of the subject.
        network: on any device.
        vae: what decodes, where that is counted.
        notes: for people.
    """
    channels = network.config.channels

    def predict(feed: Feed) -> Pass:
        x = feed.noise(channels, feed.height // STRIDE, feed.width // STRIDE)
        return partial(network, x, feed.times(STEPS), feed.labels())

    stride = STRIDE * network.config.patch
    return Subject(name, Network(network, predict), stride, STRIDE, vae=vae, samplers=OF_NOISE, notes=notes)


def facebook(config: FacebookDiTConfig) -> FacebookDiT:
    """The network on the meta device."""
    with META:
        return FacebookDiT(config).eval().requires_grad_(False)


def of_adm(name: str, config: ADMConfig, network: ADMUNet | None = None) -> Subject:
    """A U-Net of guided-diffusion, which works on pixels; guidance asks it once, since it has no null class."""
    if network is None:
        with META:
            network = ADMUNet(config)
    net = network.eval().requires_grad_(False)

    def predict(feed: Feed) -> Pass:
        x = feed.noise(IMAGE_CHANNELS, feed.height, feed.width)
        return partial(net, x, feed.times(STEPS), None if config.classes is None else feed.labels())

    return Subject(name, Network(net, predict), net.stride, 1, two_pass=False, samplers=OF_NOISE)


def _denoiser(network: DiT | UNet, words: int) -> Network:
    config = network.config

    def predict(feed: Feed) -> Pass:
        x = feed.noise(config.latent_channels, feed.height // STRIDE, feed.width // STRIDE)
        text = feed.noise(words, config.text_width), feed.noise(config.text_width)
        return partial(network, x, feed.times(), *text)

    return Network(_frozen(network), predict, channels_last=True)


def _frozen(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


def _bundled_vae() -> Any:
    card = read_json(WEIGHTS / "vae.json")
    if not isinstance(card, dict):
        raise InputError(f"{WEIGHTS / 'vae.json'}: is missing or damaged: reinstall the package")
    return card.get("config")
