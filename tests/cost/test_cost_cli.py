from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from evalsuite.cli import main
from evalsuite.rows import COLUMNS

COUNT = ["--sizes", "64,128", "--no-measure", "--quiet"]
FILES = ["cost.csv", "cost.json", "cost.md", "cost.png", "cost.svg"]


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["cost", *words])
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


def test_the_same_command_gives_the_same_bytes(
    card: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    folders = [tmp_path / name for name in ("a", "b")]
    shown = [run([card(), "toy", *COUNT, "--output-dir", str(folder)], capsys) for folder in folders]
    assert shown[0] == shown[1]
    assert sorted(path.name for path in folders[0].iterdir()) == FILES
    for name in FILES:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_every_format_says_the_same(
    card: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setenv("COLUMNS", "100")
    words = [card(), *COUNT, "--output-dir", str(tmp_path / "cost")]
    document = json.loads(run([*words, "--format", "json"], capsys)[0])
    assert json.loads((tmp_path / "cost" / "cost.json").read_text(encoding="utf-8")) == document
    lines = list(csv.DictReader((tmp_path / "cost" / "cost.csv").read_text(encoding="utf-8").splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert [(line["metric"], line["slice"]) for line in lines] == [(r["metric"], r["slice"]) for r in document["rows"]]
    assert [line["value"] for line in lines] == [
        "" if row["value"] is None else str(row["value"]) for row in document["rows"]
    ]
    assert document["plan"] == {
        "batch": 1, "dtype": "fp32", "guidance": 4.0, "sampler": "auto", "sizes": ["64x64", "128x128"], "steps": 20,
    }  # fmt: skip
    assert document["device"] is None
    table = run(words, capsys)[0]
    told = (tmp_path / "cost" / "cost.md").read_text(encoding="utf-8")
    for size in ("64x64", "128x128"):
        line = next(line for line in told.splitlines() if line.startswith(f"| {size} |"))
        assert all(cell in table for cell in line.strip("| ").split(" | "))


@pytest.mark.parametrize("form", ["csv", "md"])
def test_a_format_on_standard_output_is_that_of_its_file(form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out, _ = run(["toy", *COUNT, "--format", form, "--output-dir", str(tmp_path)], capsys)
    assert (tmp_path / f"cost.{form}").read_text(encoding="utf-8") == out


def test_what_was_measured_is_in_the_table_and_the_plot_within_100_columns(
    card: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(Path(card()).parent)
    words = ["tiny-dit.json", "toy", "--sizes", "64,4096x128", "--measure-seconds", "0.2", "--threads", "1", "--quiet"]
    out, err = run([*words, "--output-dir", str(tmp_path)], capsys)
    assert err == ""
    assert max(map(len, out.splitlines())) <= 100
    assert "…" not in out
    assert "Measured on cpu" in out
    assert "4096x128" in out
    drawing = (tmp_path / "cost.svg").read_text(encoding="utf-8")
    for shown in ("attention core", "forward with linear attention", "A pass of the denoiser, measured"):
        assert f"<!-- {shown} -->" in drawing
    assert "<dc:date>" not in drawing
    with Image.open(tmp_path / "cost.png") as picture:
        assert picture.size[0] > picture.size[1] > 400
        assert len(picture.convert("RGB").quantize(64).getcolors() or ()) > 5


def test_files_go_to_a_folder_named_after_the_models(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    _, err = run(["toy", "tiny_models:conv", "--sizes", "64", "--no-measure"], capsys)
    assert "written: outputs/cost-toy-tiny-models-conv/cost.json" in err
    assert sorted(path.name for path in (tmp_path / "outputs" / "cost-toy-tiny-models-conv").iterdir()) == FILES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "no model 'nonsense'"),
        (["shape:nonsense"], "no shape 'nonsense'"),
        (["toy", "--sizes", "big"], "--sizes 'big' is no size"),
        (["toy", "--dtype", "fp64"], "--dtype 'fp64'"),
        (["toy", "--sampler", "nonsense"], "--sampler 'nonsense'"),
        (["toy", "--batch-size", "0"], "--batch-size 0"),
        (["toy", "--measure-seconds", "0"], "--measure-seconds 0"),
        (["toy", "--device", "cuda:77"], "device cuda:77"),
        (["toy", "--device", "gpu"], "--device 'gpu'"),
        (["toy", "--threads", "0"], "--threads 0"),
        (["toy", "--output-dir", "FILE"], "a file is there"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    (tmp_path / "file").write_text("mine")
    given = [str(tmp_path / "file") if word == "FILE" else word for word in words]
    folder = [] if "--output-dir" in words else ["--output-dir", str(tmp_path / "out")]
    out, err = run([*given, *folder, "--quiet"], capsys, 2)
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "file").read_text() == "mine"


def test_hostile_names_are_shown_as_text(
    card: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.chdir(tmp_path)
    name = "-x [b]$a$<b>\x1b[2J.json"
    (tmp_path / name).write_bytes(Path(card()).read_bytes())
    out, _ = run([*COUNT, "--output-dir", "out", "--", name], capsys)
    assert not set(out) & set("\x1b\x07")
    written = {form: (tmp_path / "out" / f"cost.{form}").read_text(encoding="utf-8") for form in ("csv", "md", "svg")}
    assert all(not line["model"].startswith("-") for line in csv.DictReader(written["csv"].splitlines()))
    assert "<b>" not in written["md"].replace("\\<b\\>", "")
    assert "\x1b" not in written["md"] + written["svg"]


def test_4096_pixels_are_counted_without_taking_memory(environment: Mapping[str, str], tmp_path: Path):
    """The scores alone of one attention would take 275 GB."""
    code = (
        "import resource, sys, torch\n"
        "from evalsuite.cost import own, shapes\nfrom evalsuite.cost.count import Counts\n"
        "from evalsuite.cost.size import Size\n"
        "network = own.facebook(shapes.DIT['dit-xl-2'])\n"
        "counts = Counts(own.of_facebook('x', network, None), torch.float32)\n"
        "counts.split('denoiser', Size(64, 64))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = counts.split('denoiser', Size(4096, 4096)), counts.activations('denoiser', Size(4096, 4096), 1)\n"
        "print(found[0].core, found[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    core, activations, kilobytes = map(int, done.stdout.split())
    assert core == 28 * 4 * 65536**2 * 1152
    assert activations > 2**30
    assert kilobytes < 50_000


def test_help_imports_nothing_heavy(environment: Mapping[str, str], tmp_path: Path):
    code = (
        "import sys, contextlib, io\nfrom evalsuite.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['cost', '--help'])\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib', 'diffusers', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
