from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from made_cards import card

from evalsuite import scorecard
from evalsuite.cli import main
from evalsuite.compare_text import csv_cell
from evalsuite.scorecard import Scorecard


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


def kept(folder: Path, *cards: Scorecard) -> str:
    folder.mkdir()
    scorecard.write(folder, cards)
    return str(folder)


@pytest.mark.parametrize("columns", ["100", "80"])
def test_the_table_fits_and_cuts_no_number(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("COLUMNS", columns)
    folder = kept(tmp_path / "run", card("a"), card("a model of a long name", noise=2))
    out, err = run(["compare", folder, "--by", "aspect,tag"], capsys)
    assert err == ""
    assert max(map(len, out.splitlines())) <= int(columns)
    assert "…" not in out
    assert "metric, by aspect" in out
    assert "metric, by tag" in out
    assert ("No room for" in out) == (columns == "80")


def test_every_format_says_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    a, b = kept(tmp_path / "one", card("m")), kept(tmp_path / "two", card("m", noise=2))
    data = json.loads(run(["compare", a, b, "--format", "json"], capsys)[0])
    assert data["labels"] == ["m (one)", "m (two)"]
    lines = list(csv.DictReader(io.StringIO(run(["compare", a, b, "--format", "csv"], capsys)[0])))
    assert [float(line["value"]) for line in lines] == [d["value"] for d in data["differences"]]
    shown = run(["compare", a, b, "--format", "md", "--by", "none", "--metrics", "hps"], capsys)[0]
    assert shown.startswith("**")
    assert sum(line.startswith("|") for line in shown.splitlines()) == 3


def test_sources_are_folders_files_and_models_of_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    several = kept(tmp_path / "several", card("x:conv"), card("y", noise=2))
    single = kept(tmp_path / "single", card("x:conv", noise=3))
    json_of = ["--format", "json", "--by", "none"]

    def labels(*words: str) -> list[str]:
        found: list[str] = json.loads(run(["compare", *words, *json_of], capsys)[0])["labels"]
        return found

    assert labels(several) == ["x:conv", "y"]
    assert labels(f"{several}:x:conv", single) == ["x:conv (several)", "x:conv (single)"]
    assert labels(f"{several}:y", f"{single}/scores.json") == ["y", "x:conv"]
    assert labels(single, single) == ["x:conv (single) #1", "x:conv (single) #2"]
    assert labels(f"{several}:y", single, f"{several}:x:conv")[0] == "y"
    assert "name one as" in run(["compare", several, single], capsys, 2)[1]
    assert "no model 'z'; it has x:conv, y" in run(["compare", f"{several}:z", single], capsys, 2)[1]
    assert "no such run folder" in run(["compare", str(tmp_path / "nowhere"), single], capsys, 2)[1]
    assert "one model cannot be compared" in run(["compare", single], capsys, 2)[1]
    assert "use aspect, tag, or none" in run(["compare", several, "--by", "colour"], capsys, 2)[1]


@pytest.mark.parametrize("form", ["table", "md", "csv"])
def test_hostile_names_are_shown_as_text(form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    folder = kept(tmp_path / "run", card("=cmd [/b] \x1b[2J|<b>"), card("b", noise=2))
    out, _ = run(["compare", folder, "--format", form], capsys)
    assert not set(out) & set("\x1b\x07") or form == "csv"
    if form == "csv":
        assert all(not line["first"].startswith("=") for line in csv.DictReader(io.StringIO(out)))
    if form == "md":
        assert "<b>" not in out.replace("\\<b\\>", "")


@pytest.mark.parametrize("command", [["compare"], ["gate", "--baseline"]])
def test_judging_imports_nothing_heavy(command: list[str], environment: Mapping[str, str], tmp_path: Path):
    folder = kept(tmp_path / "run", card("a"), card("b", noise=2))
    words = [command[0], folder, *command[1:], *([folder] if command[1:] else [])]
    code = (
        "import sys\nfrom contextlib import *\nfrom io import StringIO\nfrom evalsuite.cli import main\n"
        f"with suppress(SystemExit), redirect_stdout(StringIO()) as out:\n    main({words!r})\n"
        "print(len(out.getvalue()) > 500, [n for n in ('torch', 'pandas', 'PIL', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "True []\n", done.stderr


@pytest.mark.parametrize(
    ("value", "cell"),
    [("a\x1b[31mb\x07", "ab"), ("=1+1", "'=1+1"), ("\t=1+1", "'=1+1"), ("a\nb", "a b"), ("-1", "'-1"), (-1.5, -1.5)],
)
def test_a_csv_cell_steers_neither_terminal_nor_spreadsheet(value: object, cell: object):
    assert csv_cell(value) == cell
