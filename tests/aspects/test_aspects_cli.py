from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from evalsuite.aspects.counting import COUNTER, ERROR, EXCESS, WRONG
from evalsuite.cli import main
from evalsuite.rows import COLUMNS

FILES = ("aspects.csv", "aspects.json", "aspects.md", "aspects.png", "aspects.svg")
MODELS = ("dit", "dit?positions=corner")


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


def make(folder: Path, *words: str) -> str:
    common = ["--steps", "1", "--guidance", "1", "--threads", "1", "--device", "cpu", "--quiet"]
    with pytest.raises(SystemExit) as caught, redirect_stdout(StringIO()):
        main(["run", *words, *common, "--output-dir", str(folder)])
    assert caught.value.code == 0
    return str(folder)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two placements of the transformer over three captions and three ratios."""
    folder = tmp_path_factory.mktemp("bundled")
    prompts = folder / "mine.jsonl"
    texts = ("a fox on a blue background", "two stars on a red background", "a hat left of a key on a white background")
    lines = [json.dumps({"id": f"p{place}", "text": text}) + "\n" for place, text in enumerate((*texts, "a boat"))]
    prompts.write_text("".join(lines), encoding="utf-8")
    models = [word for model in MODELS for word in ("--model", model)]
    return make(folder / "run", *models, "--prompts", str(prompts), "--aspects", "2:3,1:1,3:2", "--metrics", "hps,fid")


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., str]:
    def made(*words: str, name: str = "toy") -> str:
        shared = ("--model", "toy", "--prompts", "smoke", "--limit", "3", "--pixels", "4096")
        return make(tmp_path / name, *shared, "--metrics", "v_variance", *words)

    return made


@pytest.fixture(scope="module")
def shown(bundled: str) -> str:
    """What the command prints of it in 100 columns; its files are in the run's folder."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as caught:
            main(["aspects", bundled, "--threads", "1", "--quiet"])
    assert caught.value.code == 0
    return out.getvalue()


def test_the_tables_fit_and_cut_no_number(shown: str):
    for title in ("By aspect ratio", "Worst ratio", "Landscape minus portrait", "The scorer's own bias", "Number of"):
        assert title in shown
    assert "not a network that was trained so" in " ".join(shown.split())
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_the_same_run_gives_the_same_bytes_again(bundled: str, shown: str, capsys: pytest.CaptureFixture[str]):
    folder = Path(bundled) / "aspects"
    before = {name: (folder / name).read_bytes() for name in FILES}
    out, err = run(["aspects", bundled, "--threads", "1", "--format", "json"], capsys)
    assert {name: (folder / name).read_bytes() for name in FILES} == before
    assert out.encode() == before["aspects.json"]
    assert "written: " in err
    assert "score scenes: 8 done" in err  # four squares, letterboxed to two ratios each


def test_the_rows_say_what_the_run_says_and_agree_with_each_other(bundled: str, shown: str):
    found = json.loads((Path(bundled) / "aspects" / "aspects.json").read_text(encoding="utf-8"))
    rows = {(row["model"], row["metric"], row["slice"]): row for row in found["rows"]}
    assert len(rows) == len(found["rows"])
    assert list(found["rows"][0]) == sorted(COLUMNS)
    results = json.loads((Path(bundled) / "results.json").read_text(encoding="utf-8"))["rows"]
    for row in results:
        if row["slice"].startswith("aspect=") and row["n"]:
            assert rows[row["model"], row["metric"], row["slice"]]["value"] == row["value"]
    for model in MODELS:
        values = {aspect: rows[model, "hps@scenes", f"aspect={aspect}"]["value"] for aspect in ("2:3", "1:1", "3:2")}
        for aspect in ("2:3", "3:2"):
            change, bias, left = (
                rows[model, "hps@scenes", f"{kind}={aspect}/1:1"]["value"]
                for kind in ("difference", "bias", "corrected")
            )
            assert change == pytest.approx(values[aspect] - values["1:1"])
            assert left == pytest.approx(change - bias)
            control = rows[model, "hps@scenes", f"letterboxed={aspect}"]
            assert bias == pytest.approx(control["value"] - values["1:1"])
            assert control["n"] == 4
        assert rows[model, "hps@scenes", "asymmetry=3:2/2:3"]["value"] == pytest.approx(values["3:2"] - values["2:3"])
        assert (model, "fid@scenes", "difference=3:2/1:1") in rows
        assert not any(key[:2] == (model, "fid@scenes") and key[2].startswith(("bias", "letter")) for key in rows)
        for name in (WRONG, EXCESS, ERROR):
            assert rows[model, name, "aspect=3:2"]["n"] == 3
    assert rows[COUNTER[0], WRONG, "aspect=3:2"]["n"] == 400
    # At the square both placements make the same pictures; "a boat" has no known number.
    one, other = (rows[model, "hps@scenes", "aspect=1:1"]["value"] for model in MODELS)
    assert one == other
    assert any("3 of 12 images have a caption of no known number" in note for note in found["notes"])
    assert found["counter"]["recipe"]["split"] == "held-out"


def test_one_model_of_a_run_one_metric_and_neither_control_nor_count(
    bundled: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    words = ["aspects", f"{bundled}:dit", "--metrics", "hps", "--no-control", "--no-count", "--quiet"]
    text = run([*words, "--output-dir", str(tmp_path / "out"), "--format", "csv"], capsys)[0]
    lines = list(csv.DictReader(StringIO(text)))
    assert {line["metric"] for line in lines} == {"hps@scenes"}
    assert {line["model"] for line in lines} == {"dit"}
    assert {line["slice"].partition("=")[0] for line in lines} == {"aspect", "difference", "drop", "asymmetry"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    assert (tmp_path / "out" / "aspects.csv").read_text(encoding="utf-8") == text


def test_black_padding_moves_the_bias_and_not_the_change(
    bundled: str, shown: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    words = ["aspects", f"{bundled}:dit", "--metrics", "hps", "--no-count", "--quiet", "--padding", "black"]
    text = run([*words, "--output-dir", str(tmp_path / "black"), "--format", "json"], capsys)[0]
    stored = (Path(bundled) / "aspects" / "aspects.json").read_text(encoding="utf-8")
    of = ("dit", "hps@scenes")
    rows = [
        [row for row in json.loads(found)["rows"] if (row["model"], row["metric"]) == of] for found in (text, stored)
    ]
    black, border = ({row["slice"]: row["value"] for row in found} for found in rows)
    assert border["bias=3:2/1:1"] != black["bias=3:2/1:1"]
    assert border["difference=3:2/1:1"] == black["difference=3:2/1:1"]


def test_two_runs_stand_side_by_side(toy: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path):
    one, other = toy("--aspects", "1:1,3:2"), toy("--aspects", "1:1,3:2", "--seed", "1", name="other")
    out = ["--output-dir", str(tmp_path / "out"), "--quiet", "--format", "json", "--no-count"]
    found = json.loads(run(["aspects", one, other, *out], capsys)[0])
    assert found["models"] == ["toy (toy)", "toy (other)"]
    assert any("no metric that a letterbox could move" in note for note in found["notes"])


def test_bad_input_is_one_line_and_nothing_is_written(
    toy: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    run_of_two, run_of_one = toy("--aspects", "1:1,3:2"), toy("--aspects", "3:2", name="one")
    (tmp_path / "file").write_text("")
    for words, complaint in (
        ([run_of_one], "toy has 3:2 alone: make a run of two ratios or more"),
        ([str(tmp_path / "nowhere")], "no such run folder"),
        ([run_of_two, "--metrics", "hps"], "no run was scored by 'hps'"),
        ([run_of_two, "--padding", "white"], "--padding 'white' is unknown: use border, black, grey"),
        ([run_of_two, "--output-dir", str(tmp_path / "file")], "is a file: name a folder"),
        ([run_of_two, "--device", "tpu"], "device 'tpu' is unknown"),
    ):
        out, err = run(["aspects", *words, "--quiet"], capsys, 2)
        assert out == ""
        assert complaint in err
        assert err.count("\n") == 1
    assert not (Path(run_of_two) / "aspects").exists()


def test_a_control_whose_network_is_not_here_says_how_to_go_without(
    bundled: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from evalsuite import scorecard
    from evalsuite.digest import digest

    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    data = json.loads((Path(bundled) / scorecard.NAME).read_text(encoding="utf-8"))
    del data["sha256"]
    for card in data["cards"]:
        card["run"]["spec"]["metrics"] = ["hps@v2.1"]
        card["metrics"] = {"hps@v2.1": card["metrics"]["hps@scenes"] | {"name": "hps@v2.1"}}
        for row in card["metrics"]["hps@v2.1"]["rows"]:
            row["metric"] = "hps@v2.1"
    (tmp_path / "scores.json").write_text(json.dumps(data | {"sha256": digest(data)}), encoding="utf-8")
    out, err = run(["aspects", str(tmp_path), "--quiet"], capsys, 2)
    assert out == ""
    assert "the control of hps@v2.1" in err
    assert "--no-control" in err
    text = run(["aspects", str(tmp_path), "--quiet", "--no-control", "--format", "md"], capsys)[0]
    assert "12 of 12 images have no image file here" not in text
    assert "have no image file here and are not counted" in text
