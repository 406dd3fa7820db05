"""The weights that ship with the package: a transformer, a U-Net and the VAE that both draw with.

Distilled twins of both, `dit-turbo` and `unet-turbo`, are read where their files are there.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from backbones import ABSENT
from backbones.attention import Places
from backbones.cards import Card, build, read_card
from backbones.checkpoint import CheckpointError, load_into
from backbones.distilled import of_card
from backbones.dit import DiT, DiTConfig
from backbones.pipeline import LatentDiffusion
from backbones.text import TextConfig, TextEncoder, Tokenizer
from backbones.unet import UNet, UNetConfig
from backbones.vae import STRIDE, VAE, VAEConfig

WEIGHTS = Path(__file__).parent / "weights"
TRAINED = 256
"""Pixels along a side of the squares among what the generators were trained on."""


def dit(positions: Places = "centred") -> LatentDiffusion:
    """Load the bundled diffusion transformer.

    Args:
        positions: where image tokens stand: "centred", as in training; "scaled" or "corner" is an ablation of the same
            weights, not a network that was trained so. See `backbones.attention.grid_positions`.

    Raises:
        ValueError: a file is missing or damaged, or an unknown word.
    """
    return load("dit", positions=positions)


def unet() -> LatentDiffusion:
    """Load the bundled U-Net; raise ValueError if a file is missing or damaged."""
    return load("unet")


def dit_turbo(positions: Places = "centred") -> LatentDiffusion:
    """Load the transformer's distilled twin; see `dit`. Raise ValueError where it is not in this package, too."""
    return _turbo("dit-turbo", positions)


def unet_turbo() -> LatentDiffusion:
    """Load the U-Net's distilled twin; raise ValueError if it is not in this package, or damaged."""
    return _turbo("unet-turbo")


def load(name: str, folder: Path = WEIGHTS, vae: Path | None = None, positions: Places = "centred") -> LatentDiffusion:
    """Load `<folder>/<name>` and a VAE as one model, on the CPU in fp32.

    Args:
        name: of the denoiser's files, and of the model.
        folder: that holds them.
        vae: the VAE's safetensors file, with its card beside it; None means `<folder>/vae`.
        positions: of a transformer's image tokens; see `dit`.

    Raises:
        ValueError: a file is missing, differs from its card's SHA-256, or does not fit its configuration.
    """
    card, denoiser, text = load_parts(name, folder)
    distilled = of_card(card)
    if isinstance(denoiser, DiT):
        denoiser.place(positions, TRAINED // (STRIDE * denoiser.config.patch))
    tokenizer = Tokenizer(card["vocabulary"], text.config.length)
    place = folder / "vae.safetensors" if vae is None else vae
    decoder = load_vae(place.parent, place.stem)
    return LatentDiffusion(name, denoiser, text, tokenizer, decoder, distilled).to("cpu")


class Parts(NamedTuple):
    """A denoiser and its text encoder, on the CPU in fp32, with their card."""

    card: Card
    denoiser: DiT | UNet
    text: TextEncoder


def load_parts(name: str, folder: Path) -> Parts:
    """Load `<folder>/<name>` without a VAE; raises as `load` does."""
    card = read_card(folder, name)
    missing = [key for key in ("vocabulary", "text") if key not in card]
    if missing:
        raise CheckpointError(f"{folder / name}.json: the card lacks {', '.join(missing)}")
    denoiser, text = _denoiser(card), build(TextEncoder, TextConfig, card["text"])
    load_into(folder / f"{name}.safetensors", {"denoiser": denoiser, "text": text})
    return Parts(card, denoiser, text)


def load_vae(folder: Path = WEIGHTS, name: str = "vae") -> VAE:
    """Load `<folder>/<name>`, on the CPU in fp32; raise ValueError if a file is missing or damaged."""
    vae = build(VAE, VAEConfig, read_card(folder, name)["config"])
    load_into(folder / f"{name}.safetensors", {"vae": vae})
    return vae.eval().requires_grad_(False)


def _turbo(name: str, positions: Places = "centred") -> LatentDiffusion:
    if name in ABSENT:
        raise CheckpointError(f"model {name!r}: {ABSENT[name]}")
    return load(name, positions=positions)


def _denoiser(card: Card) -> DiT | UNet:
    if card["kind"] == "dit":
        return build(DiT, DiTConfig, card["config"])
    if card["kind"] == "unet":
        return build(UNet, UNetConfig, card["config"])
    raise CheckpointError(f"card of {card['name']}: kind {card['kind']!r} is neither dit nor unet")
