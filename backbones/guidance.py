"""Classifier-free guidance of a network's raw output, before it is read as anything.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from backbones.protocol import Condition


class Guided(NamedTuple):
    """Raw outputs (B, C, h, w) with guidance, and without; one and the same tensor where guidance is 1."""

    output: Tensor
    conditional: Tensor


Guide = Callable[[Tensor, Tensor], Guided]
"""Raw outputs at x (B, C, h, w) and native timesteps t (B,)."""
Predict = Callable[[Tensor, Tensor, Condition], Tensor]


def guide(
    predict: Predict, condition: Condition, null: Condition, guidance: float, channels: int | None = None
) -> Guide:
    """Classifier-free guidance of raw outputs: null + guidance (conditional - null) (arXiv:2207.12598).

    Args:
        predict: raw output (B, C, h, w) at x, t and a condition; asked once a call, for [conditional; null].
        condition: of B prompts.
        null: with a batch of B or of 1; unused where guidance is 1.
        guidance: 1 means none.
        channels: guidance acts on the first so many, the others stay conditional; None means all.
    """

    def conditional(x: Tensor, t: Tensor) -> Guided:
        output = predict(x, t, condition)
        return Guided(output, output)

    if guidance == 1:
        return conditional
    both = {key: torch.cat([rows, null[key].expand_as(rows)]) for key, rows in condition.items()}  # (2B, ...)

    def guided(x: Tensor, t: Tensor) -> Guided:
        aware, blind = predict(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)  # 2 x (B, C, h, w)
        output = blind + guidance * (aware - blind)
        if channels is not None:
            output = torch.cat([output[:, :channels], aware[:, channels:]], 1)
        return Guided(output, aware)

    return guided
