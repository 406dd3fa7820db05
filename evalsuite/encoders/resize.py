"""From uint8 pixels to what Inception reads, by the rules in use: FID moves with the rule, so each has a name.

All squash to 299 x 299 whatever the aspect. Each equals its origin bit for bit on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from evalsuite.encoders.upload import placed

SIDE = 299
"""Pixels of the side of Inception's input."""
PRODUCT = 2**26
"""Numbers of images that are in float64 at once."""


class Rule(NamedTuple):
    """A way to resize and scale."""

    function: Callable[[Tensor], Tensor]
    """uint8 (B, 3, H, W) to float32 (B, 3, SIDE, SIDE) on the same device."""
    words: str
    """For the protocol column."""


class Taps(NamedTuple):
    """The two neighbours of every output position along an axis."""

    low: Tensor
    high: Tensor
    share: Tensor
    """(SIDE, 1) of ``high``, in [0, 1)."""


def tf1(images: Tensor) -> Tensor:
    """Bilinear as TensorFlow 1 had it, the resize of the original FID (arXiv:1706.08500) and of torch-fidelity.

    Output pixel i reads position i * size / SIDE of the input: corners are not aligned, pixels have no centres and
    nothing is smoothed on the way down.
    """
    rows, columns = (_taps(size, images.device) for size in images.shape[-2:])
    # One plane at a time stays in a CPU's cache; a GPU wants them all.
    planes = images.flatten(0, 1) if images.device.type == "cpu" else [images]
    resized = [_blend(_blend(plane.mT, columns).mT, rows) for plane in planes]  # each (..., SIDE, SIDE)
    x = torch.stack(resized).sub_(128).div_(128)
    return x.view(len(images), 3, SIDE, SIDE)


def antialias(images: Tensor) -> Tensor:
    """PyTorch's bilinear with antialiasing, the default of torchmetrics."""
    x = F.interpolate(images.float(), (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    return x.sub_(128).div_(128)


def clean(images: Tensor) -> Tensor:
    """PIL's bicubic on floats, clipped but not rounded: the rule of clean-fid (arXiv:2104.11222).

    On a GPU PIL's sums are taken there, in another order: see `bicubic`.
    """
    if images.device.type != "cpu":
        return bicubic(images).clamp_(0, 255).sub_(128).div_(128)
    planes = images.flatten(0, 1).cpu().numpy()
    resized = np.empty((len(planes), SIDE, SIDE), np.float32)

    def fill(index: int) -> None:
        image = Image.fromarray(planes[index].astype(np.float32))
        resized[index] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))

    # PIL resizes without holding Python's lock.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(fill, range(len(planes))))
    x = torch.from_numpy(resized).clamp_(0, 255).sub_(128).div_(128)
    return x.view(len(images), 3, SIDE, SIDE).to(images.device)


def bicubic(images: Tensor) -> Tensor:
    """PIL's bicubic on floats as two products of matrices, columns first: at most the last bit of a value differs.

    PIL sums in float64 and keeps float32 after each axis; so does this.

    Args:
        images: uint8 (B, 3, H, W).

    Returns:
        float32 (B, 3, SIDE, SIDE), not clipped.
    """
    height, width = images.shape[-2:]
    rows, columns = (placed(_cubic_weights(size), images.device) for size in (height, width))  # (SIDE, H), (SIDE, W)
    resized = []
    for part in torch.split(images, max(1, PRODUCT // (3 * height * width))):
        x = part.double() @ columns.T if width != SIDE else part.double()  # (b, 3, H, SIDE)
        x = x.float().double()
        resized.append((rows @ x if height != SIDE else x).float())
    return torch.cat(resized)


def pytorch_fid(images: Tensor) -> Tensor:
    """PyTorch's bilinear without antialiasing, from [0, 1] to [-1, 1]: the rule of pytorch-fid."""
    x = F.interpolate(images.float().div_(255), (SIDE, SIDE), mode="bilinear", align_corners=False)
    return x.mul_(2).sub_(1)


RULES = {
    "tf1": Rule(tf1, f"{SIDE} px TF1 bilinear, (x-128)/128"),
    "antialias": Rule(antialias, f"{SIDE} px bilinear antialiased, (x-128)/128"),
    "clean": Rule(clean, f"{SIDE} px PIL bicubic unrounded, (x-128)/128"),
    "pytorch-fid": Rule(pytorch_fid, f"{SIDE} px bilinear, 2x/255-1"),
}


def require_pixels(images: Tensor) -> None:
    """Refuse what the rules would take for bytes though it is none.

    Raises:
        ValueError: not uint8 of shape (B, 3, H, W).
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected uint8 (B, 3, H, W), got {images.dtype} {tuple(images.shape)}")


@lru_cache(maxsize=16)
def _cubic_weights(size: int) -> Tensor:
    """What each of ``size`` pixels adds to each of SIDE by PIL's bicubic, a = -1/2: (SIDE, size), float64."""
    scale = size / SIDE
    stretch = max(scale, 1.0)  # the kernel widens on the way down
    centre = (np.arange(SIDE) + 0.5)[:, None] * scale
    low, high = (np.trunc(centre + side * 2 * stretch + 0.5).clip(0, size) for side in (-1, 1))
    place = np.arange(size)[None]
    x = np.abs((place - centre + 0.5) / stretch)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((x - 5) * x + 8) * x * -0.5 + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0)) * ((low <= place) & (place < high))
    return torch.from_numpy(weights / weights.sum(axis=1, keepdims=True))


def _taps(size: int, device: torch.device) -> Taps:
    # In float32, as TensorFlow computed it: the nearest neighbours of some positions depend on it.
    scale = torch.full((), size / SIDE, dtype=torch.float32, device=device)
    position = torch.arange(SIDE, dtype=torch.float32, device=device) * scale
    low = position.long()
    return Taps(low, (low + 1).clamp_max(size - 1), (position - low.float())[:, None])


def _blend(x: Tensor, taps: Taps) -> Tensor:
    """Resize the last but one axis of x (..., n, m), where whole rows are gathered: (..., SIDE, m) float32."""
    x = x.contiguous().float()
    low, high = (x.index_select(-2, index) for index in (taps.low, taps.high))
    return high.sub_(low).mul_(taps.share).add_(low)  # in steps: a fused multiply-add would round otherwise
