"""What is measured. A metric module is found by name in CATALOG and imported on use; classes load lazily.

``from evalsuite.metrics import CLIPDirection`` gives a torchmetrics.Metric for a training loop of your own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evalsuite.metrics.families import FAMILIES

if TYPE_CHECKING:
    from evalsuite.metrics.clip_direction import CLIPDirection
    from evalsuite.metrics.clip_score import CLIPScore
    from evalsuite.metrics.cmmd import CMMD
    from evalsuite.metrics.fid import FrechetDistance
    from evalsuite.metrics.hps import HPS
    from evalsuite.metrics.kid import KernelDistance
    from evalsuite.metrics.v_variance import VVariance

__all__ = [
    "CATALOG",
    "CMMD",
    "HPS",
    "CLIPDirection",
    "CLIPScore",
    "FrechetDistance",
    "KernelDistance",
    "VVariance",
]

CATALOG: dict[str, str] = {name: family.target for name, family in FAMILIES.items()}
"""Name to what makes its measures; see evalsuite.metrics.families."""

CLASSES: dict[str, str] = {
    "CMMD": "evalsuite.metrics.cmmd",
    "HPS": "evalsuite.metrics.hps",
    "CLIPScore": "evalsuite.metrics.clip_score",
    "CLIPDirection": "evalsuite.metrics.clip_direction",
    "FrechetDistance": "evalsuite.metrics.fid",
    "KernelDistance": "evalsuite.metrics.kid",
    "VVariance": "evalsuite.metrics.v_variance",
}
"""Class to module."""


def __getattr__(name: str) -> Any:
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(CLASSES[name]), name)
