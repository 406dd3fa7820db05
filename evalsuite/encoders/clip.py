"""CLIP (arXiv:2103.00020) of any kind that open_clip has, and the ways in which the literature shows it images.

Which way is part of an encoder's name: numbers of different ways are not comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from PIL import Image
from torch import Tensor

from evalsuite.digest import digest
from evalsuite.encoders import preprocess
from evalsuite.encoders.assign import Network, build
from evalsuite.encoders.clip_config import ClipConfig, from_architecture, from_content, from_tag
from evalsuite.encoders.openclip import OpenCLIPEncoder, vocabulary_sha256
from evalsuite.encoders.precision import DTYPE
from evalsuite.errors import InputError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
TOKENIZER_OPTIONS = {"clean", "strip_sep_token"}
"""Of those that open_clip passes on; others draw words by chance, or run code of the hub."""
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def hf(images: Tensor, config: ClipConfig) -> Tensor:
    """As the network's publisher has it, on bytes and by PIL: for CLIP, shortest edge to ``side``, centre crop.

    This is the CLIPImageProcessor of transformers up to version 4, and CLIPImageProcessorPil since. open_clip's
    transform rounds the crop's offset up where that rounds it down: a pixel where 3, 7, 11, ... are left over.
    """
    height, width = images.shape[-2:]
    if config.resize_mode == "squash":
        rows = columns = config.side
    else:
        rows, columns = (int(config.side * size / min(height, width)) for size in (height, width))
    top, left = (rows - config.side) // 2, (columns - config.side) // 2
    box = (left, top, left + config.side, top + config.side)

    def see(image: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(image).resize((columns, rows), RESAMPLING[config.interpolation])
        return np.asarray(picture.crop(box))

    # PIL resizes without holding Python's lock.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        pixels = np.stack(list(threads.map(see, images.permute(0, 2, 3, 1).cpu().numpy())))  # (B, side, side, 3)
    return _normalised(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, config)


def ip2p(images: Tensor, config: ClipConfig) -> Tensor:
    """As InstructPix2Pix measures edits (arXiv:2211.09800): squashed to a square by bicubic without antialiasing."""
    x = images.float() / 255
    x = F.interpolate(x, (config.side, config.side), mode="bicubic", align_corners=False, antialias=False)
    return _normalised(x, config)


def letterbox(images: Tensor, config: ClipConfig) -> Tensor:
    """As the bundled scorer sees: all of the image, the rest of the square grey."""
    x = preprocess.letterbox(images, config.side)
    if (config.mean, config.std) == (preprocess.MEAN, preprocess.STD):
        return x
    mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (preprocess.MEAN, preprocess.STD))
    return _normalised(x * std + mean, config)


class Rule(NamedTuple):
    """A way to show images: uint8 (B, 3, H, W) to normalised float32 (B, 3, side, side), and what it is in words."""

    prepare: Callable[[Tensor, ClipConfig], Tensor]
    words: str


RULES = {
    "hf": Rule(hf, "{mode} {side} px PIL {interpolation}"),
    "ip2p": Rule(ip2p, "squash {side} px bicubic not antialiased"),
    "letterbox": Rule(letterbox, "letterbox {side} px bicubic antialiased, grey"),
}
MODES = {"shortest": "shortest edge cropped to", "squash": "squash"}


class CLIPEncoder(OpenCLIPEncoder):
    """An Encoder over a CLIP of open_clip. Scores in fp32, TF32 off, at one batch shape.

    Args:
        network: makes the network, when it is first needed.
        config: of the network.
        weights_sha256: of the published file, or ``random:<seed>``.
        rule: of RULES.
        id: as in Encoder.
        device: where to compute.

    Raises:
        InputError: an unknown rule, or a tokenizer that is not on this machine.
    """

    def __init__(
        self,
        network: Callable[[], Network],
        config: ClipConfig,
        weights_sha256: str,
        rule: str,
        id: str,
        device: str | torch.device = "cpu",
    ) -> None:
        if rule not in RULES:
            raise InputError(f"{id}: no rule {rule!r} for CLIP's images: choose {', '.join(RULES)}")
        self.config, self._rule = config, RULES[rule]
        self.on_host = self._rule.prepare is hf  # PIL has to read them there
        words = self._rule.words.format(
            mode=MODES[config.resize_mode], side=config.side, interpolation=config.interpolation
        )
        own = (config.mean, config.std) != (preprocess.MEAN, preprocess.STD)
        colours = f", mean {_say(config.mean)} std {_say(config.std)}" if own else ""
        preprocessing = f"{rule}: {words}{colours}, {DTYPE}"
        tokenizer, vocabulary = read_tokenizer(config)
        facts = [weights_sha256, vocabulary, dict(config.model), preprocessing, config.mean, config.std]
        super().__init__(
            network,
            tokenizer,
            id=id,
            width=config.width,
            preprocessing=preprocessing,
            fingerprint=digest(facts),
            device=device,
        )

    def _prepare(self, images: Tensor) -> Tensor:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected uint8 (B, 3, H, W), got {images.dtype} {tuple(images.shape)}")
        x = self._rule.prepare(images, self.config)
        # One memory format, whatever the decoder's: convolutions may round differently in another.
        return x.contiguous()


def read_tokenizer(config: ClipConfig) -> tuple[Any, str]:
    """A network's tokenizer, and a digest of its vocabulary; nothing is fetched.

    Raises:
        InputError: it comes from the hub and is neither in the network's folder nor in the hub's cache.
    """
    text = config.model["text_cfg"]
    name, options = text.get("hf_tokenizer_name"), dict(text.get("tokenizer_kwargs") or {})
    if options.keys() - TOKENIZER_OPTIONS:
        raise InputError(f"{config.name}: evalsuite reads no texts with {sorted(options)}: remove tokenizer_kwargs")
    length, mode = text.get("context_length", 77), text.get("tokenizer_mode")
    if not name:
        return SimpleTokenizer(context_length=length, **options), digest([vocabulary_sha256(), options])
    local = config.folder is not None and any((config.folder / file).is_file() for file in TOKENIZER_FILES)
    source = str(config.folder) if local else str(name)
    closed = {"local_files_only": True, "trust_remote_code": False}
    try:
        found = HFTokenizer(source, context_length=length, tokenizer_mode=mode, **closed, **options)
    except (ImportError, OSError, ValueError, TypeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
        raise InputError(
            f"{config.name}: its tokenizer {name} cannot be had ({reason}): pip install transformers, and put the"
            " tokenizer's files beside open_clip_config.json or into the hub's cache"
        ) from error
    return found, digest([sorted(found.tokenizer.get_vocab().items()), str(mode), options])


def load(
    path: Path,
    weights_sha256: str,
    architecture: str | Mapping[str, Any] | ClipConfig,
    rule: str,
    id: str,
    device: str | torch.device = "cpu",
) -> CLIPEncoder:
    """An encoder over a file of weights, which is opened when the first image or text comes.

    Args:
        path: safetensors, verified.
        weights_sha256: of the published file.
        architecture: a name of open_clip, such as ``ViT-L-14-quickgelu`` for OpenAI's ViT-L/14, or with a tag, such
            as ``ViT-L-14:laion2b_s32b_b82k``; or the content of an ``open_clip_config.json``.
        rule: of RULES.
        id: of the encoder.
        device: where to compute.

    Raises:
        InputError: an unknown rule or architecture, or one that does not say how its images are prepared. On first
            use: the file is damaged or of another architecture.
    """
    if isinstance(architecture, str):
        name, _, tag = architecture.partition(":")
        config = from_tag(name, tag).config if tag else from_architecture(name)
    elif isinstance(architecture, ClipConfig):
        config = architecture
    else:
        config = from_content(architecture, id)
    network = partial(build, config.model, path, device=device, name=config.name)
    return CLIPEncoder(network, config, weights_sha256, rule, id, device)


def _normalised(x: Tensor, config: ClipConfig) -> Tensor:
    mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (config.mean, config.std))
    return (x - mean) / std


def _say(colour: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in colour)
