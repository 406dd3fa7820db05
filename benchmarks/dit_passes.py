"""One pass of a DiT's network on rows that are already on the device: no sampler, no decoding, no host in between.

Letters: B rows of a pass, twice the images where there is guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dit_pipelines as dits
import results
import torch
from pairing import Clock, median, paired

from evalsuite.cost.limit import finish

PASSES = 10
"""In one timing: a GPU is waited for once."""


class Passes:
    """Passes of several networks over the same rows.

    Args:
        case: of the comparison.
        rows: B.
        like: a network of diffusers: its device, dtype and sizes.
    """

    def __init__(self, case: str, rows: int, like: Any) -> None:
        config = like.config
        shape = (rows, config.in_channels, config.sample_size, config.sample_size)
        self.case, self._rows = case, rows
        self._x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(like.device)
        self._t = torch.full((rows,), 500.0, device=like.device)
        self._labels = torch.arange(rows, device=like.device) % dits.CLASSES
        self._dtype = like.dtype

    def theirs(self, network: Any) -> Callable[[], None]:
        """Passes of a network of diffusers, called as its pipeline calls it."""
        x = self._x.to(self._dtype)
        return self._often(lambda: network(x, timestep=self._t, class_labels=self._labels))

    def ours(self, model: Any) -> Callable[[], None]:
        """Passes of one of our models."""
        condition = {"label": self._labels}
        return self._often(lambda: model.predict(self._x, self._t, condition))

    def _often(self, call: Callable[[], object]) -> Callable[[], None]:
        @torch.inference_mode()
        def calls() -> None:
            for _ in range(PASSES):
                call()
            finish(self._x.device)

        return calls

    def measure(
        self, about: Mapping[str, Any], arms: Mapping[str, Callable[[], None]], rounds: int, limit: results.Limit
    ) -> list[results.Row]:
        """A row for each arm.

        Args:
            about: of the `Comparison`: benchmark, ours, variants.
            arms: what to call.
            rounds: of all arms.
            limit: of a pass.
        """
        clock: Clock = "cpu_s" if self._x.device.type == "cpu" else "wall_s"
        comparison = results.Comparison(case=self.case, unit="pass", per=PASSES, clock=clock, **about)
        timings = paired(arms, rounds, warm=1)
        notes = {arm: f"{self._rows * PASSES / median(timings, arm, clock):.0f} rows a second" for arm in arms}
        return results.rows(comparison, timings, notes=notes, limit=limit)
