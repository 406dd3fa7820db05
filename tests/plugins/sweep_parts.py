"""What sweeps are tested with: a model that counts, a clock that it moves, and metrics without a network."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

from PIL import Image, ImageStat
from tiny_models import ConvWorld
from torch import Tensor

from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate
from evalsuite.metrics.cards import MetricCard


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    @property
    def module(self) -> SimpleNamespace:
        """In the place of ``time``."""
        return SimpleNamespace(monotonic=self, sleep=lambda seconds: None)


class Counting(ConvWorld):
    """Counts the rows of batches that it sees; the clock moves by ``each`` a row."""

    rows = 0
    clock = Clock()
    each = 0.0

    def velocity(self, x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Tensor:
        Counting.rows += len(x)
        Counting.clock.now += Counting.each * len(x)
        return super().velocity(x, t, condition)


def counting() -> Counting:
    return Counting("counting")


def _card(name: str, higher: bool | None) -> MetricCard:
    return MetricCard(name, "Grey", "Mean grey value.", "0 to 255", "grey levels", higher, "anything", "t", ())


def grey(inputs: Inputs) -> Mapping[str, float]:
    """Mean grey value of each image."""
    return {s.id: ImageStat.Stat(Image.open(s.file).convert("L")).mean[0] for s in inputs.samples}


def estimate(inputs: Inputs) -> Estimate:
    return mean_estimate(grey(inputs), inputs)


GREY = Measure(_card("grey", True), estimate, grey, frozenset())
DARK = Measure(_card("dark", False), estimate, grey, frozenset())
PLAIN = Measure(_card("plain", None), estimate, grey, frozenset())
