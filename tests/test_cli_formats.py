"""What is printed in each format, and the names and lists that commands take."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.errors import InputError
from evalsuite.pipeline import make, rescore
from evalsuite.scoring import Scoring
from evalsuite.spec import RunSpec

TINY = ["--model", "toy", "--pixels", "4096", "--steps", "2", "--limit", "2", "--aspects", "1:1,3:2", "--threads", "1"]


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == 0, err
    return str(out)


@pytest.mark.parametrize("form", ["table", "csv", "md"])
def test_generate_prints_the_bare_folder(form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out = run(["generate", *TINY, "--output-dir", str(tmp_path / "run"), "--format", form], capsys)
    assert out == f"{tmp_path / 'run'}\n"


def test_generate_as_json_is_json(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out = run(["generate", *TINY, "--output-dir", str(tmp_path / "run"), "--format", "json"], capsys)
    assert json.loads(out) == {"folder": str(tmp_path / "run")}


def test_a_dry_run_has_every_format(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["run", *TINY, "--output-dir", str(tmp_path / "run"), "--dry-run", "--format"]
    lines = list(csv.DictReader(io.StringIO(run([*words, "csv"], capsys))))
    assert [(line["model"], line["width"], line["height"], line["images"]) for line in lines] == [
        ("toy", "64", "64", "2"),
        ("toy", "80", "48", "2"),
    ]
    assert all(float(line["seconds_per_unit"]) > 0 for line in lines)
    shown = run([*words, "md"], capsys).splitlines()
    assert shown[:2] == ["| model | size | images | units | time |", "| --- | --- | --- | --- | --- |"]
    assert [line.split(" | ")[:3] for line in shown[2:]] == [
        ["| toy", "64x64", "2"],
        ["| toy", "80x48", "2"],
        ["| all", "", "4"],
    ]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "variable"),
    [(["--model", "dit,unet"], ""), ([], "dit,unet"), ([], "dit, unet"), (["--model", "dit", "--model", "unet"], "")],
)
def test_models_have_commas_too(words: list[str], variable: str, monkeypatch: pytest.MonkeyPatch):
    seen: list[RunSpec] = []
    monkeypatch.setattr("evalsuite.run_cli.make", lambda spec, *_: seen.append(spec))
    if variable:
        monkeypatch.setenv("EVALSUITE_MODEL", variable)
    with pytest.raises(SystemExit):
        main(["run", *words])
    assert seen[0].models == ("dit", "unet")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("fid", 4),
        ("fid@inception-clean", 2),
        ("fid_infinity", 2),
        ("fid_infinity@scenes", 1),
        ("fid_infinity@inception-clean", 1),
        ("clip_image_similarity", 2),
        ("v_variance", 2),
        ("v_variance@trajectory", 2),
    ],
)
def test_a_metric_is_shown_without_its_suffix(name: str, count: int, capsys: pytest.CaptureFixture[str]):
    out = run(["show", name], capsys)
    assert name in out
    assert sum(line.startswith("title") for line in out.splitlines()) == count


def test_scoring_checks_its_options_before_the_machine(tiny: Callable[..., RunSpec]):
    folder = make(tiny(), scored=False).folder
    with pytest.raises(InputError, match="threads is 0"):
        rescore(folder, Scoring(threads=0))
    with pytest.raises(InputError, match="device 'tpu' is unknown: use auto, cpu"):
        rescore(folder, Scoring(device="tpu"))
    assert rescore(folder, Scoring(device="auto", threads=1)).rows is not None
