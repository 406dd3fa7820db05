"""What a network with a parametrisation of its own says at a point of the rectified flow.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from backbones.guidance import Guide
from backbones.sampler import Field
from backbones.schedule import flow_velocity

if TYPE_CHECKING:
    from backbones.native import Native


def velocities(native: Native, ask: Guide, x: Tensor, t: Tensor) -> Field:
    """Ask a network at x (B, C, h, w) of the flow, t (B,) in [0, 1], and read the answers as e - x0, in the dtype of x.

    x is scaled to the network's own, and t becomes a fractional native timestep, by interpolating the logarithm of
    noise over data between training steps. Times before `native.times`, or after, are answered as the nearest of these:
    there the network was not trained, or its prediction says nothing of the velocity.
    """
    first, last = native.times
    point = native.schedule.point(t.float().clamp(first, last))
    own = native.schedule.scaled(x.float(), _column(t.float()))
    said, a, b = ask(own, point.timestep), _column(point.a), _column(point.b)
    guided = flow_velocity(native.prediction, said.output, own, a, b).to(x.dtype)
    if said.output is said.conditional:
        return Field(guided, guided)
    return Field(guided, flow_velocity(native.prediction, said.conditional, own, a, b).to(x.dtype))


def _column(t: Tensor) -> Tensor:
    return t.reshape(-1, 1, 1, 1)
