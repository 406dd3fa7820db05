"""What FID features are made of here: weights that every package reads, and PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from fid_peers import Files
from PIL import Image
from torch import Tensor

from evalsuite.encoders.inception_v3 import InceptionV3
from evalsuite.read_ahead import read_ahead

SIZE = 256


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Weights for every package, with batch norms that do something."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in InceptionV3().state_dict().items()}
    generator, made = torch.Generator().manual_seed(seed), {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            made[key] = torch.tensor(0)
        elif key.endswith(("running_var", "bn.weight")):
            made[key] = torch.empty(shape).uniform_(0.5, 1.5, generator=generator)
        else:
            scale = (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else 0.1
            made[key] = torch.empty(shape).normal_(0, scale, generator=generator)
    return made


def write_images(folder: Path, number: int, seed: int = 0) -> Files:
    """PNG files of SIZE x SIZE: soft shapes under noise, which compress about as photographs do."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(index: int) -> str:
        generator = np.random.default_rng([seed, index])
        coarse = Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float64)
        noisy = soft + generator.normal(0, 6, soft.shape)
        path = folder / f"{index:05}.png"
        Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(path)
        return str(path)

    return list(read_ahead(write, range(number)))
