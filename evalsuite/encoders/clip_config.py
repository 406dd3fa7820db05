"""How a published CLIP was trained to see: its architecture and what its images went through; read, never guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

from evalsuite.encoders.assign import read_config
from evalsuite.errors import InputError

CONFIG, WEIGHTS, PICKLED = "open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
"""Files of a network in open_clip's layout; pickled weights are what older ones have."""
LARGEST = 1 << 20
"""Bytes of a configuration."""
INTERPOLATIONS = ("bicubic", "bilinear")
RESIZE_MODES = ("shortest", "squash")

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class ClipConfig:
    """A CLIP network without its weights.

    Attributes:
        name: what errors call it.
        model: open_clip's ``model_cfg``.
        mean: of RGB in [0, 1], by which images are normalised.
        std: likewise.
        interpolation: of INTERPOLATIONS, as the network was trained.
        resize_mode: of RESIZE_MODES: ``shortest`` crops what is left over, ``squash`` changes the aspect ratio.
        folder: where the files of a tokenizer from the hub may lie; None means the hub's cache.
    """

    name: str
    model: Mapping[str, Any]
    mean: Colour
    std: Colour
    interpolation: str
    resize_mode: str
    folder: Path | None = None

    @property
    def side(self) -> int:
        """Pixels of the square image that the network sees."""
        return int(_square(self.model["vision_cfg"].get("image_size", 224), self.name))

    @property
    def width(self) -> int:
        """Dimensions of a feature."""
        return int(self.model["embed_dim"])


class Tagged(NamedTuple):
    """A network of open_clip's list, and where its weights are: ``file`` of the hub's ``repo``."""

    config: ClipConfig
    repo: str
    file: str


def from_tag(architecture: str, tag: str) -> Tagged:
    """A network of open_clip's own list, such as ``ViT-B-32`` and ``laion2b_s34b_b79k``; nothing is fetched.

    Weights that were trained with QuickGELU get it, also under an architecture that does not say so.

    Raises:
        InputError: not in the list; says the nearest tags.
    """
    model = read_config(architecture)
    entry = get_pretrained_cfg(architecture, tag)
    if not entry or not entry.get("hf_hub"):
        tags = list_pretrained_tags_by_model(architecture)
        near = get_close_matches(tag, tags, n=3) or tags
        known = f"known are {', '.join(near)}" if near else "it has none: name hf:owner/repo or a folder"
        raise InputError(f"open_clip has no weights {tag!r} of {architecture}: {known}")
    if entry.get("quick_gelu"):
        model["quick_gelu"] = True
    repo, _, file = entry["hf_hub"].rpartition("/")
    return Tagged(_config(f"{architecture}:{tag}", model, entry), repo, file or WEIGHTS)


def from_architecture(architecture: str) -> ClipConfig:
    """A network by its architecture alone, where all of open_clip's weights of it see images in the same way.

    Raises:
        InputError: unknown, or its preprocessing depends on the weights.
    """
    found = [from_tag(architecture, tag).config for tag in list_pretrained_tags_by_model(architecture)]
    model = read_config(architecture)
    if len({(one.mean, one.std, one.interpolation, one.resize_mode) for one in found}) != 1:
        raise InputError(
            f"{architecture} alone does not say how its images are prepared: name the weights as {architecture}:TAG,"
            " or hf:owner/repo, or a folder with open_clip_config.json"
        )
    one = found[0]
    return ClipConfig(architecture, model, one.mean, one.std, one.interpolation, one.resize_mode)


def from_content(content: Mapping[str, Any], name: str, folder: Path | None = None) -> ClipConfig:
    """What an ``open_clip_config.json`` says.

    Raises:
        InputError: incomplete: open_clip itself would fill in OpenAI's values in silence.
    """
    parts = {key: content.get(key) for key in ("model_cfg", "preprocess_cfg")}
    for key, part in parts.items():
        if not isinstance(part, Mapping):
            raise InputError(f"{name}: no {key}: a network without it would be run wrongly; copy it from its publisher")
    try:
        model = read_config(parts["model_cfg"] or {})
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return _config(name, model, parts["preprocess_cfg"] or {}, folder)


def from_file(path: Path) -> ClipConfig:
    """The network of an ``open_clip_config.json``.

    Raises:
        InputError: missing, damaged or incomplete.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: more than {LARGEST} bytes: not a configuration of open_clip")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): open_clip's layout needs this file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}): copy it again from its publisher") from error
    return from_content(content if isinstance(content, dict) else {}, str(path), path.parent)


def weights_in(folder: Path) -> Path:
    """The weights in a folder of open_clip's layout, safetensors before pickled ones, which have to be converted.

    Raises:
        InputError: neither is there.
    """
    for name in (WEIGHTS, PICKLED):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: no {WEIGHTS}: put the weights beside {CONFIG} under this name")


def _config(name: str, model: dict[str, Any], said: Mapping[str, Any], folder: Path | None = None) -> ClipConfig:
    mean, std = (_colour(said.get(key), key, name) for key in ("mean", "std"))
    interpolation, mode = said.get("interpolation") or "bicubic", said.get("resize_mode") or "shortest"
    if interpolation not in INTERPOLATIONS or mode not in RESIZE_MODES or not all(x > 0 for x in std):
        raise InputError(f"{name}: images by {interpolation}, {mode}, std {std}: evalsuite cannot prepare them so")
    config = ClipConfig(name, model, mean, std, interpolation, mode, folder)
    size = said.get("size")
    if size is not None and _square(size, name) != config.side:
        raise InputError(f"{name}: preprocess_cfg has size {size}, vision_cfg image_size {config.side}: correct one")
    return config


def _colour(value: Any, key: str, name: str) -> Colour:
    numbers = list(value) if isinstance(value, list | tuple) else []
    if len(numbers) != 3 or not all(isinstance(number, int | float) and isfinite(number) for number in numbers):
        raise InputError(f"{name}: preprocess_cfg has no {key} of three numbers: copy it from the network's publisher")
    red, green, blue = map(float, numbers)
    return red, green, blue


def _square(size: Any, name: str) -> int:
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) != 1 or not isinstance(side := sides.pop(), int) or side < 1:
        raise InputError(f"{name}: images of size {size}: only squares can be served")
    return side
