"""What a metric claims to measure, from what it is computed from; and so what it has to see."""

from __future__ import annotations

from typing import Literal

from evalsuite.metrics.base import Measure

Role = Literal["alignment", "preference", "distance", "picture", "path"]

ABOUT: dict[Role, str] = {
    "alignment": "does the image show its prompt",
    "preference": "would people take this image for its prompt",
    "distance": "how far the set of images is from real ones",
    "picture": "each image, whatever its prompt",
    "path": "how the image was made: no image is looked at",
}
READS: frozenset[Role] = frozenset({"alignment", "preference"})
"""Those that read prompts."""
QUALITY: frozenset[Role] = frozenset({"preference", "distance", "picture"})
"""Those that a worse image must not please."""


def role_of(measure: Measure) -> Role:
    """The claim of a measure, by its ``uses``."""
    if "reference" in measure.uses:
        return "distance"
    if "preference" in measure.uses:
        return "preference"
    if "encoder" in measure.uses:
        return "alignment"
    return "path" if measure.uses == {"trace"} else "picture"
