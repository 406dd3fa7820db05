"""Features of the Frechet Inception distance, by each of the resize rules that the literature has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evalsuite.digest import digest
from evalsuite.encoders.inception_v3 import WIDTH, Conv, InceptionV3
from evalsuite.encoders.precision import DTYPE, batch_of, exact
from evalsuite.encoders.protocol import in_fixed_batches
from evalsuite.encoders.resize import RULES, require_pixels
from evalsuite.encoders.state import assemble, named, read_state, require_finite
from evalsuite.errors import InputError


class InceptionEncoder:
    """An ImageEncoder; its rows are not of unit length. Computes in fp32, TF32 off unless asked, at one batch shape.

    Args:
        weights: a verified safetensors file, or the state itself; looked at when the first image comes.
        weights_sha256: of the published file, or ``random:<seed>``.
        rule: how images are resized, one of resize.RULES.
        device: where to compute.
        folded: faster, with batch norms in the convolutions and channels last; equal to the plain form to 1e-5.
        precision: fp32 or tf32, of which the second is part of the id.

    Raises:
        InputError: no such rule.
    """

    width = WIDTH

    def __init__(
        self,
        weights: Path | Mapping[str, Tensor],
        weights_sha256: str,
        rule: str,
        device: str | torch.device = "cpu",
        folded: bool = True,
        precision: str = DTYPE,
    ) -> None:
        if rule not in RULES:
            raise InputError(f"no resize rule {rule!r} for inception: take one of {', '.join(RULES)}")
        self.device, self.folded, self._weights = torch.device(device), folded, weights
        self.precision = precision
        self.batch = batch_of(self.device)
        self.id = f"inception-{rule}" if precision == DTYPE else f"inception-{rule}-{precision}"
        self._prepare = RULES[rule].function
        self.preprocessing = f"{RULES[rule].words}, {precision}"
        self.fingerprint = digest([self.id, weights_sha256, self.preprocessing, precision, folded])

    @cached_property
    def network(self) -> InceptionV3:
        """The network, built on first use.

        Raises:
            InputError: the weights are of another architecture, or their file is damaged.
        """
        network = assemble(InceptionV3, read_state(self._weights), named(self._weights, "inception"))
        if self.folded:
            for module in list(network.modules()):
                if isinstance(module, Conv):
                    module.fold()
        return network.to(self.device).to(memory_format=self._layout)

    @property
    def _layout(self) -> torch.memory_format:
        return torch.channels_last if self.folded else torch.contiguous_format

    def images(self, images: Tensor) -> np.ndarray:
        """Features of uint8 images (B, 3, H, W), all of one size: (B, 2048) float32 rows."""
        require_pixels(images)
        if not len(images):
            return np.empty((0, self.width), np.float32)
        network = self.network  # made before inference mode, whose tensors are of no use outside it

        def forward(pixels: Tensor) -> Tensor:
            x = self._prepare(pixels)
            features: Tensor = network(x.contiguous(memory_format=self._layout))
            return features  # (batch, 2048)

        with torch.inference_mode(), exact(self.device, self.precision):
            rows = in_fixed_batches(forward, images, self.batch, self.device).cpu().numpy()
        return require_finite(rows, self.id)


def load(path: Path, weights_sha256: str, rule: str, device: str = "cpu", precision: str = DTYPE) -> InceptionEncoder:
    """The encoder over a verified safetensors file, which is read when the first image comes.

    Raises:
        InputError: no such rule; from images(), weights of another architecture.
    """
    return InceptionEncoder(path, weights_sha256, rule, device, precision=precision)
