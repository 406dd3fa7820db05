"""MLflow: a run with parameters, metrics, tables and images. MLFLOW_TRACKING_URI and the like are honoured."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.trackers.base import LoggedImage, Point, package, scalars

EXPERIMENT = "evalsuite"
NOT_IN_NAMES = re.compile(r"[^\w/ .-]+")
"""MLflow refuses ``@``, ``=`` and the like in names."""
LONGEST_NAME, LONGEST_VALUE = 250, 500


class MLflow:
    """Numbers as metrics; ``rows.json`` and ``curves.json`` as tables; images as artifacts."""

    def __init__(self) -> None:
        self._mlflow = package("mlflow", "mlflow", "mlflow")
        self._started = False

    def start(self, title: str, config: Mapping[str, Any], folder: Path) -> None:
        """A new run with the settings as parameters, and in full as ``config.json``."""
        if "MLFLOW_EXPERIMENT_NAME" not in os.environ and "MLFLOW_EXPERIMENT_ID" not in os.environ:
            self._mlflow.set_experiment(EXPERIMENT)
        self._mlflow.start_run(run_name=title)
        self._started = True
        self._mlflow.log_params(dict(_flat(config)))
        self._mlflow.log_dict(dict(config), "config.json")

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """All rows as a table, and their numbers as metrics."""
        self._mlflow.log_metrics(_named(scalars(rows)))
        if rows:
            self._mlflow.log_table({key: [row[key] for row in rows] for key in rows[0]}, "rows.json")

    def images(self, images: Sequence[LoggedImage]) -> None:
        """The files as they are; ``images/captions.json`` says which shows what."""
        for image in images:
            self._mlflow.log_artifact(str(image.file), "images")
        told = [{"file": image.file.name, "name": image.name, "prompt": image.caption} for image in images]
        self._mlflow.log_dict({"images": told}, "images/captions.json")

    def curves(self, points: Sequence[Point]) -> None:
        """A metric over round(1000 t) for each series and model, and all points as a table."""
        for point in points:
            self._mlflow.log_metric(_name(f"{point.series} over 1000 t/{point.model}"), point.value, step=point.step)
        if points:
            self._mlflow.log_table({key: [getattr(p, key) for p in points] for key in Point._fields}, "curves.json")

    def end(self, failed: bool) -> None:
        """Close the run."""
        if self._started:
            self._mlflow.end_run("FAILED" if failed else "FINISHED")


def _name(text: str) -> str:
    return NOT_IN_NAMES.sub("_", text)[:LONGEST_NAME]


def _named(values: Mapping[str, float]) -> dict[str, float]:
    """Under names that MLflow takes; those that become the same are numbered."""
    found: dict[str, float] = {}
    for key, value in values.items():
        name, number = _name(key), 1
        while name in found:
            number += 1
            name = f"{_name(key)} {number}"
        found[name] = value
    return found


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{key}.")
        else:
            lines.append((_name(f"{prefix}{key}"), str(value)[:LONGEST_VALUE]))
    return lines
