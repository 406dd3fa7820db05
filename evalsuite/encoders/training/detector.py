"""A judge of its own for which object is where: a small convolutional network names what is in each object's box.

The boxes come from pixels alone (`objects`). The network is trained apart (`train_detector`): it shares nothing with
the generators and the scorer but the artwork.

Letters: B crops, N names.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.training.names import NAMES
from evalsuite.aspects.components import Box
from evalsuite.aspects.counter import Objects, Pixels
from evalsuite.encoders.bundle import load_tensors
from evalsuite.errors import InputError

SIDE = 48  # pixels of a crop
MARGIN = 1.1  # side of a crop, over the longer side of its box
FILE = "detector.safetensors"


class Namer(nn.Module):
    """Crops (B, 3, SIDE, SIDE) in [-1, 1] to a logit for each name (B, N): 0.66 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_layer(3, 32, 5, 2),  # SIDE / 2
            *_layer(32, 64, 3, 2),  # SIDE / 4
            *_layer(64, 64, 3, 1),
            *_layer(64, 128, 3, 2),  # SIDE / 8
            *_layer(128, 128, 3, 1),
            *_layer(128, 128, 3, 2),  # SIDE / 16
        )
        self.head = nn.Linear(128 * (SIDE // 16) ** 2, len(NAMES))

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (B, N)."""
        logits: Tensor = self.head(self.features(crops).flatten(1))
        return logits


def _layer(inside: int, outside: int, kernel: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outside), nn.ReLU()]


def crop(pixels: Pixels, box: Box) -> Tensor:
    """The square around a box, MARGIN times as wide, beyond the picture its edge: (3, SIDE, SIDE) in [-1, 1]."""
    half = MARGIN * box.side / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    left, top, right, bottom = (round(edge) for edge in (x - half, y - half, x + half, y + half))
    rows = np.arange(top, bottom).clip(0, pixels.shape[0] - 1)
    columns = np.arange(left, right).clip(0, pixels.shape[1] - 1)
    cut = torch.from_numpy(pixels[np.ix_(rows, columns)]).permute(2, 0, 1)[None].float()
    small = F.interpolate(cut, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)[0]
    return small / 127.5 - 1


class Named(NamedTuple):
    """An object: where it is, and the log-probability (N,) of each name, in the order of NAMES."""

    box: Box
    scores: Tensor

    @property
    def name(self) -> str:
        """The likeliest."""
        return list(NAMES)[int(self.scores.argmax())]


class Detector:
    """The trained network over the boxes of a picture.

    Attributes:
        sha256: of its weights.
    """

    def __init__(self, network: Namer, sha256: str) -> None:
        self.network, self.sha256 = network.eval().requires_grad_(False), sha256

    @classmethod
    def load(cls, folder: Path) -> Detector:
        """What `train_detector` left in a folder.

        Raises:
            InputError: there is none, or not of this network.
        """
        if not (folder / FILE).exists():
            raise InputError(
                f"{folder} has no {FILE}: make it with python -m evalsuite.encoders.training.train_detector"
            )
        state, sha256 = load_tensors(folder / FILE)
        network = Namer()
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{folder / FILE} is of another network: train the detector again") from error
        return cls(network, sha256)

    @torch.inference_mode()
    def name(self, pixels: Pixels, objects: Objects) -> list[Named]:
        """Names of all objects of a picture (H, W, 3)."""
        if not objects.boxes:
            return []
        crops = torch.stack([crop(pixels, box) for box in objects.boxes])
        return [Named(*each) for each in zip(objects.boxes, self.network(crops).log_softmax(-1), strict=True)]


def placed(found: list[Named], first: str, second: str, relation: str) -> bool:
    """Whether two objects, taken for the two names in the likelier way, are in the relation along its axis.

    Any other number of objects is wrong. Which way is likelier is all that is asked of the names: two shapes that
    nobody can name are in place in half of the cases.
    """
    if len(found) != 2:
        return False
    order, names = (found[0], found[1]), list(NAMES)
    one, two = names.index(first), names.index(second)
    straight = order[0].scores[one] + order[1].scores[two]
    crossed = order[0].scores[two] + order[1].scores[one]
    a, b = order if straight >= crossed else order[::-1]
    across = (b.box.left + b.box.right) - (a.box.left + a.box.right)
    down = (b.box.top + b.box.bottom) - (a.box.top + a.box.bottom)
    if relation in ("left of", "right of"):
        return abs(across) > abs(down) and (across > 0) == (relation == "left of")
    return abs(down) > abs(across) and (down > 0) == (relation == "above")
