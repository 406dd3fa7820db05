"""Which images are decoded in tiles, and how large these are: the same on every machine, since it can change pixels."""

from __future__ import annotations

from evalsuite.errors import InputError

WHOLE = 1024 * 1024
"""Pixels up to which ``auto`` decodes an image whole."""
SIDE = 384
"""Pixels per side of the tiles of ``auto``."""
STEP = 64
"""Pixels that a tile's side divides by: it fits the latents of every factor up to 64."""
LEAST, MOST = 128, 4096


def tile_of(asked: str, width: int, height: int) -> int | None:
    """Side in pixels of the tiles of an image; None where it is decoded whole.

    Args:
        asked: ``auto``, ``off`` or a number of pixels, as `check_tile` lets pass.
        width: of the image, pixels.
        height: of the image, pixels.
    """
    if asked == "auto":
        return SIDE if width * height > WHOLE else None
    return int(asked) if asked != "off" and max(width, height) > int(asked) else None


def check_tile(asked: object) -> None:
    """Raise InputError unless it is ``auto``, ``off`` or a number of pixels that tiles can have."""
    if asked in ("auto", "off"):
        return
    digits = isinstance(asked, str) and asked.isascii() and asked.isdecimal() and len(asked) < 6
    if not digits or not LEAST <= (side := int(str(asked))) <= MOST or side % STEP:
        raise InputError(
            f"vae_tile {asked!r} is unknown: use auto, off, or a multiple of {STEP} from {LEAST} to {MOST}"
        )


def check_model(model: object, asked: str, name: str) -> None:
    """Raise InputError where tiles are asked for by number, and the model decodes only whole images."""
    if asked not in ("auto", "off") and not hasattr(model, "strips"):
        raise InputError(f"vae_tile {asked}: model {name!r} decodes whole images only; use auto or off")
