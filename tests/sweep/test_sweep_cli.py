"""The command as a user has it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import typer

from evalsuite import cli
from evalsuite.cli import main
from evalsuite.options import takes_a_spec
from evalsuite.spec import RunSpec

SMALL = [
    "--model", "toy", "--pixels", "4096", "--limit", "4", "--aspects", "1:1", "--threads", "1", "--batch-size", "2",
]  # fmt: skip
SWEEP = ["sweep", *SMALL, "--metrics", "sweep_parts:GREY", "--guidance", "1,2", "--steps", "1,2", "--quiet"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


def test_the_command_ends_in_a_table_a_sentence_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = [*SWEEP, "--guidance", "2", "--by", "aspect"]
    out, err = run(words, capsys)
    assert err == ""
    assert out.splitlines()[0] == "toy on smoke: grey against seconds per image, 2 points"
    assert out.count("← take") == 2
    assert "Take guidance " in out
    assert "aspect 1:1" in out
    (folder,) = (tmp_path / "outputs").glob("sweep-toy-smoke-*")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {".lock", "sweep.json", "sweep.csv", "sweep.md", "front.png", "front.svg"}
    for form in ("json", "md", "csv"):
        text, _ = run([*words, "--format", form], capsys)
        assert text == before[f"sweep.{form}"].decode()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_with_a_points_settings_makes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    run([*SWEEP, "--steps", "2"], capsys)
    records = sorted((tmp_path / "outputs").glob("*/records/*.json"))
    words = ["run", *SMALL, "--metrics", "sweep_parts:GREY", "--guidance", "2", "--steps", "2"]
    _, err = run(words, capsys)
    assert "generate" not in err
    assert sorted((tmp_path / "outputs").glob("*/records/*.json")) == records


def test_a_dry_run_tells_points_images_and_time_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out, _ = run([*SWEEP, "--dry-run", "--budget", "2h"], capsys)
    assert "4 points, 16 images, 0 of them made already" in out
    assert "A budget of 2 h 0 min is likely to be enough" in out
    assert list(tmp_path.iterdir()) == []
    run(["generate", *SMALL, "--guidance", "2", "--steps", "2", "--quiet"], capsys)
    before = sorted(tmp_path.rglob("*"))
    told = json.loads(run([*SWEEP, "--dry-run", "--format", "json"], capsys)[0])
    assert [point["there"] for point in told["points"]] == [0, 0, 0, 4]
    assert [point["passes"] for point in told["points"]] == [1, 2, 2, 4]
    assert told["points"][3]["seconds"] == 0
    assert told["points"][3]["measured"]
    lines = list(csv.DictReader(io.StringIO(run([*SWEEP, "--dry-run", "--format", "csv"], capsys)[0])))
    assert [line["steps"] for line in lines] == ["1", "1", "2", "2"]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_budget_too_small_is_incomplete_and_shows_what_there_is(capsys: pytest.CaptureFixture[str]):
    out, err = run([*SWEEP, "--budget", "0.000001s"], capsys, 3)
    assert "repeat the command with a larger --budget" in err
    assert "stopped" in out
    out, _ = run([*SWEEP, "--budget", "1h"], capsys)
    assert "Budget 1 h 0 min, spent" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--guidance", "1,,2"], "--guidance is '1,,2': write values with commas"),
        (["--steps", "2", "--guidance", "1"], "one point is no sweep"),
        (["--steps", "2,x"], "--steps is 'x': write a whole number"),
        (["--guidance", "1,200"], "guidance is 200.0: use a number from 0 to 100"),
        (["--sampler", "euler,ddim"], "sampler 'ddim' is not one of model 'toy'"),
        (["--budget", "soon"], "--budget is 'soon': write a duration, such as 90s, 30min, 2h"),
        (["--metric", "fid"], "--metric 'fid' is not one of this run's: use grey"),
        (["--metrics", "sweep_parts:PLAIN"], "neither direction of it is better"),
        (["--by", "tag"], "a sweep has fronts by aspect, or none"),
        (["--by", "colour"], "--by 'colour' is unknown"),
        (["--against", "money"], "money"),
        (["--model", "tyo"], "no model 'tyo'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    out, err = run([*SWEEP, *words], capsys, 2)
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_every_option_can_be_a_variable_and_a_run_file_gives_what_no_option_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    command = typer.main.get_command(cli.app).commands["sweep"]
    for param in command.params:
        if param.name not in ("help", "weights"):
            assert param.envvar == "EVALSUITE_" + param.opts[0].lstrip("-").replace("-", "_").upper()
    (tmp_path / "run.yaml").write_text("steps: 3\noutput_dir: elsewhere\n")
    monkeypatch.setenv("EVALSUITE_GUIDANCE", "1,3")
    words = [word for word in SWEEP if word not in ("--guidance", "1,2", "--steps")]
    told = json.loads(run([*words, "--config", "run.yaml", "--dry-run", "--format", "json"], capsys)[0])
    assert [(point["guidance"], point["steps"]) for point in told["points"]] == [(1.0, 3), (3.0, 3)]
    assert told["folder"] == "elsewhere"
    words += ["--config", "run.yaml", "--output-dir", "here", "--dry-run", "--format", "json"]
    assert json.loads(run(words, capsys)[0])["folder"] == "here"


def test_an_option_that_a_command_has_itself_stands_in_the_place_of_the_shared_one():
    seen: list[tuple[RunSpec, str | None]] = []

    @takes_a_spec
    def command(spec: RunSpec, steps: str | None = None) -> None:
        seen.append((spec, steps))

    names = list(command.__signature__.parameters)
    assert names.count("steps") == 1
    assert names.index("steps") < names.index("guidance")
    given: Mapping[str, object] = dict.fromkeys(names) | {"steps": "5,10", "guidance": 2.0}
    command(**given)
    assert seen == [(RunSpec(guidance=2.0), "5,10")]


def test_help_says_what_lists_look_like(capsys: pytest.CaptureFixture[str]):
    out, _ = run(["sweep", "--help"], capsys)
    for word in ("--budget", "--against", "--metric ", "A,B,...", "Which is best"):
        assert word in out


def test_no_room_for_a_metric_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    metrics = ",".join(f"sweep_parts:{name}" for name in ("GREY", "DARK", "PLAIN"))
    monkeypatch.setenv("COLUMNS", "80")
    out, _ = run([*SWEEP, "--steps", "1", "--metrics", metrics, "--against", "passes"], capsys)
    table = out[: out.index("Take")].splitlines()
    assert max(map(len, table)) <= 80
    assert "plain" not in out
    assert ("dark ↓" in out) != ("No room for dark: see sweep.md." in out)
