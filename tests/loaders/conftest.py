"""Tiny checkpoints of the formats that we read, with random weights that are the same every time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from backbones.adm_unet import ADMUNet
from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig
from evalsuite.loaders.adm_flags import config_of, read_flags


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


def filled(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(11)
    for value in network.parameters():
        value.data.normal_(0, 0.05, generator=generator)
    return network


@pytest.fixture
def dit_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a DiT of 1,000 classes, trained on 64x64, in the original layout; return its path."""

    def write(name: str = "tiny-dit.pt", wrapper: str = "", **changes: int) -> Path:
        sizes = {"width": 32, "depth": 2, "heads": 2, "patch": 2, "grid": 4, "rows": 1001, "hidden": 64} | changes
        state = filled(FacebookDiT(FacebookDiTConfig(**sizes))).state_dict()
        torch.save({wrapper: state, "opt": {}} if wrapper else state, tmp_path / name)
        return tmp_path / name

    return write


FLAGS = {
    "image_size": 32,
    "num_channels": 32,
    "num_res_blocks": 1,
    "channel_mult": "1,2",
    "attention_resolutions": "16",
    "class_cond": True,
    "learn_sigma": True,
    "noise_schedule": "cosine",
    "num_head_channels": 16,
    "resblock_updown": True,
    "use_new_attention_order": True,
    "use_fp16": True,
    "dropout": 0.1,
}


@pytest.fixture
def adm_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a U-Net of 1,000 classes and its flags; return the checkpoint's path."""

    def write(name: str = "tiny-adm.pt", **changes: object) -> Path:
        path = tmp_path / name
        flags = FLAGS | changes
        path.with_suffix(".json").write_text(json.dumps(flags), encoding="utf-8")
        read = read_flags(path.with_suffix(".json"), path)
        network = ADMUNet(config_of(read, 1000 if flags["class_cond"] else None, path))
        torch.save(filled(network).state_dict(), path)
        return path

    return write


@pytest.fixture
def class_prompts(prompt_file: Callable[..., str]) -> str:
    """Three prompts that name classes in the three ways there are."""
    texts = ("golden retriever", "class 0", "imagenet-0474")
    return prompt_file([{"id": f"p{n}", "text": text} for n, text in enumerate(texts)], "classes.jsonl")


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of tiny diffusers pipelines by name, each written once; not to be changed."""
    root = tmp_path_factory.mktemp("diffusers")

    def folder(name: str) -> Path:
        import tiny_diffusers  # heavy: two packages that the other tests here need little of

        path = root / name
        return path if path.is_dir() else tiny_diffusers.write(name, path, root / "scratch" / name)

    return folder
