"""The package hpsv2 as its users call it, and what both sides are given: weights of one network, and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

from evalsuite.encoders import hpsv2_backend

PROMPT = "A photo of a cat on a red sofa"
BATCH = 20


@dataclass(frozen=True)
class Files:
    """The same weights for both, and images."""

    ours: Path
    half: Path
    theirs: Path
    images: tuple[str, ...] = ()


class Peer:
    """hpsv2 with an architecture of our choice; its own loads a ViT-H-14 from the hub first.

    On a GPU it computes under fp16 autocast and rounds the cosine to fp16, as it does for its users.
    """

    def __init__(self, architecture: str, checkpoint: Path, device: str = "cpu") -> None:
        self._package = hpsv2_backend.package()
        with hpsv2_backend.repaired():
            self._score = import_module("hpsv2.img_score")
        self._checkpoint, self._device = str(checkpoint), device
        self.model, self._transform = self.construct(architecture)
        vars(self._score)["device"] = device
        self._score.model_dict.update(model=self.model, preprocess_val=self._transform)
        self.reload()
        self.model.eval()

    def construct(self, architecture: str) -> tuple[Any, Any]:
        """Network and transform, as hpsv2.img_score asks for them."""
        with torch.device(self._device):  # where random weights, which are overwritten, are drawn in no time
            model, _, transform = self._package.create_model_and_transforms(
                architecture, None, precision="amp", device=self._device, light_augmentation=True, output_dict=True
            )
        return model, transform

    def reload(self) -> None:
        """What every call of hpsv2.score does before it looks at an image."""
        self.model.load_state_dict(torch.load(self._checkpoint, map_location=self._device)["state_dict"])

    def score(self, images: str | list[str]) -> list[float]:
        """hpsv2.score: one path or many."""
        return [float(score) for score in self._score.score(images, PROMPT, cp=self._checkpoint)]

    def loop(self, images: Sequence[str]) -> list[float]:
        """The loop of hpsv2.evaluation: no reload, images in batches, the prompt read for every image."""
        scores: list[float] = []
        gpu = self._device != "cpu"
        with torch.no_grad(), torch.autocast("cuda", enabled=gpu):
            for start in range(0, len(images), BATCH):
                batch = images[start : start + BATCH]
                x = torch.stack([self._transform(Image.open(path)) for path in batch])
                tokens = self._package.tokenize([PROMPT] * len(batch))
                found = self.model(x.to(self._device), tokens.to(self._device))
                scores += torch.diagonal(found["image_features"] @ found["text_features"].T).tolist()
        return scores


def make_weights(architecture: str, folder: Path, device: str = "cpu") -> Files:
    """Random weights on disk, drawn on a device: safetensors in fp32 and fp16, and a .pt as hpsv2's is."""
    torch.manual_seed(0)
    with torch.device(device):
        made = open_clip.create_model(architecture, precision="fp32", device=device).state_dict()
    state = {key: value.cpu() for key, value in made.items()}
    files = Files(folder / "fp32.safetensors", folder / "fp16.safetensors", folder / "fp32.pt")
    save_file(state, files.ours)
    save_file({key: value.half() for key, value in state.items()}, files.half)
    torch.save({"state_dict": state}, files.theirs)
    return files


def make_images(folder: Path, count: int, side: int) -> tuple[str, ...]:
    """Square PNG files of blurred noise."""
    generator = torch.Generator().manual_seed(0)
    paths = []
    for number in range(count):
        coarse = torch.rand(1, 3, side // 8, side // 8, generator=generator)
        x = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
        x = (x + 0.1 * torch.rand(x.shape, generator=generator)).clamp(0, 1)
        Image.fromarray((x[0] * 255).byte().permute(1, 2, 0).numpy()).save(folder / f"{number:03}.png")
        paths.append(str(folder / f"{number:03}.png"))
    return tuple(paths)
