"""How images that exist are to be scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalsuite.spec import RunSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Scoring:
    """Settings of RunSpec that scoring has; None leaves one open.

    Attributes:
        metrics: names.
        reference: a folder of images, or a file of `evalsuite stats`.
        weights: ``NAME=PATH`` pairs.
        hps_backend: ``open_clip`` or ``hpsv2``.
        device: for the networks; None means the best one here.
        threads: CPU threads; None means as the run had it, else the physical cores.
    """

    metrics: tuple[str, ...] | None = None
    reference: str | None = None
    weights: tuple[str, ...] | None = None
    hps_backend: str | None = None
    device: str | None = None
    threads: int | None = None

    def settings(self) -> dict[str, Any]:
        """Those that say what is computed, by field of RunSpec; None where they are open."""
        return {name: getattr(self, name) for name in ("metrics", "reference", "weights", "hps_backend")}

    def place(self, threads: int | None = None) -> tuple[str, int]:
        """Device and number of threads.

        Args:
            threads: where the settings have none.

        Raises:
            InputError: unknown, or not here.
        """
        from evalsuite import machine

        threads = threads if self.threads is None else self.threads
        spec = RunSpec(device=self.device or "auto", threads=threads).validate_values()
        device = machine.best_device() if spec.device == "auto" else spec.device
        machine.check_device(device)
        return device, spec.threads or machine.cores()
