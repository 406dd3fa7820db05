"""Weights & Biases: a run with tables, images and curves. WANDB_PROJECT, WANDB_MODE and the like are honoured."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from evalsuite.trackers.base import LoggedImage, Point, package, scalars

PROJECT = "evalsuite"


class WeightsAndBiases:
    """Numbers in the summary; ``rows``, ``images`` and ``curves`` as tables and media."""

    def __init__(self) -> None:
        self._wandb = package("wandb", "wandb", "wandb")
        self._run: Any = None

    def start(self, title: str, config: Mapping[str, Any], folder: Path) -> None:
        """A new run. It takes along neither console output, nor code, nor the state of a git checkout."""
        project = os.environ.get("WANDB_PROJECT") or PROJECT
        settings = self._wandb.Settings(console="off", save_code=False, disable_git=True)
        about = {"name": title, "config": dict(config), "job_type": "evaluation", "dir": str(folder)}
        self._run = self._wandb.init(project=project, settings=settings, **about)

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """All rows as a table, and their numbers in the summary."""
        columns = list(rows[0]) if rows else ["model"]
        self._run.log({"rows": self._wandb.Table(columns=columns, data=[[row[c] for c in columns] for row in rows])})
        self._run.summary.update(scalars(rows))

    def images(self, images: Sequence[LoggedImage]) -> None:
        """Each with its name and prompt as caption."""
        if images:
            shown = [self._wandb.Image(str(i.file), caption=f"{i.name}: {i.caption}") for i in images]
            self._run.log({"images": shown})

    def curves(self, points: Sequence[Point]) -> None:
        """All points as a table, and a plot for each series with a line for each model."""
        if not points:
            return
        data = [[point.model, point.series, point.t, point.value] for point in points]
        plots: dict[str, Any] = {"curves": self._wandb.Table(columns=["model", "series", "t", "value"], data=data)}
        for series, some in groupby(sorted(points, key=lambda p: (p.series, p.model, p.t)), key=lambda p: p.series):
            lines = {model: list(own) for model, own in groupby(some, key=lambda p: p.model)}
            plots[series] = self._wandb.plot.line_series(
                xs=[[point.t for point in own] for own in lines.values()],
                ys=[[point.value for point in own] for own in lines.values()],
                keys=list(lines),
                title=series,
                xname="t",
            )
        self._run.log(plots)

    def end(self, failed: bool) -> None:
        """Wait until all is sent, or written where there is no network."""
        if self._run is not None:
            self._run.finish(exit_code=int(failed))
