from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import tiny_models
import typer

from evalsuite import cli, options
from evalsuite.cli import main
from evalsuite.records import largest_bytes
from evalsuite.rows import COLUMNS
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore

TINY = ["--model", "toy", "--pixels", "4096", "--steps", "3", "--limit", "2", "--aspects", "1:1", "--threads", "1"]
SCORED = [*TINY, "--metrics", "v_variance"]


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


def spec_of(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """The spec that a command line means."""
    seen: list[RunSpec] = []
    monkeypatch.setattr("evalsuite.run_cli.make", lambda spec, *_: seen.append(spec))
    with pytest.raises(SystemExit) as caught:
        main(["run", *words])
    assert caught.value.code == 0
    return seen[0]


def test_help_loads_little_beyond_the_library_it_is_written_with(environment: Mapping[str, str], tmp_path: Path):
    """What a help costs is what it imports: counted, because a time depends on the machine."""

    def modules(code: str) -> set[str]:
        shown = f"{code}\nprint(*sys.modules, file=sys.stderr)"
        done = subprocess.run(
            [sys.executable, "-c", shown], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return set(done.stderr.split())

    base = modules(
        "import sys, typer\napp = typer.Typer()\n@app.command()\ndef one() -> None: ...\n"
        "app(['--help'], standalone_mode=False)"
    )
    ours = modules(
        "import sys, contextlib\nfrom evalsuite.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['--help'])"
    )
    assert (
        sorted(name for name in ours - base if name.split(".")[0] not in sys.stdlib_module_names | {"evalsuite"}) == []
    )


def test_help_groups_the_options_and_names_every_command(capsys: pytest.CaptureFixture[str]):
    out, err = run(["--help"], capsys)
    assert all(f" {command} " in out for command in ("run", "generate", "score", "list", "show"))
    out, err = run(["run", "--help"], capsys)
    assert all(panel in out for panel in (options.WHAT, options.HOW, options.WHERE, options.SHOWN))
    assert err == ""


def test_every_setting_has_an_option_and_every_option_a_variable():
    command = typer.main.get_command(cli.app).commands["run"]
    named = {param.name: param for param in command.params if param.name != "help"}
    assert set(RunSpec().to_json()) <= set(named)
    assert named.pop("weights").envvar is None  # evalsuite.weights reads EVALSUITE_WEIGHTS, which may be a folder
    for param in named.values():
        assert param.envvar == "EVALSUITE_" + param.opts[0].lstrip("-").replace("-", "_").upper()


def test_options_win_over_variables_over_the_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "run.yaml"
    path.write_text("steps: 7\nseed: 7\nguidance: 7\naspects: [16:9]\nmodels: [unet]\n")
    monkeypatch.setenv("EVALSUITE_STEPS", "8")
    monkeypatch.setenv("EVALSUITE_SEED", "8")
    monkeypatch.setenv("EVALSUITE_MODEL", "dit toy")
    found = spec_of(["--config", str(path), "--steps", "9"], monkeypatch)
    assert (found.steps, found.seed, found.guidance, found.shift) == (9, 8, 7.0, RunSpec().shift)
    assert found.aspects == ("16:9",)
    assert found.models == ("dit", "toy")


def test_no_options_mean_the_defaults(monkeypatch: pytest.MonkeyPatch):
    assert spec_of([], monkeypatch) == RunSpec()


def test_lists_repeat_or_have_commas(monkeypatch: pytest.MonkeyPatch):
    words = ["--model", "dit", "--model", "unet", "--aspects", "1:1, 16:9", "--metrics", "fid", "--batch-size", "8"]
    found = spec_of(words, monkeypatch)
    assert found.models == ("dit", "unet")
    assert found.aspects == ("1:1", "16:9")
    assert found.metrics == ("fid",)
    assert found.batch_size == 8


def test_arguments_of_models_and_the_negative_prompt_are_settings(monkeypatch: pytest.MonkeyPatch):
    words = ["--model", "toy?a=1&b=2", "--model-args", "vae=x, scale=3", "--negative-prompt", "blurred, ugly"]
    found = spec_of([*words, "--sampler", "dpm++2m"], monkeypatch)
    assert found.models == ("toy?a=1&b=2",)
    assert found.model_args == ("vae=x", "scale=3")
    assert (found.negative_prompt, found.sampler, found.shift) == ("blurred, ugly", "dpm++2m", None)


def test_a_run_ends_in_a_report_and_a_repeated_one_in_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    out, err = run(["run", *SCORED], capsys)
    (folder,) = (tmp_path / "outputs").iterdir()
    assert re.fullmatch(r"toy-smoke-[0-9a-f]{8}", folder.name)
    assert "toy on smoke" in out
    assert "v_variance@trajectory" in out
    assert "generate toy: 2 to do\ngenerate toy: 2 done" in err
    assert err.splitlines()[-1] == f"report: {folder / 'report.md'}"
    made = {path.name for path in folder.iterdir()}
    assert {"run.json", "results.json", "scores.csv", "report.md", "v_variance.png"} <= made
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again, err = run(["run", *SCORED], capsys)
    assert again == out
    assert "generate" not in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_each_format_is_all_there_is_on_stdout(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["run", *SCORED, "--output-dir", str(tmp_path / "run"), "--quiet", "--format"]
    out, err = run([*words, "json"], capsys)
    assert err == ""
    document = json.loads(out)
    assert {row["metric"] for row in document["rows"]} >= {"v_variance@trajectory"}
    assert document["spec"]["steps"] == 3
    out, _ = run([*words, "csv"], capsys)
    lines = list(csv.DictReader(io.StringIO(out)))
    assert list(lines[0]) == list(COLUMNS)
    assert len(lines) == len(document["rows"])
    out, _ = run([*words, "md"], capsys)
    assert out == (tmp_path / "run" / "report.md").read_text(encoding="utf-8")


def test_results_have_no_trace_of_when_or_where(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    texts = []
    for name in ("one", "two"):
        out, _ = run(["run", *SCORED, "--output-dir", str(tmp_path / name), "--format", "json"], capsys)
        assert str(tmp_path) not in out
        texts.append([out, *[(tmp_path / name / f).read_bytes() for f in ("scores.csv", "report.md", "run.json")]])
    assert texts[0] == texts[1]


def test_generate_prints_the_folder_and_score_needs_no_model(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., RunSpec]
):
    spec = tiny()
    words = ["--model", "tiny_models:conv", "--prompts", spec.prompts, "--pixels", "4096", "--steps", "2"]
    out, _ = run(["generate", *words, "--output-dir", str(spec.output_dir), "--metrics", "v_variance"], capsys)
    assert out == f"{spec.output_dir}\n"
    assert not (Path(spec.output_dir) / "report.md").exists()
    monkeypatch.setattr(tiny_models, "conv", None)
    out, _ = run(["score", str(spec.output_dir)], capsys)
    assert "v_variance@trajectory" in out
    assert (Path(spec.output_dir) / "report.md").exists()


def test_scoring_by_another_metric_makes_no_image(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    folder = tmp_path / "run"
    run(["generate", *TINY, "--output-dir", str(folder)], capsys)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("images/*/*")}
    out, _ = run(["score", str(folder), "--metrics", "v_variance", "--format", "json"], capsys)
    assert {row["metric"].partition("@")[0] for row in json.loads(out)["rows"]} == {
        "v_variance",
        "v_variance_conditional",
    }
    assert {path: path.stat().st_mtime_ns for path in folder.glob("images/*/*")} == before


def test_a_dry_run_counts_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Callable[..., RunSpec]
):
    spec = tiny(prompts=7)
    words = ["--model", "tiny_models:conv", "--prompts", spec.prompts, "--pixels", "4096", "--steps", "5"]
    words += ["--aspects", "1:1,3:2", "--batch-size", "3", "--num-images", "2", "--output-dir", str(spec.output_dir)]
    before = sorted(tmp_path.rglob("*"))
    out, _ = run(["run", *words, "--dry-run", "--format", "json"], capsys)
    told = json.loads(out)
    shown, _ = run(["run", *words, "--dry-run"], capsys)
    assert sorted(tmp_path.rglob("*")) == before
    sizes = {(s["width"], s["height"]): (s["images"], s["units"]) for s in told["sizes"]}
    assert sizes == {(64, 64): (14, 5), (80, 48): (14, 5)}
    assert told["weights"][0]["parameters"] == sum(p.numel() for p in tiny_models.conv().parameters())
    assert told["weights"][0]["bytes"] == 4 * told["weights"][0]["parameters"]
    assert told["seconds"] == pytest.approx(sum(s["units"] * s["seconds_per_unit"] for s in told["sizes"]))
    assert told["seconds"] > 0
    assert "28" in shown
    assert "scoring not included" in shown
    run(["generate", *words], capsys)
    with RunStore.open(Path(spec.output_dir)) as store:
        assert told["largest_bytes"] == largest_bytes(store.manifest.units, 5)
        images = sum(path.stat().st_size for path in store.folder.glob("images/*/*.png"))
        notes = sum(path.stat().st_size for path in store.folder.glob("records/*.json"))
    assert images + notes <= told["largest_bytes"]


def test_a_run_that_lacks_memory_reports_the_rest_and_ends_with_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny: Callable[..., RunSpec]
):
    spec = tiny(models=("tiny_models:hungry",))
    words = ["run", "--model", "tiny_models:hungry", "--prompts", spec.prompts, "--pixels", "4096", "--steps", "2"]
    words += ["--aspects", "1:1,3:2", "--metrics", "v_variance", "--output-dir", str(spec.output_dir)]
    out, err = run(words, capsys, code=3)
    assert "v_variance@trajectory" in out
    assert "4 of 8 images are not made" in " ".join(out.split())
    assert "80x48: out of memory at batch 4" in err
    assert err.splitlines()[-1].startswith("error: 4 of 8 images are not made (tiny_models:hungry 80x48")
    run(["score", str(spec.output_dir), "--quiet"], capsys, code=3)
    monkeypatch.setattr(tiny_models.Hungry, "starving", False)
    out, err = run(words, capsys)
    assert "not made" not in out + err
    assert "generate tiny_models:hungry: 4 done" in err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list", "models"], ["dit", "unet", "toy"]),
        (["list", "prompts"], ["smoke", "scenes", "edits", "open"]),
        (["list", "metrics"], ["hps", "clip_score", "clip_direction", "fid", "v_variance"]),
        (["show", "toy"], ["closed-form", "backbones.toy:toy"]),
        (["show", "fid"], ["fid@scenes", "1706.08500", "lower"]),
        (["show", "fid@scenes"], ["fid@scenes"]),
        (["show", "smoke"], ["16, 6 of them edits"]),
        (["--version"], ["evalsuite 0."]),
    ],
)
def test_what_there_is_can_be_listed_and_shown(
    words: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
):
    out, err = run(words, capsys)
    assert err == ""
    for text in expected:
        assert text in out


def test_a_prompt_file_of_hostile_text_can_be_shown_and_run(
    capsys: pytest.CaptureFixture[str], prompt_file: Callable[..., str], tmp_path: Path
):
    path = prompt_file(
        [{"id": f"h{n}", "text": text} for n, text in enumerate(["a [/b] c \x1b]0;owned\x07", "zz[red]\x1b[2J"])]
    )
    out, _ = run(["show", path], capsys)
    assert "a [/b] c" in out
    words = ["--prompts", path, "--pixels", "4096", "--steps", "2", "--metrics", "v_variance"]
    shown, err = run(["run", "--model", "tiny_models:conv", *words, "--output-dir", str(tmp_path / "run")], capsys)
    assert "zz[red]" in shown
    assert not set(out + shown + err) & set("\x1b\x07")
    assert "\x1b" not in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
