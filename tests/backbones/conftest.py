from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from backbones.cards import publish
from backbones.dit import DiT, DiTConfig
from backbones.pipeline import LatentDiffusion
from backbones.text import TextConfig, TextEncoder, Tokenizer
from backbones.unet import UNet, UNetConfig
from backbones.vae import VAE, VAEConfig

WORDS = ("a", "red", "blue", "cat", "on", "background")
DIT = DiTConfig(patch=4, width=32, depth=2, heads=2, mlp_hidden=64, text_width=32)
UNET = UNetConfig(widths=(64, 64, 64), text_width=32, embedding=32)


@pytest.fixture(autouse=True)
def _seeded_and_frugal() -> Iterator[None]:
    """One thread: these networks are too small for two, which wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def _wake(module: nn.Module) -> None:
    """Give every parameter that starts at zero a value, so that an untrained network answers its inputs."""
    with torch.no_grad():
        for weight in module.parameters():
            if not weight.any():
                nn.init.normal_(weight, std=0.03)


@pytest.fixture
def wake() -> Callable[[nn.Module], None]:
    return _wake


@pytest.fixture
def denoisers() -> dict[str, DiT | UNet]:
    """Small awake networks of both kinds, by kind."""
    nets: dict[str, DiT | UNet] = {"dit": DiT(DIT), "unet": UNet(UNET)}
    for net in nets.values():
        _wake(net)
    return nets


@pytest.fixture
def model(denoisers: Mapping[str, DiT | UNet]) -> Callable[[str], LatentDiffusion]:
    """Build a small complete model of one kind."""

    def build(kind: str) -> LatentDiffusion:
        tokenizer = Tokenizer(WORDS, length=5)
        text = TextEncoder(TextConfig(ids=len(tokenizer), length=5, width=32, heads=2, mlp_hidden=64))
        vae = VAE(VAEConfig(widths=(16, 32)))
        vae.latent_mean.copy_(torch.tensor([0.1, -0.2, 0.3, 0.4]))
        vae.latent_std.copy_(torch.tensor([1.5, 0.5, 1.0, 2.0]))
        return LatentDiffusion(kind, denoisers[kind], text, tokenizer, vae)

    return build


@pytest.fixture
def published(model: Callable[[str], LatentDiffusion], tmp_path: Path) -> tuple[LatentDiffusion, Path]:
    """A small transformer, and the folder that holds its files as the package's own are held."""
    whole = model("dit")
    facts = {"kind": "dit", "vocabulary": WORDS, "text": asdict(whole.text.config)}
    publish(tmp_path, "dit", {"denoiser": whole.denoiser, "text": whole.text}, whole.denoiser.config, facts)
    publish(tmp_path, "vae", {"vae": whole.vae}, whole.vae.config, {"kind": "vae"})
    return whole, tmp_path
