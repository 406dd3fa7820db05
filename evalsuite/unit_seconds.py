"""How long a unit takes, told by a part of it: one prediction and one decoding."""

from __future__ import annotations

import time

import torch

from evalsuite.loaders.image_folder import ImageFolder
from evalsuite.painter import Painter
from evalsuite.plan import Unit
from evalsuite.sampling import predictions


@torch.inference_mode()
def unit_seconds(painter: Painter, unit: Unit) -> float:
    """Seconds to make a unit, from one of its predictions and its decoding; 0 where images are read from a folder.

    The first call for a shape also pays for buffers and the choice of kernels.
    """
    if isinstance(painter.model, ImageFolder):
        return 0.0
    field, noise = painter.start(unit)
    began = time.monotonic()
    field(noise, 1.0).velocity.sum().item()  # a number on the host: a GPU's work is done by then
    between = time.monotonic()
    painter.decode(unit, noise)
    passes = predictions(painter.spec.steps, painter.sampling.sampler)
    return passes * (between - began) + time.monotonic() - between
