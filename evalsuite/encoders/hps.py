"""HPS v2 and v2.1 (arXiv:2306.09341): a ViT-H-14 whose cosine of image and text says which image people prefer.

The preprocessing is that of the package hpsv2, not open_clip's. It differs in three ways that change scores: floats are
resized, not bytes; the longest side is fitted and the rest is black; what the resize overshoots stays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from evalsuite.digest import digest
from evalsuite.encoders.assign import Network, build, read_config
from evalsuite.encoders.openclip import OpenCLIPEncoder, vocabulary_sha256
from evalsuite.encoders.precision import DTYPE
from evalsuite.encoders.preprocess import MEAN, STD

ARCHITECTURE = "ViT-H-14"
SIDE = 224


def hps_letterbox(images: Tensor, side: int = SIDE, antialias: bool = True) -> Tensor:
    """Scale the longest side to ``side`` pixels by bicubic, pad the other with black on both ends, normalise.

    Equal to hpsv2 wherever that package does not fail. It fails where the longest side is ``side`` already and the
    other is shorter, since it then pads nothing; here such images are padded too.

    Args:
        images: uint8 (B, 3, H, W), values in [0, 255].
        side: pixels of the square result.
        antialias: True is what hpsv2 does with torchvision 0.17 or later, False with earlier ones.

    Returns:
        float32 (B, 3, side, side), normalised by CLIP's mean and standard deviation.

    Raises:
        ValueError: the input is not uint8 of shape (B, 3, H, W).
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected uint8 (B, 3, H, W), got {images.dtype} {tuple(images.shape)}")
    height, width = images.shape[-2:]
    scale = side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))  # halves to even, as hpsv2 rounds
    x = images.float() / 255
    if (rows, columns) != (height, width):
        x = F.interpolate(x, (rows, columns), mode="bicubic", align_corners=False, antialias=antialias)
    top, left = (side - rows) // 2, (side - columns) // 2
    x = F.pad(x, (left, side - columns - left, top, side - rows - top))  # (B, 3, side, side), black
    mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std


class HPSEncoder(OpenCLIPEncoder):
    """An Encoder whose cosines are HPS scores. Scores in fp32, TF32 off, unless asked otherwise, at one batch shape.

    Args:
        network: makes the network, when it is first needed.
        weights_sha256: of the published file, or ``random:<seed>``.
        version: which weights they are, ``v2.0`` or ``v2.1``.
        antialias: as in hps_letterbox; part of the id when off.
        device: where to compute.
        precision: of precision.DTYPES; part of the id when not fp32.
    """

    def __init__(
        self,
        network: Callable[[], Network],
        weights_sha256: str,
        version: str,
        antialias: bool = True,
        device: str | torch.device = "cpu",
        precision: str = DTYPE,
    ) -> None:
        config = read_config(ARCHITECTURE)
        self.side, self.antialias = int(config["vision_cfg"]["image_size"]), antialias
        parts = (version, "" if antialias else "noaa", "" if precision == DTYPE else precision)
        id = "-".join(filter(None, parts))
        smoothing = "antialiased" if antialias else "not antialiased"
        preprocessing = f"hpsv2 letterbox {self.side} px bicubic {smoothing}, black, {precision}"
        facts = [id, weights_sha256, vocabulary_sha256(), config, preprocessing]
        super().__init__(
            network,
            SimpleTokenizer(context_length=config["text_cfg"]["context_length"]),
            id=id,
            width=int(config["embed_dim"]),
            preprocessing=preprocessing,
            fingerprint=digest(facts),
            device=device,
            precision=precision,
        )

    def _prepare(self, images: Tensor) -> Tensor:
        # One memory format, whatever the decoder's: convolutions may round differently in another.
        return hps_letterbox(images, self.side, self.antialias).contiguous()


def load(
    path: Path,
    weights_sha256: str,
    version: str,
    antialias: bool = True,
    device: str | torch.device = "cpu",
    precision: str = DTYPE,
) -> HPSEncoder:
    """An encoder over a file of weights, which is opened when the first image or text comes.

    Args:
        path: safetensors, verified.
        weights_sha256: of the published file.
        version: which weights they are, ``v2.0`` or ``v2.1``.
        antialias: as in hps_letterbox.
        device: where to compute.
        precision: as in HPSEncoder.

    Raises:
        InputError: on first use: the file is damaged or of another architecture.
    """
    network = partial(build, ARCHITECTURE, path, device=device)
    return HPSEncoder(network, weights_sha256, version, antialias, device, precision)
