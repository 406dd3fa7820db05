"""What makes images: denoisers, the autoencoder, the text encoder, samplers and the bundled weights.

Importing this package costs nothing: models are named here and imported on use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from backbones.protocol import TextToImage

__all__ = ["CATALOG", "DESCRIPTIONS", "load"]

CATALOG: Mapping[str, str] = MappingProxyType(  # name -> "module:factory"
    {"dit": "backbones.bundled:dit", "unet": "backbones.bundled:unet", "toy": "backbones.toy:toy"}
)
DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dit": "bundled latent diffusion transformer, trained on captioned emoji scenes",
        "unet": "bundled latent U-Net, the transformer's twin in data, text encoder and size",
        "toy": "closed-form Gaussian world (exact at --guidance 1); paints the colour named last in the prompt",
    }
)


def load(name: str) -> TextToImage:
    """Build the model called `name`: on the CPU, in fp32, ready to sample.

    Raises:
        KeyError: no such name; the message lists the known ones.
        ValueError: its weights are missing or damaged.
    """
    if name not in CATALOG:
        raise KeyError(f"no model {name!r}; known: {', '.join(CATALOG)}")
    module, _, factory = CATALOG[name].partition(":")
    return cast("Callable[[], TextToImage]", getattr(import_module(module), factory))()
