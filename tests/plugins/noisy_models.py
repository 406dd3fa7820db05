"""The bundled transformer with noise on its weights: what a gate must stop."""

from __future__ import annotations

import torch

from backbones.bundled import dit as whole
from backbones.pipeline import LatentDiffusion

SHARE = 0.3
"""Standard deviation of the noise, over that of each weight matrix."""


def dit() -> LatentDiffusion:
    """Every matrix of the denoiser with noise from one seed."""
    model = whole()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.denoiser.parameters():
            if weight.ndim > 1:
                weight += SHARE * weight.std() * torch.randn(weight.shape, generator=generator)
    model.fingerprint = f"noisy-{model.fingerprint}"
    return model
