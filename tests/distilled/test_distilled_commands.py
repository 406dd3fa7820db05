"""Models whose predictions carry guidance, from the command line to the report: told so, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import backbones
from backbones import bundled
from evalsuite import RunSpec, generate_images
from evalsuite.cli import main
from evalsuite.cost.find import find
from evalsuite.errors import InputError
from evalsuite.estimate_cost import estimate
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, prepare
from evalsuite.spec import TURBO
from evalsuite.sweep.grid import Grid
from evalsuite.sweep.plan import Ask
from evalsuite.sweep.plan import plan as sweep_plan


def command(*words: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


def test_a_run_makes_one_pass_a_step_and_says_that_it_is_distilled(
    run: Callable[..., RunSpec], rows: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    spec = run()
    generate_images(spec)
    assert rows == [2] * 8
    facts = Manifest.read(tmp_path / "run").models[spec.models[0]]
    assert (facts.guided, facts.sampler, facts.shift) == (4.0, "euler", 1.5)
    assert facts.notes == ("distilled: guidance 4 in every prediction, 8 Euler steps of shift 1.5",)
    (record,) = (tmp_path / "run" / "records").glob("*.json")
    for image in json.loads(record.read_text())["images"]:
        assert image["trace"]["conditional"] is None
        assert len(image["trace"]["guided"]["power"]) == 8

    assert command("score", str(tmp_path / "run"), "--metrics", "v_variance", "--format", "json", "--quiet") == 0
    found = {row["metric"]: row for row in json.loads(capsys.readouterr().out)["rows"] if row["slice"] == "all"}
    guided, conditional = found["v_variance@trajectory"], found["v_variance_conditional@trajectory"]
    assert guided["value"] > 0
    assert "guidance 4, distilled" in guided["protocol"]
    assert "a property of this sampler and step count" in guided["note"]
    assert "--sampler midpoint" not in guided["note"]
    assert (conditional["value"], conditional["n"]) == (None, 0)
    assert "predictions of a distilled model carry guidance: it tells none without" in conditional["note"]
    results = (tmp_path / "run" / "results.json").read_text()
    assert "guidance 4, distilled" in results
    assert "guided variance" in results
    assert "conditional variance" not in results


def test_a_teacher_beside_it_is_asked_twice_and_its_velocity_is_told(
    run: Callable[..., RunSpec], folder: Path, teacher: Path, rows: list[int], tmp_path: Path
):
    generate_images(run(models=(str(teacher), str(folder))))
    assert rows == [4] * 8 + [2] * 8
    notes = {Path(name).name: facts.notes for name, facts in Manifest.read(tmp_path / "run").models.items()}
    assert notes["teacher"] == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"guidance": 1.0}, "--guidance 1: model .* carry guidance 4 and have no other: use --guidance 4, or the model"),
     ({"guidance": 7.5}, "--guidance 7.5: model"),
     ({"negative_prompt": "a red ball"}, "--negative-prompt: model .* would change nothing: leave it out")],
)  # fmt: skip
def test_what_it_cannot_do_is_said_before_anything_is_written(
    run: Callable[..., RunSpec], tmp_path: Path, changes: dict[str, object], words: str
):
    with pytest.raises(InputError, match=words):
        generate_images(run(**changes))
    assert not (tmp_path / "run").exists()


def test_the_command_line_refuses_another_guidance_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["run", "--model", str(folder), "--guidance", "2", "--output-dir", str(tmp_path / "run")]
    assert command(*words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is distilled, its predictions carry guidance 4" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"steps": 20}, "20 steps of euler of shift 1.5"), ({"sampler": "heun"}, "8 steps of heun of shift 1.5"),
     ({"shift": 1.0}, "8 steps of euler of shift 1 that")],
)  # fmt: skip
def test_steps_that_it_was_not_made_for_are_made_and_said(
    run: Callable[..., RunSpec], changes: dict[str, object], words: str
):
    (facts,) = prepare(run(**changes), Shelf()).models.values()
    (note,) = facts.notes
    assert f"not made for the {words}" in note


def test_an_estimate_times_passes_of_one_row(run: Callable[..., RunSpec], rows: list[int]):
    estimate(run())
    assert set(rows) == {2}


def test_a_sweep_counts_one_row_a_prediction_and_refuses_other_scales(
    run: Callable[..., RunSpec], folder: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    spec = run(models=(str(teacher), str(folder)), metrics=("hps",))
    points = sweep_plan(Ask(spec=spec, grid=Grid((4.0,), (4, 8), ("euler",)))).points
    assert [point.passes for point in points] == [8, 16, 4, 8]
    with pytest.raises(InputError, match=r"--guidance 1: model .*dit-turbo.* is distilled"):
        sweep_plan(Ask(spec=spec, grid=Grid((4.0, 1.0), (8,), ("euler",))))


def test_a_cost_counts_one_row_a_prediction_and_refuses_other_scales(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked = ["--sizes", "64", "--steps", "8", "--no-measure", "--quiet", "--output-dir", str(tmp_path)]
    assert command("cost", str(folder), "--format", "json", *asked) == 0
    found = json.loads(capsys.readouterr().out)
    (note,) = {row["note"] for row in found["rows"] if "predictions of" in row["note"]}
    assert note == "8 predictions of 1 row; text and VAE once"
    assert any("distilled: guidance 4 in every prediction, 8 Euler steps" in note for note in found["notes"])
    assert command("cost", str(folder), "--guidance", "2", *asked) == 2
    assert "is distilled, its predictions carry guidance 4" in capsys.readouterr().err
    named = f"{folder}?vae={folder / 'vae.safetensors'}"  # arguments make it load
    assert find(named).guided == 4.0


def test_a_probe_refuses_what_tells_no_conditional_velocity(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert command("probe", str(folder), "--output-dir", str(tmp_path / "probe"), "--quiet") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "probe the model that it was distilled from" in line
    assert not (tmp_path / "probe").exists()


@pytest.mark.parametrize("name", [name for name in TURBO if name in backbones.ABSENT])
def test_one_that_is_not_in_this_package_is_not_listed_and_asking_says_so(
    name: str, capsys: pytest.CaptureFixture[str]
):
    assert command("list", "models") == 0
    assert name not in capsys.readouterr().out
    for words in (["show", name], ["run", "--model", name], ["cost", name]):
        assert command(*words) == 2
        assert f"model '{name}': its weights are not in this package" in capsys.readouterr().err
    with pytest.raises(KeyError, match="not in this package"):
        backbones.load(name)
    with pytest.raises(ValueError, match="not in this package"):
        getattr(bundled, name.replace("-", "_"))()
