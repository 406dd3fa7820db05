"""Where else results may go: experiment trackers, behind one protocol and imported on use.

A package adds its own by an entry point of the group ``evalsuite.trackers``.
"""

from __future__ import annotations

from collections.abc import Mapping

from evalsuite.registry import Registry

CATALOG = {
    "tensorboard": "evalsuite.trackers.tensorboard:TensorBoard",
    "wandb": "evalsuite.trackers.wandb:WeightsAndBiases",
    "mlflow": "evalsuite.trackers.mlflow:MLflow",
}


def _own() -> Mapping[str, str]:
    return CATALOG


TRACKERS = Registry("tracker", "evalsuite.trackers", _own, own=True)
