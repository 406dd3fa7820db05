"""The guided field that our own samplers walk."""

from __future__ import annotations

from backbones.native import NativeModel
from backbones.protocol import Condition, TextToImage
from backbones.sampler import Velocity, guided_field


def field_of(model: TextToImage, condition: Condition, null: Condition, guidance: float) -> Velocity:
    """The field at (x, t), guided as the model itself is: a `NativeModel` guides its raw output."""
    if isinstance(model, NativeModel):
        return model.flow_field(condition, null, guidance)
    return guided_field(model, condition, null, guidance)
