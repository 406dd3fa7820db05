from __future__ import annotations

from collections.abc import Callable

import pytest
import sweep_parts

from evalsuite.spec import RunSpec
from evalsuite.sweep.grid import Grid
from evalsuite.sweep.plan import Ask


@pytest.fixture(autouse=True)
def _counting(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """The counting model from its start, and a clock that stands still."""
    monkeypatch.setattr(sweep_parts.Counting, "rows", 0)
    monkeypatch.setattr(sweep_parts.Counting, "each", 0.0)
    monkeypatch.setattr(sweep_parts.Counting, "clock", sweep_parts.Clock())


@pytest.fixture
def asked(tiny: Callable[..., RunSpec], tmp_path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ask]:
    """A sweep of six points, each of 8 images in 4 units of 2, whose run folders are below the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def make(guidance=(1.0, 2.0), steps=(1, 2, 3), sampler=("euler",), changes=None, **more: object) -> Ask:
        settings = {"models": ("sweep_parts:counting",), "metrics": ("sweep_parts:GREY",), "batch_size": 2}
        spec = tiny(**settings | {"output_dir": None} | (changes or {}))
        return Ask(spec=spec, grid=Grid(guidance, steps, sampler), **more)

    return make
