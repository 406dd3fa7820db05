"""Small generators of random weights as files, plain and distilled, and pools of random latents."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from backbones.cards import publish
from backbones.dit import DiT, DiTConfig
from backbones.text import TextConfig, TextEncoder
from backbones.training.data import TRAINING_SIZES
from backbones.unet import UNet, UNetConfig
from backbones.vae import VAE, VAEConfig

WORDS = ("a", "red", "blue", "ball", "number")
DIT = DiTConfig(patch=4, width=32, depth=1, heads=1, mlp_hidden=64, text_width=64)
UNET = UNetConfig(widths=(32,), attention=(True,), head_width=32, text_width=64, embedding=32)
DISTILLED = {"guidance": 4.0, "steps": 8, "shift": 1.5, "teacher_sha256": "0" * 64}


def awake(module: nn.Module) -> None:
    """Give every parameter that starts at zero a value, so that an untrained network answers its inputs."""
    with torch.no_grad():
        for weight in module.parameters():
            if not weight.any():
                nn.init.normal_(weight, std=0.05)


def generator(kind: str = "dit") -> tuple[DiT | UNet, TextEncoder]:
    torch.manual_seed(0)
    net: DiT | UNet = DiT(DIT) if kind == "dit" else UNet(UNET)
    awake(net)
    return net, TextEncoder(TextConfig(ids=len(WORDS) + 2, length=5, width=64, heads=1, mlp_hidden=64))


def save(folder: Path, name: str, kind: str = "dit", **more: object) -> Path:
    """Files of a generator and of a VAE; return the folder."""
    folder.mkdir(exist_ok=True)
    denoiser, text = generator(kind)
    facts = {"kind": kind, "vocabulary": WORDS, "text": asdict(text.config), **more}
    publish(folder, name, {"denoiser": denoiser, "text": text}, denoiser.config, facts)
    vae = VAE(VAEConfig(widths=(16, 32)))
    publish(folder, "vae", {"vae": vae}, vae.config, {"kind": "vae"})
    return folder


def pool(folder: Path, scenes: int = 4) -> Path:
    """A pool of random latents, a quarter as long on each side as real ones."""
    random = np.random.default_rng(0)
    for split in ("train", "held-out"):
        (folder / split).mkdir(parents=True)
        for width, height in TRAINING_SIZES:
            stem = folder / split / f"{width}x{height}"
            latents = random.standard_normal((scenes, 4, height // 32, width // 32))
            np.save(stem.with_suffix(".npy"), latents.astype(np.float16))
            stem.with_suffix(".json").write_text(json.dumps([f"a red ball {n}" for n in range(scenes)]))
    return folder
