from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from evalsuite.metrics.base import Features, Inputs
from evalsuite.reference import Reference
from evalsuite.samples import PathStatistics, Sample, Trace


def make_sample(
    prompt_id: str, base: str | None = None, aspect: str = "1:1", index: int = 0, trace: Trace | None = None
) -> Sample:
    key = f"m|{prompt_id}|{aspect}|{index}"
    return Sample(key, "m", prompt_id, prompt_id, base, (), aspect, 16, 16, index, 0, "0" * 64, Path(key), trace)


def make_inputs(
    samples: Sequence[Sample],
    image: np.ndarray,
    text: np.ndarray,
    base: tuple[np.ndarray, np.ndarray] | None = None,
    reference: Reference | None = None,
    truncated: Sequence[bool] | None = None,
) -> Inputs:
    features = Features(image.astype(np.float32), text.astype(np.float32))
    cut = np.zeros(len(samples), bool) if truncated is None else np.array(truncated, bool)
    paired = np.array([s.base is not None and base is not None for s in samples], bool)
    bases = features if base is None else Features(base[0].astype(np.float32), base[1].astype(np.float32))
    return Inputs(tuple(samples), features, features, bases, paired, cut, reference)


def make_trace(straightness: float, mean_power: float, conditional: float = 0.0, steps: int = 50) -> Trace:
    def path(s: float) -> PathStatistics:
        lists = {name: [0.0] * steps for name in ("mean", "variance", "power", "deviation", "cosine", "change")}
        return {**lists, "straightness": s, "mean_power": mean_power}  # type: ignore[typeddict-item]

    return {"t": [0.0] * steps, "weight": [0.0] * steps, "guided": path(straightness), "conditional": path(conditional)}


@pytest.fixture(name="sample")
def _sample() -> Callable[..., Sample]:
    return make_sample


@pytest.fixture(name="inputs")
def _inputs() -> Callable[..., Inputs]:
    return make_inputs


@pytest.fixture(name="trace")
def _trace() -> Callable[..., Trace]:
    return make_trace


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def features(generator: np.random.Generator) -> Callable[[int, int], np.ndarray]:
    """Random rows (n, d) of unit length, float32."""

    def draw(n: int, d: int) -> np.ndarray:
        rows = generator.standard_normal((n, d))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    return draw
