from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import turbo

from backbones import pipeline
from backbones.pipeline import LatentDiffusion
from evalsuite import RunSpec


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return turbo.save(tmp_path_factory.mktemp("models") / "dit-turbo", "dit-turbo", distilled=turbo.DISTILLED)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return turbo.save(tmp_path_factory.mktemp("models") / "teacher", "teacher")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every pass from now on."""
    found: list[int] = []
    once = LatentDiffusion.velocity

    def counted(self: LatentDiffusion, x: torch.Tensor, *rest: object) -> torch.Tensor:
        found.append(len(x))
        return once(self, x, *rest)

    monkeypatch.setattr(pipeline.LatentDiffusion, "velocity", counted)
    return found


@pytest.fixture
def run(tiny: Callable[..., RunSpec], folder: Path) -> Callable[..., RunSpec]:
    """Two images at one size, in one unit."""

    def make(**changes: object) -> RunSpec:
        settings = {"models": (str(folder),), "prompts": 2, "aspects": ("1:1",), "batch_size": 2, "steps": 8}
        return tiny(**settings | changes)

    return make
