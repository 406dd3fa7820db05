"""Which format a file or folder is of, from what is in it: never from its name alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.loaders.tensors import PICKLED, shapes_of

LOADERS = {  # format -> module
    "diffusers": "evalsuite.loaders.diffusers_models",
    "own": "evalsuite.loaders.own",
    "facebook_dit": "evalsuite.loaders.facebook_dit",
    "adm": "evalsuite.loaders.adm",
    "single_file": "evalsuite.loaders.single_file",
    "image_folder": "evalsuite.loaders.image_folder",
}
KNOWN = (
    "a diffusers folder (model_index.json, or config.json with _class_name), our own .safetensors with its card,"
    " facebookresearch/DiT, guided-diffusion, a single-file checkpoint, a folder of images"
)
IMAGES = (".png", ".jpg", ".jpeg", ".webp")
OWN_KINDS = ("dit", "unet")
LARGEST_JSON = 16 * 2**20
MARKS = {  # format -> keys that are all there, or beginnings of keys of which one is
    "facebook_dit": ("x_embedder.proj.weight", "blocks.0.attn.qkv.weight", "final_layer.linear.weight"),
    "adm": ("time_embed.0.weight", "input_blocks.0.0.weight", "out.2.weight"),
}
BEGINNINGS = ("model.diffusion_model.", "first_stage_model.", "double_blocks.", "joint_blocks.")


def detect(path: Path) -> str:
    """The format of a checkpoint: a key of LOADERS.

    Args:
        path: of a file or folder that exists.

    Raises:
        InputError: none that we know; says which we do.
        CheckpointError: a safetensors file with a damaged or too large header.
    """
    return _of_folder(path) if path.is_dir() else _of_file(path)


def card_of(path: Path) -> dict[str, Any] | None:
    """Our own card beside a safetensors file, or None."""
    card = read_json(path.with_suffix(".json")) if path.suffix == ".safetensors" else None
    mine = isinstance(card, dict) and card.get("kind") in OWN_KINDS and {"config", "sha256"} <= card.keys()
    return card if mine else None


def own_file(folder: Path) -> Path | None:
    """The one denoiser of ours in a folder, or None.

    Raises:
        InputError: more than one.
    """
    found = [path for path in sorted(folder.glob("*.safetensors")) if card_of(path) is not None]
    if len(found) > 1:
        raise InputError(f"{folder}: holds {', '.join(path.name for path in found[:3])}: name one of them")
    return found[0] if found else None


def read_json(path: Path) -> Any:
    """What a JSON file holds; None when it is not there, too large for settings, or no JSON."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            return None
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _of_folder(folder: Path) -> str:
    config = read_json(folder / "config.json")
    if (folder / "model_index.json").is_file() or (isinstance(config, dict) and "_class_name" in config):
        return "diffusers"
    if own_file(folder) is not None:
        return "own"
    weights = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", *PICKLED))
    if weights:
        names = ", ".join(path.name for path in weights[:3])
        raise InputError(f"{folder}: holds {names}, and nothing that says what they are: name one of them")
    if any(path.suffix.lower() in IMAGES for path in folder.rglob("*")):
        return "image_folder"
    raise InputError(f"{folder}: not a model that we know; known are {KNOWN}")


def _of_file(path: Path) -> str:
    if card_of(path) is not None:
        return "own"
    if path.suffix not in (".safetensors", *PICKLED):
        raise InputError(f"{path}: not a model that we know; known are {KNOWN}")
    found = _of_keys(shapes_of(path))
    if found is None:
        keys = ", ".join(sorted(shapes_of(path))[:3])
        raise InputError(f"{path}: keys such as {keys} are of no model that we know; known are {KNOWN}")
    return found


def _of_keys(keys: Iterable[str]) -> str | None:
    names = set(keys)
    for kind, marks in MARKS.items():
        if names.issuperset(marks):
            return kind
    return "single_file" if any(name.startswith(BEGINNINGS) for name in names) else None
