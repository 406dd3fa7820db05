"""DINOv2 ViT-L/14 (arXiv:2304.07193), the network of FD-DINOv2 (arXiv:2306.04675), in timm's classes.

The published weights hold the positions of 37 x 37 patches; 224 pixels make 16 x 16. They are resampled as Meta's code
does it, bicubic without antialiasing at a scale of 16.1 / 37, so that features equal those of dgm-eval. timm would
resample with antialiasing at 16 / 37, which gives other features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from evalsuite.digest import digest
from evalsuite.encoders.precision import DTYPE, batch_of, exact
from evalsuite.encoders.protocol import in_fixed_batches
from evalsuite.encoders.resize import require_pixels
from evalsuite.encoders.state import assemble, named, read_state, require_finite
from evalsuite.errors import InputError

ID = "dinov2-vitl14"
ARCHITECTURE, WIDTH = "vit_large_patch14_dinov2", 1024
"""timm's name of the network, and the dimensions of its class token."""
SIDE, PATCH = 224, 14
GRID = SIDE // PATCH
OFFSET = 0.1
"""Added to the new grid where Meta's code computes the scale, so that rounding cannot lose a row."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]: the constants of ImageNet."""
RULE = ""
"""The only rule, that of dgm-eval."""
TRAINING_ONLY = "mask_token"
"""In the published file, and of no use to features."""


class DinoEncoder:
    """An ImageEncoder; its rows are not of unit length. Computes in fp32, TF32 off, at one batch shape.

    Args:
        weights: a verified safetensors file in Meta's layout or timm's, or the state itself; looked at when the first
            image comes.
        weights_sha256: of the published file, or ``random:<seed>``.
        rule: RULE.
        device: where to compute.

    Raises:
        InputError: no such rule.
    """

    id = ID

    def __init__(
        self,
        weights: Path | Mapping[str, Tensor],
        weights_sha256: str,
        rule: str = RULE,
        device: str | torch.device = "cpu",
    ) -> None:
        if rule != RULE:
            raise InputError(f"no resize rule {rule!r} for {ID}: it has one only, name it without a rule")
        self.device, self.width, self._weights = torch.device(device), WIDTH, weights
        self.batch = batch_of(self.device)
        self.preprocessing = f"{SIDE} px PIL bicubic, ImageNet mean and std, {DTYPE}"
        positions = f"positions bicubic {GRID + OFFSET}"
        self.fingerprint = digest([ID, ARCHITECTURE, weights_sha256, self.preprocessing, positions, DTYPE])

    @cached_property
    def network(self) -> nn.Module:
        """The network, built on first use.

        Raises:
            InputError: the weights are of another architecture.
        """
        state = {key: value for key, value in read_state(self._weights).items() if key != TRAINING_ONLY}
        if "pos_embed" in state:
            state["pos_embed"] = resample_positions(state["pos_embed"])
        return assemble(_builder(), state, named(self._weights, ID)).to(self.device)

    def images(self, images: Tensor) -> np.ndarray:
        """Features of uint8 images (B, 3, H, W), all of one size: the class token, (B, 1024) float32 rows."""
        require_pixels(images)
        if not len(images):
            return np.empty((0, self.width), np.float32)
        network = self.network  # made before inference mode, whose tensors are of no use outside it

        def forward(pixels: Tensor) -> Tensor:
            features: Tensor = network(prepare(pixels).to(self.device))
            return features  # (batch, 1024)

        with torch.inference_mode(), exact(self.device):
            rows = in_fixed_batches(forward, images.cpu(), self.batch).cpu().numpy()
        return require_finite(rows, self.id)


def prepare(images: Tensor) -> Tensor:
    """Squash to SIDE by PIL's bicubic, which antialiases and rounds to bytes, and normalise, as dgm-eval does.

    Args:
        images: uint8 (B, 3, H, W) on the CPU.

    Returns:
        float32 (B, 3, SIDE, SIDE).
    """
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy()  # (B, H, W, 3)

    def resize(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))

    # PIL resizes without holding Python's lock.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        resized = np.stack(list(threads.map(resize, pixels)))
    x = torch.from_numpy(resized).permute(0, 3, 1, 2).contiguous().float().div_(255)
    mean, std = (x.new_tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return x.sub_(mean).div_(std)


def resample_positions(positions: Tensor) -> Tensor:
    """Positions of a class token and n x n patches, as Meta's code resamples them for GRID x GRID patches.

    Args:
        positions: (1, 1 + n * n, d).

    Returns:
        (1, 1 + GRID * GRID, d); the same values where n is GRID, or where the patches are no square.
    """
    side = math.isqrt(positions.shape[1] - 1)
    if side == GRID or side * side != positions.shape[1] - 1:
        return positions
    patches = positions[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)  # (1, d, n, n)
    scale = (GRID + OFFSET) / side
    patches = F.interpolate(patches, scale_factor=(scale, scale), mode="bicubic")  # (1, d, GRID, GRID)
    return torch.cat([positions[:, :1].float(), patches.flatten(2).mT], 1)


def load(path: Path, weights_sha256: str, rule: str = RULE, device: str = "cpu") -> DinoEncoder:
    """The encoder over a verified safetensors file, which is read when the first image comes.

    Raises:
        InputError: no such rule; from images(), weights of another architecture.
    """
    return DinoEncoder(path, weights_sha256, rule, device)


def _builder() -> Callable[[], nn.Module]:
    import timm

    return lambda: timm.create_model(ARCHITECTURE, pretrained=False, img_size=SIDE, num_classes=0)
