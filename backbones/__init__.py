"""What makes images: denoisers, the autoencoder, the text encoder, samplers and the bundled weights.

Importing this package costs nothing: models are named here and imported on use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from backbones.protocol import TextToImage

__all__ = ["ABSENT", "CATALOG", "DESCRIPTIONS", "load"]

_TURBO = {
    "dit-turbo": "the bundled transformer, distilled: guidance 4 in 8 steps of one pass each",
    "unet-turbo": "the bundled U-Net, distilled: guidance 4 in 8 steps of one pass each",
}


def _shipped(folder: Path) -> dict[str, str]:
    """Of the distilled models, those whose files are in a folder."""
    return {name: about for name, about in _TURBO.items() if (folder / f"{name}.json").is_file()}


_HERE = _shipped(Path(__file__).parent / "weights")
CATALOG: Mapping[str, str] = MappingProxyType(  # name -> "module:factory"
    {
        "dit": "backbones.bundled:dit",
        "unet": "backbones.bundled:unet",
        **{name: f"backbones.bundled:{name.replace('-', '_')}" for name in _HERE},
        "toy": "backbones.toy:toy",
    }
)
DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "dit": "bundled latent diffusion transformer, trained on captioned emoji scenes",
        "unet": "bundled latent U-Net, the transformer's twin in data, text encoder and size",
        **_HERE,
        "toy": "closed-form Gaussian world (exact at --guidance 1); paints the colour named last in the prompt",
    }
)
ABSENT: Mapping[str, str] = MappingProxyType(  # name -> why
    {
        name: "its weights are not in this package; backbones/training/README.md has the recipe that makes them"
        for name in _TURBO
        if name not in _HERE
    }
)


def load(name: str) -> TextToImage:
    """Build the model called `name`: on the CPU, in fp32, ready to sample.

    Raises:
        KeyError: no such name; the message lists the known ones.
        ValueError: its weights are missing or damaged.
    """
    if name in ABSENT:
        raise KeyError(f"model {name!r}: {ABSENT[name]}")
    if name not in CATALOG:
        raise KeyError(f"no model {name!r}; known: {', '.join(CATALOG)}")
    module, _, factory = CATALOG[name].partition(":")
    return cast("Callable[[], TextToImage]", getattr(import_module(module), factory))()
