"""``evalsuite probe`` as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from evalsuite.cli import main
from evalsuite.probe import panels
from evalsuite.probe import run as flow
from evalsuite.rows import COLUMNS
from evalsuite.spec import RunSpec

Probe = Callable[..., tuple[str, str]]
Rows = Callable[[str], dict[tuple[str, str, str], dict[str, str]]]
CONV, TWICE = "probe_models:conv", "probe_models:scaled?scale=2"


def test_a_probe_leaves_bank_rows_report_and_curves_and_a_repeated_one_the_same_bytes(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(panels, "ON_BANK", ("slope",))  # a panel of each figure, and two of differences
    monkeypatch.setattr(panels, "ON_PATHS", ("s",))
    shown = [probe(CONV, TWICE, folder=name)[0] for name in ("one", "two")]
    assert shown[0] == shown[1]
    files = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert "![path-curves.png](path-curves.png)" in (tmp_path / "one" / "probe.md").read_text()
    assert {str(file) for file in files if file.parent == Path()} == {
        "bank.safetensors", "bank.json", "probe.csv", "probe.json", "probe.md", "differences.csv", ".lock",
        *(f"{name}-curves.{kind}" for name in ("bank", "path", "difference") for kind in ("png", "svg")),
    }  # fmt: skip
    for file in files - {Path(".lock")}:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


@pytest.mark.usefixtures("_undrawn")
def test_rows_are_of_the_long_form_and_say_field_slice_interval_n_and_protocol(probe: Probe, rows_of: Rows):
    out, _ = probe(CONV, "--format", "csv")
    found = list(csv.DictReader(io.StringIO(out)))
    assert list(found[0]) == list(COLUMNS)
    rows = rows_of(out)
    for field in ("conditional", "unconditional"):
        for key in ("mse", "r2", "slope", "v_noise", "bias", "noise"):
            for part in ("all", "t=0.02", "t=0.50", "t=0.98"):
                row = rows[CONV, f"probe_{key}_{field}@bank", part]
                assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
                assert row["n"] == "4"
    for field in ("guided", "conditional"):
        assert float(rows[CONV, f"probe_s_{field}@path", "all"]["value"]) > 0
        assert float(rows[CONV, f"probe_ns_{field}@path", "all"]["value"]) > 0
        assert -1 <= float(rows[CONV, f"probe_cosine_{field}@path", "t=0.75"]["value"]) <= 1
        assert rows[CONV, f"probe_s_{field}@path", "all"]["n"] == "2"
        assert "carries the solver's own error" in rows[CONV, f"probe_s_{field}@path", "all"]["note"]
    assert "guidance 4" in rows[CONV, "probe_s_guided@path", "all"]["protocol"]
    assert "no guidance" in rows[CONV, "probe_s_conditional@path", "all"]["protocol"]
    assert rows[CONV, "probe_v_target@bank", "t=0.50"]["value"] == "1.0"
    whole = float(rows[CONV, "probe_mse_conditional@bank", "all"]["value"])
    parts = [float(rows[CONV, "probe_mse_conditional@bank", f"t={t}"]["value"]) for t in ("0.02", "0.50", "0.98")]
    assert whole == pytest.approx(sum(parts) / 3, rel=1e-12)
    deviations = [
        float(row["value"])
        for (_, metric, part), row in rows.items()
        if metric == "probe_s_guided@path" and part != "all"
    ]
    assert sum(deviations) / 4 == pytest.approx(float(rows[CONV, "probe_s_guided@path", "all"]["value"]), rel=1e-12)


@pytest.mark.usefixtures("_undrawn")
def test_every_format_has_the_same_numbers(probe: Probe, rows_of: Rows):
    rows = rows_of(probe(CONV, TWICE, "--format", "csv")[0])
    data = json.loads(probe(CONV, TWICE, "--format", "json")[0])
    assert len(data["rows"]) == len(rows)
    assert [item["ln_snr"] for item in data["about"]["times"]] == pytest.approx([7.7836, 0, -7.7836], abs=1e-3)
    first = data["rows"][0]
    assert rows[first["model"], first["metric"], first["slice"]]["value"] == str(first["value"])
    table, markdown = probe(CONV, TWICE)[0], probe(CONV, TWICE, "--format", "md")[0]
    for text in (table, markdown.replace("\\_", "_")):
        assert "ns guided" in text or "probe_ns_guided@path" in text
        assert "mse conditional ↓" in text or "probe_mse_conditional@bank ↓" in text


@pytest.mark.usefixtures("_undrawn")
def test_a_second_run_asks_nothing_again_and_a_stopped_one_goes_on_with_the_models_that_are_left(
    probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    ask = flow.ask

    def counted(model, *rest):
        asked.append(model.name)
        if model.name == "conv x 2" and len(asked) < 3:
            raise KeyboardInterrupt
        return ask(model, *rest)

    monkeypatch.setattr(flow, "ask", counted)
    probe(CONV, TWICE, code=130)
    assert asked == ["conv", "conv x 2"]
    assert not (tmp_path / "out" / "probe.json").exists()
    first = probe(CONV, TWICE)[0]
    assert asked == ["conv", "conv x 2", "conv x 2"]
    assert probe(CONV, TWICE)[0] == first
    probe(TWICE)
    assert len(asked) == 3
    probe(CONV, "--guidance", "2")
    assert len(asked) == 4
    for path in (tmp_path / "out" / "numbers").iterdir():
        path.write_text("{}")
    assert probe(CONV, TWICE)[0] == first
    assert len(asked) == 6


@pytest.mark.usefixtures("_undrawn")
def test_a_saved_bank_shows_other_models_the_same(probe: Probe, rows_of: Rows, tmp_path: Path):
    before = rows_of(probe(CONV, "--format", "csv")[0])
    after = rows_of(probe(CONV, TWICE, "--bank", str(tmp_path / "out"), "--format", "csv", folder="again")[0])
    assert {key: row for key, row in after.items() if key[0] == CONV} == before
    assert (tmp_path / "again" / "bank.safetensors").read_bytes() == (
        tmp_path / "out" / "bank.safetensors"
    ).read_bytes()
    (tmp_path / "data" / "p0.png").unlink()
    assert rows_of(probe(CONV, "--bank", str(tmp_path / "out"), "--format", "csv", folder="third")[0]) == before
    said = probe("toy", "--bank", str(tmp_path / "out"), code=2)[1]
    assert "has no latents of model 'toy'" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "no model 'nonsense'"),
        (["tiny_models:conv"], "has no `latents`, which would turn pictures into what its denoiser sees"),
        (["toy", "toy"], "models has 'toy' twice"),
        (["toy", "--draws", "5"], "they come in pairs e, -e, two at least"),
        (["toy", "--draws", "1", "--independent"], "--draws is 1: use a whole number from 2"),
        (["toy", "--images", "1"], "--images is 1: use a whole number from 2"),
        (["toy", "--images", "5"], "has 4 images that show one of the prompts, 5 are asked for"),
        (["toy", "--times", "soon"], "write how many, or times such as 0.1,0.5,0.9"),
        (["toy", "--times", "0.001,0.5"], "from 0.02 to 0.98"),
        (["toy", "--times", "0.5,0.5"], "at least two, each once"),
        (["toy", "--steps", "1"], "needs at least 2 steps"),
        (["toy", "--steps", "many"], "Invalid value for '--steps'"),
        (["toy", "--sampler", "ddim"], "paths are walked by euler, heun, midpoint"),
        (["toy", "--size", "32"], "write width x height in pixels, such as 256x256"),
        (["toy", "--size", "40x40"], "choose a --size that it takes"),
        (["toy", "--dtype", "fp8"], "dtype 'fp8' is unknown"),
        (["toy", "--guidance", "nan"], "guidance is nan"),
        (["toy", "--prompts", "none-such.txt"], "none-such.txt"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words: Sequence[str], said: str, probe: Probe, tmp_path: Path):
    _, err = probe(*words, code=2, told="--prompts" not in words)
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("_undrawn")
def test_a_bank_has_settled_what_makes_one_and_a_folder_of_another_probe_is_left_alone(
    probe: Probe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    probe(CONV)
    for words, said in (
        (["--bank", str(tmp_path / "out"), "--seed", "1"], "has settled its seed: leave out --seed"),
        (["--prompts", "smoke"], "--prompts goes with --data"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["probe", CONV, *words])
        assert caught.value.code == 2
        assert said in capsys.readouterr().err
    assert "has the bank of another probe: choose another --output-dir" in probe(CONV, "--seed", "1", code=2)[1]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    assert "holds other things (mine.txt)" in probe(CONV, code=2, folder="full")[1]


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("form", ["table", "md", "csv"])
def test_hostile_captions_and_names_are_shown_as_text(
    form: str, probe: Probe, tmp_path: Path, prompt_file: Callable[..., str]
):
    texts = ["=cmd [/b] \\u202e|<b>", "$x_1$", "`rm`", "**"]
    hostile = prompt_file([{"id": f"p{n}", "text": text} for n, text in enumerate(texts)], "hostile.jsonl")
    out, _ = probe(CONV, TWICE, "--prompts", hostile, "--format", form, told=False)
    assert not set(out) & set("\x1b\x07\u202e")
    assert "probe_mse_conditional" in out.replace("\\_", "_") or "mse conditional" in out


def test_paths_have_fifty_steps_where_none_are_named():
    assert flow._resolved(RunSpec(models=("dit",), device="cpu")).steps == 50
    assert flow._resolved(RunSpec(models=("dit",), device="cpu", steps=7)).steps == 7


def test_what_the_numbers_are_is_shown(capsys: pytest.CaptureFixture[str]):
    for name, count in (
        ("probe", 12),
        ("probe_ns", 1),
        ("probe_mse_conditional@bank", 1),
        ("probe_slope_unconditional", 1),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["show", name])
        assert caught.value.code == 0
        assert capsys.readouterr().out.count("evalsuite probe") == count
