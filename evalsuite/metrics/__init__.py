"""What is measured. A metric module is found by name in CATALOG and imported on use; classes load lazily.

``from evalsuite.metrics import CLIPDirection`` gives a torchmetrics.Metric for a training loop of your own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.metrics.clip_direction import CLIPDirection
    from evalsuite.metrics.clip_score import CLIPScore
    from evalsuite.metrics.fid import FrechetDistance
    from evalsuite.metrics.hps import HPS
    from evalsuite.metrics.v_variance import VVariance

__all__ = ["CATALOG", "HPS", "CLIPDirection", "CLIPScore", "FrechetDistance", "VVariance"]

CATALOG: dict[str, str] = {
    "hps": "evalsuite.metrics.hps",
    "clip_score": "evalsuite.metrics.clip_score",
    "clip_direction": "evalsuite.metrics.clip_direction",
    "fid": "evalsuite.metrics.fid",
    "v_variance": "evalsuite.metrics.v_variance",
}
"""Name to module. A metric module has MEASURES, a tuple of evalsuite.metrics.base.Measure."""

CLASSES: dict[str, str] = {
    "HPS": "hps",
    "CLIPScore": "clip_score",
    "CLIPDirection": "clip_direction",
    "FrechetDistance": "fid",
    "VVariance": "v_variance",
}


def __getattr__(name: str) -> Any:
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(CATALOG[CLASSES[name]]), name)
