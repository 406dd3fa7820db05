"""Checkpoints of facebookresearch/DiT: the released ``.pt``, a training file (its ``ema``), or safetensors of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from backbones.checkpoint import Shapes
from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig
from backbones.fingerprint import fingerprint_of
from backbones.native import Native, NativeModel, NoiseSchedule
from backbones.protocol import Condition, latent_sides
from backbones.tiling import strips
from evalsuite.errors import InputError
from evalsuite.loaders.arguments import known_args, whole_number
from evalsuite.loaders.class_labels import ClassLabels
from evalsuite.loaders.strict import fill
from evalsuite.loaders.tensors import tensors_of
from evalsuite.loaders.vae import Decoder, load_decoder

HEADS = {1152: 16, 1024: 16, 768: 12, 384: 6}  # width of XL, L, B, S -> heads
FACTOR, SCALING = 8, 0.18215  # of the latents: Stable Diffusion's VAE
ARGS = ("vae", "cfg_channels", "heads")


class FacebookDiTModel(NativeModel):
    """DiT as its repository samples it: eps, 1,000 linear betas, DDIM over evenly spaced timesteps.

    Args:
        name: as reports show it.
        network: filled.
        vae: of the same latents.
        guided_channels: guidance acts on the first so many of the latent channels; None means on all.
    """

    pure = "predict"

    def __init__(self, name: str, network: FacebookDiT, vae: Decoder, guided_channels: int | None) -> None:
        config = network.config
        self.name, self.stride = name, FACTOR * config.patch
        self.network = network.eval().requires_grad_(False)
        self.vae = vae
        self.labels = ClassLabels(config.rows - 1, config.rows - 1, name)
        self.native = Native(
            prediction="eps",
            schedule=NoiseSchedule.named("linear", 1e-4, 2e-2),
            learned_variance=config.out_channels == 2 * config.channels,
            guided_channels=guided_channels,
            spacing="linspace",
        )
        self.any_size = network.has_fixed_positions
        about = {"config": asdict(config), "native": self.native.facts(), "scaling": SCALING}
        self.fingerprint = fingerprint_of(about, {"network": network, "vae": vae})
        self.latent_space = fingerprint_of({"scaling": SCALING}, {"vae": vae})[:12]

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (4, h, w). The fixed position table is computed for any size, whether trained on or not."""
        h, w = latent_sides(width, height, self.stride, FACTOR)
        trained = self.network.config.grid * self.network.config.patch
        if not self.any_size and (h, w) != (trained, trained):
            side = trained * FACTOR
            raise InputError(
                f"model {self.name!r} has learned positions for {side}x{side} alone, not for {width}x{height}: use"
                f" --aspects 1:1 --pixels {side * side}"
            )
        return self.network.config.channels, h, w

    def encode(self, texts: Sequence[str]) -> Condition:
        """Return {"labels": (B,)}; raise InputError where a text is no class."""
        return {"labels": torch.tensor([self.labels.of(text) for text in texts])}

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return nothing: a text names a class, or InputError is raised."""
        self.labels.of(text)
        return ()

    @torch.no_grad()
    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Return noise and variance (B, 8, h, w); see `NativeModel`."""
        output: Tensor = self.network(x.to(self.network.pos_embed.dtype), t.float(), condition["labels"])
        return output.to(x.dtype)

    @torch.no_grad()
    def latents(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) in [0, 1] to latents (B, 4, H/8, W/8), fp32: the posterior's mean, scaled."""
        return self.vae.encode(images)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (B, 4, h, w) to images (B, 3, 8h, 8w), fp32, nominally in [0, 1]."""
        return self.vae.decode(latents)

    def strips(self, latents: Tensor, tile: int) -> Iterator[Tensor]:
        """Decode in tiles of so many pixels; see `backbones.protocol.Tiled`. GroupNorm sees a tile at a time."""
        return strips(self.decode, latents, tile // self.vae.factor)

    def repeated(self, fused: bool = True) -> list[nn.Module]:
        """The transformer's blocks; fused or as they are from now on."""
        return self.network.fuse() if fused else self.network.unfuse()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Move everything to `device`, and cast the transformer to `dtype`."""
        self.network.unfuse()  # its weights would not move with the others
        self.network.to(device, dtype)
        self.vae.to(device)
        return self


def load(path: Path, args: Mapping[str, str]) -> FacebookDiTModel:
    """A class-conditional DiT; see `evalsuite.loaders`.

    Args:
        path: of the file.
        args: ``vae`` (needed): see `evalsuite.loaders.vae.load_decoder`. ``cfg_channels``: ``3`` (as the repository
            guides) or ``4`` (all). ``heads``: needed where the width is of none of DiT's sizes.
    """
    known_args(args, ARGS, path)
    if args.get("vae") in (None, "none"):
        raise InputError(
            f"{path}: a DiT draws latents: name what decodes them, vae=FOLDER of stabilityai/sd-vae-ft-ema as diffusers"
            " has it, or vae=bundled to try the flow without"
        )
    channels = whole_number(args, "cfg_channels", 3, path)
    if channels not in (3, 4):
        raise InputError(f"{path}: cfg_channels={channels}: 3 guides as facebookresearch/DiT does, 4 all channels")
    tensors = tensors_of(path)
    network = FacebookDiT(_config({key: tuple(value.shape) for key, value in tensors.items()}, args, path))
    fill(network, tensors, path)
    config = network.config
    vae = load_decoder(args["vae"], channels=config.channels, factor=FACTOR, scaling=SCALING)
    return FacebookDiTModel(path.stem, network, vae, None if channels == config.channels else channels)


def _config(shapes: Shapes, args: Mapping[str, str], path: Path) -> FacebookDiTConfig:
    """Sizes as the shapes of the weights tell them."""
    try:
        width, channels, patch, _ = shapes["x_embedder.proj.weight"]
        rows, _ = shapes["y_embedder.embedding_table.weight"]
        hidden, _ = shapes["blocks.0.mlp.fc1.weight"]
        out, _ = shapes["final_layer.linear.weight"]
        _, tokens, _ = shapes["pos_embed"]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not of facebookresearch/DiT: {error} is absent, or of another shape") from error
    grid = round(tokens**0.5)
    if grid**2 != tokens or not patch or out % patch**2 or out // patch**2 not in (channels, 2 * channels):
        raise InputError(f"{path}: {tokens} positions, patch {patch} and {out} outputs are of no DiT that we know")
    if "heads" not in args and width not in HEADS:
        raise InputError(f"{path}: width {width} is of no DiT size: say heads=N, the number it was trained with")
    heads = whole_number(args, "heads", HEADS.get(width, 1), path)
    if heads < 1 or width % heads:
        raise InputError(f"{path}: heads={heads} does not divide the width {width}")
    depth = len({key.split(".")[1] for key in shapes if key.startswith("blocks.")})
    return FacebookDiTConfig(
        width=width, depth=depth, heads=heads, patch=patch, grid=grid, rows=rows, hidden=hidden, channels=channels,
        out_channels=out // patch**2,
    )  # fmt: skip
