"""Checkpoints of guided-diffusion's U-Net (ADM): the ``.pt``, or the same as safetensors, and a JSON of its flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from backbones.adm_unet import IMAGE_CHANNELS, ADMUNet
from backbones.fingerprint import fingerprint_of
from backbones.guidance import Guide, guide
from backbones.native import Native, NativeModel
from backbones.protocol import Condition, latent_sides
from evalsuite.errors import InputError
from evalsuite.loaders.adm_flags import config_of, native_of, read_flags
from evalsuite.loaders.arguments import known_args
from evalsuite.loaders.class_labels import ClassLabels
from evalsuite.loaders.strict import fill
from evalsuite.loaders.tensors import tensors_of
from evalsuite.spec import RunSpec
from prompts import Prompt

LABELS = "label_emb.weight"
NO_NULL = "model {!r} has no null class to guide away from: use --guidance 1"


class ADMModel(NativeModel):
    """A U-Net over pixels: its latents are the image itself, in [-1, 1].

    Class-conditional ones have no null class, so only guidance 1 has a meaning. Unconditional ones know nothing of
    their prompts, and guidance leaves them as they are.

    Args:
        name: as reports show it.
        network: filled.
        native: how its output is read.
        per_step: what a native timestep is for the network (rescale_timesteps).
    """

    latent_space = "pixels"

    def __init__(self, name: str, network: ADMUNet, native: Native, per_step: float = 1.0) -> None:
        self.name, self.stride = name, network.stride
        self.network, self.native, self.per_step = network.eval().requires_grad_(False), native, per_step
        classes = network.config.classes
        self.labels = None if classes is None else ClassLabels(classes, None, name)
        about = {"config": asdict(network.config), "native": native.facts(), "per_step": per_step}
        self.fingerprint = fingerprint_of(about, {"network": network})

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (3, H, W)."""
        return (IMAGE_CHANNELS, *latent_sides(width, height, self.stride, 1))

    def encode(self, texts: Sequence[str]) -> Condition:
        """Return {"labels": (B,)}, -1 for the null prompt; raise InputError where a text is no class."""
        return {"labels": torch.tensor([0 if self.labels is None else self.labels.of(text) for text in texts])}

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return all words where the model is unconditional; else nothing, or InputError is raised."""
        if self.labels is None:
            return tuple(text.split())
        self.labels.of(text)
        return ()

    def check_run(self, prompts: Sequence[Prompt], spec: RunSpec) -> None:
        """Refuse guidance where there is no null class; asked before anything is written."""
        if self.labels is not None and spec.guidance != 1:
            raise InputError(NO_NULL.format(self.name))

    def guide(self, condition: Condition, null: Condition, guidance: float) -> Guide:
        """Guidance of an unconditional model is none: both predictions are one."""
        return guide(self.raw, condition, null, 1.0 if self.labels is None else guidance)

    @torch.no_grad()
    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Return noise, and variance where it is learned, (B, 3 or 6, H, W); see `NativeModel`."""
        labels = None if self.labels is None else condition["labels"]
        if labels is not None and bool((labels < 0).any()):
            raise InputError(NO_NULL.format(self.name))
        output: Tensor = self.network(x.to(self.network.dtype), self.per_step * t.float(), labels)
        return output.to(x.dtype)

    def latents(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) in [0, 1] to themselves in [-1, 1], fp32."""
        return images.float() * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        """Map (B, 3, H, W) in [-1, 1] to fp32, nominally in [0, 1]."""
        return (latents.float() + 1) / 2

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Move the network to `device` and cast it to `dtype`; its norms compute in fp32."""
        self.network.to(device, dtype)
        return self


def load(path: Path, args: Mapping[str, str]) -> ADMModel:
    """A U-Net of guided-diffusion; see `evalsuite.loaders`.

    Args:
        path: of the file.
        args: ``flags``: the JSON file; without it ``<same name>.json`` beside the checkpoint.
    """
    known_args(args, ("flags",), path)
    where = Path(args["flags"]).expanduser() if "flags" in args else path.with_suffix(".json")
    flags = read_flags(where, path)
    native = native_of(flags, where)
    tensors = tensors_of(path)
    classes = len(tensors[LABELS]) if LABELS in tensors else None
    config = config_of(flags, classes, where)
    try:
        network = ADMUNet(config)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    fill(network, tensors, path)
    per_step = 1000 / flags["diffusion_steps"] if flags["rescale_timesteps"] else 1.0
    return ADMModel(path.stem, network, native, per_step)
