"""Pictures inside a page: WebP, as large as the page's budget allows."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BUDGET = 9_500_000
"""Bytes of all pictures of a page; as base64 12.7 MB, which leaves room for the rest of 15 MB."""
LARGEST = 160_000
"""Bytes of one picture, however few there are."""
SHOWN = 600
"""Pictures of a page; of more, a choice is shown."""
LADDER = (
    (1024, 85), (768, 82), (512, 82), (448, 78), (384, 76), (320, 74),
    (256, 72), (224, 66), (192, 60), (160, 50), (128, 40), (96, 25), (64, 10),
)  # fmt: skip
"""Longest edge in pixels and WebP quality, the best first; the last fits any budget."""
DENSEST = 0.03
"""Bytes per pixel under which hardly any picture gets: steps that need less are not tried."""


def allowance(count: int) -> int:
    """Bytes for each of so many pictures."""
    return min(LARGEST, BUDGET // max(count, 1))


def encode(rgb: np.ndarray[Any, np.dtype[np.uint8]], allowed: int) -> bytes:
    """The best picture of at most ``allowed`` bytes; never larger than it is.

    Args:
        rgb: uint8 (height, width, 3).
        allowed: bytes, as `allowance` gives them.
    """
    from PIL import Image

    picture = Image.fromarray(rgb)
    best = b""
    tried: set[tuple[tuple[int, int], int]] = set()
    for edge, quality in LADDER:
        scale = min(1.0, edge / max(picture.size))
        width, height = (max(1, round(scale * side)) for side in picture.size)
        last = (edge, quality) == LADDER[-1]
        if not last and (((width, height), quality) in tried or width * height * DENSEST > allowed):
            continue
        tried.add(((width, height), quality))
        small = picture if scale == 1.0 else picture.resize((width, height), Image.Resampling.LANCZOS)
        out = BytesIO()
        small.save(out, "WEBP", quality=quality, method=4)
        best = out.getvalue()
        if len(best) <= allowed:
            break
    return best


def data_uri(webp: bytes) -> str:
    """The address of a picture that lies in the page itself."""
    return f"data:image/webp;base64,{b64encode(webp).decode('ascii')}"
