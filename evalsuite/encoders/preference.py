"""A preference head on frozen CLIP features, by the pairwise recipe of HPSv2 (arXiv:2306.09341)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalsuite.encoders.bundle import load_tensors
from evalsuite.encoders.protocol import in_fixed_batches
from evalsuite.errors import InputError

WEIGHTS = Path(__file__).parent / "weights" / "preference.safetensors"
DIM = 128


class PreferenceHead(nn.Module):
    """Two residual linear maps; the dot product of the mapped image and text is the preference score.

    Both maps start at zero, where the score is CLIP's own cosine.
    """

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.image = nn.Linear(dim, dim, bias=False)
        self.text = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.image.weight)
        nn.init.zeros_(self.text.weight)

    def map_image(self, features: Tensor) -> Tensor:
        """(n, dim) unit-length image features."""
        return F.normalize(features + self.image(features), dim=-1)

    def map_text(self, features: Tensor) -> Tensor:
        """(n, dim) unit-length text features."""
        return F.normalize(features + self.text(features), dim=-1)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Scores of image and text pairs, in [-1, 1]."""
        return (self.map_image(image) * self.map_text(text)).sum(-1)  # (n,)


class PreferenceFeatures(NamedTuple):
    """Rows of unit length; the score of a pair is the dot product of its rows."""

    image: np.ndarray
    text: np.ndarray


def pairwise_loss(score_preferred: Tensor, score_other: Tensor, temperature: float | Tensor) -> Tensor:
    """Mean cross-entropy of choosing the preferred image of each pair (arXiv:2306.09341).

    The choice has probability softmax([preferred, other] / temperature): what is left of CLIP's
    contrastive loss when one text meets two images.

    Args:
        score_preferred: (n,) cosines.
        score_other: (n,) cosines.
        temperature: > 0; CLIP ends near 0.01.

    Returns:
        Scalar; log 2 where the scores are equal.
    """
    return F.softplus((score_other - score_preferred) / temperature).mean()


def preference_features(head: PreferenceHead, image: np.ndarray, text: np.ndarray) -> PreferenceFeatures:
    """Preference features of CLIP features (n, dim) float32, computed at one batch shape."""
    if not len(image):
        return PreferenceFeatures(image, text)
    with torch.inference_mode():
        return PreferenceFeatures(
            in_fixed_batches(head.map_image, torch.from_numpy(image)).numpy(),
            in_fixed_batches(head.map_text, torch.from_numpy(text)).numpy(),
        )


def load() -> tuple[PreferenceHead, str]:
    """The trained head that ships with the package, on the CPU, and the SHA-256 of its weights.

    Raises:
        InputError: the weights are missing, altered or of another shape.
    """
    state, digest = load_tensors(WEIGHTS)
    head = PreferenceHead()
    try:
        head.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{WEIGHTS}: not weights of a preference head ({reason}); reinstall evalsuite") from error
    return head.eval().requires_grad_(False), digest
