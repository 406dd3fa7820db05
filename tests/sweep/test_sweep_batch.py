"""How many images a pass has in a sweep that leaves it open; the GPU is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite import batch_size
from evalsuite.batch_size import with_batch_size
from evalsuite.cli import main
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, folder_of, prepare
from evalsuite.progress import Silent
from evalsuite.spec import RunSpec
from evalsuite.sweep import point
from evalsuite.sweep.plan import Ask, plan
from evalsuite.sweep.run import sweep

MANY = {"batch_size": "auto", "prompts": "scenes", "limit": 16}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[int, float]]:
    """Runs that say they are a GPU's, where 4 images a pass pay at up to 2 steps and 8 from 3 steps on.

    Steps and guidance of the runs that were measured.
    """
    seen: list[tuple[int, float]] = []

    def on_gpu(spec: RunSpec, *more: object) -> Manifest:
        found = prepare(spec, *more)  # type: ignore[arg-type]
        return replace(found, spec=replace(found.spec, device="cuda"))

    def measure(manifest: Manifest, *_: object) -> dict[int, float]:
        seen.append((manifest.spec.steps, manifest.spec.guidance))
        return {4: 1.0, 8: 1.0} if manifest.spec.steps > 2 else {4: 1.0}

    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(point, "prepare", on_gpu)
    monkeypatch.setattr(batch_size, "measure", measure)
    return seen


def test_all_points_have_the_batch_size_that_a_run_at_the_dearest_finds(
    asked: Callable[..., Ask], gpu: list[tuple[int, float]]
):
    ask = asked(guidance=(2.0, 1.0), steps=(1, 3, 2), changes=MANY)
    points = plan(ask).points
    assert gpu == [(3, 2.0)]
    assert {one.manifest.spec.batch_size for one in points} == {8}
    assert {unit.batch for one in points for unit in one.units} == {8}
    dearest = replace(ask.spec, steps=3, guidance=2.0)
    own = with_batch_size(point.prepare(dearest, Shelf()), dearest, Shelf(), Silent())
    assert folder_of(own) == max(points, key=lambda one: one.passes).folder
    assert gpu == [(3, 2.0)], "what was measured is kept"


def test_a_number_that_is_given_is_taken(asked: Callable[..., Ask], gpu: list[tuple[int, float]]):
    points = plan(asked(changes={"batch_size": 2})).points
    assert {one.manifest.spec.batch_size for one in points} == {2}
    assert gpu == []


def test_a_dry_run_of_a_sweep_keeps_no_measurement(
    asked: Callable[..., Ask], gpu: list[tuple[int, float]], tmp_path: Path
):
    ask = asked(changes=MANY)
    before = sorted(tmp_path.rglob("*"))
    points = plan(ask, write=False).points
    assert {one.manifest.spec.batch_size for one in points} == {8}
    assert sorted(tmp_path.rglob("*")) == before
    assert len(gpu) == 1


@pytest.mark.parametrize(("words", "kept"), [(["--dry-run"], False), ([], True)])
def test_the_command_keeps_a_measurement_unless_it_is_a_dry_run(
    words: list[str], kept: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    class Seen(Exception):  # noqa: N818
        """Enough was seen."""

    def settle(*_: object, write: bool) -> Manifest:
        asked.append(write)
        raise Seen

    asked: list[bool] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(point, "with_batch_size", settle)
    with pytest.raises(SystemExit):
        main(["sweep", "--model", "toy", "--pixels", "4096", "--limit", "1", "--guidance", "1,2", "--quiet", *words])
    capsys.readouterr()
    assert asked == [kept]


def test_a_sweep_that_goes_on_in_a_named_folder_keeps_its_batch_size(asked: Callable[..., Ask], tmp_path: Path):
    changes = {"output_dir": str(tmp_path / "mine")}
    first = sweep(plan(asked(steps=(1,), changes=changes | {"batch_size": 3})))
    again = sweep(plan(asked(steps=(1,), changes=changes | {"batch_size": "auto"})))
    assert {line.point.manifest.spec.batch_size for line in again.lines} == {3}
    assert [line.point.folder for line in again.lines] == [line.point.folder for line in first.lines]
