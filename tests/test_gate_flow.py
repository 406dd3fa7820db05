"""The gate on the real flow: degraded copies of the bundled transformer fail it, another seed of it passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import evalsuite
from evalsuite import RunSpec
from evalsuite.cli import main


def make(folder: Path, **changes: Any) -> str:
    """A run of 16 prompts, 10 families of them, in seconds; its folder."""
    settings = {"models": ("dit",), "prompts": "smoke", "aspects": ("1:1",), "steps": 8, "threads": 1, "device": "cpu"}
    evalsuite.run(RunSpec(**settings | {"metrics": ("hps", "clip_score"), "output_dir": str(folder)} | changes))
    return str(folder)


def code(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("baseline")
    run, file = make(folder / "run"), str(folder / "baseline.json")
    assert code("baseline", "save", run, file) == 0
    assert code("gate", run, "--baseline", file) == 0
    return file


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"seed": 1}, 0), ({"steps": 2}, 1), ({"models": ("noisy_models:dit",)}, 1)],
    ids=["another seed", "few steps", "noise on the weights"],
)
def test_a_degraded_model_fails_and_the_same_model_passes(
    changes: dict[str, Any], expected: int, baseline: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make(tmp_path / "run", **changes)
    capsys.readouterr()
    assert code("gate", run, "--baseline", baseline) == expected
    out = capsys.readouterr().out
    failed = sum(line.startswith("fail ") for line in out.splitlines())
    assert failed == 2 * expected
    assert "not gated" not in out
    assert code("compare", run, baseline) == 0
    seen = capsys.readouterr().out
    assert ("is better on clip_score@scenes" in " ".join(seen.split())) == bool(expected)
    assert ("Unpaired seeds" in seen) == ("seed" in changes)
