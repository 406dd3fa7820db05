import csv
import errno
import json
import math
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reports
from reports import files


def test_json_does_not_depend_on_the_order_of_rows_or_settings(tmp_path, pair):
    rows = pair(0.5, 0.7)
    first = files.write_json(rows, {"spec": {"a": 1, "b": 2}}, tmp_path / "a.json").read_bytes()
    second = files.write_json(rows[::-1], {"spec": {"b": 2, "a": 1}}, tmp_path / "b.json").read_bytes()
    assert first == second


def test_json_has_every_row_and_nothing_that_json_lacks(tmp_path, frame, row):
    rows = frame(
        [row(value=math.nan, low=None, high=math.inf, higher_is_better=None), row(model="unet", value=0.1 + 0.2)]
    )
    context = {"notes": ["猫 \ud800"], "gallery": [1], "command": "x", "spec": {"sizes": np.arange(2)}}
    text = files.write_json(rows, context, tmp_path / "results.json").read_text("utf-8")
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert set(document) == {"schema", "notes", "rows", "spec"}
    assert document["notes"] == ["猫 \ud800"]
    assert document["spec"] == {"sizes": [0, 1]}
    assert [(r["model"], r["value"], r["high"], r["higher_is_better"]) for r in document["rows"]] == [
        ("dit", None, None, None),
        ("unet", 0.1 + 0.2, 0.6, True),
    ]


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_json_has_every_point_of_the_curves_sorted(tmp_path, frame, row):
    points = [("b", "guided variance", 0.5, 2.0), ("a", "guided variance", 1.0, math.nan), ("a", "x", 0.0, 3.0)]
    points.append(("a", "guided variance", np.float64(0.25), np.float32(0.5)))
    curves = pd.DataFrame(points, columns=["model", "series", "t", "value"])
    path = files.write_json(frame([row()]), {"curves": curves}, tmp_path / "results.json")
    assert json.loads(path.read_text("utf-8"))["curves"] == [
        {"model": "a", "series": "guided variance", "t": 0.25, "value": 0.5},
        {"model": "a", "series": "guided variance", "t": 1.0, "value": None},
        {"model": "a", "series": "x", "t": 0.0, "value": 3.0},
        {"model": "b", "series": "guided variance", "t": 0.5, "value": 2.0},
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-0.5", "@SUM(A1)", " =1", "\0=1"])
def test_text_that_a_spreadsheet_would_calculate_is_defused(tmp_path, text):
    table = pd.DataFrame({"text": [text], text: ["safe"]})
    defused = "'" + text.replace("\0", "")
    assert read_csv(files.write_csv(table, tmp_path / "scores.csv")) == [["text", defused], [defused, "safe"]]


def test_each_image_has_one_line_and_no_control_characters(tmp_path):
    text = "one\ntwo\r\nthree\rfour\x1b[31m\x07\x9b2J\u2028five\tsix\0 seven\x85eight"
    table = pd.DataFrame({"te\nxt": [text], "tags": [("a\nb", "c")]})
    header, line = files.write_csv(table, tmp_path / "scores.csv").read_text("utf-8").splitlines()
    assert header == "te xt,tags"
    assert line == "one two three four[31m2J five six seven eight,a b;c"


@pytest.mark.parametrize("text", ["\t=1", "\r=1", "\n=1"])
def test_white_space_does_not_hide_a_formula(tmp_path, text):
    _, line = read_csv(files.write_csv(pd.DataFrame({"text": [text]}), tmp_path / "scores.csv"))
    assert line == ["' =1"]


def test_numbers_stay_numbers_and_text_stays_text(tmp_path, corpus):
    table = pd.DataFrame({
        "score": [-0.5, math.nan, *[1e-7] * (len(corpus) - 2)],
        "text": pd.Series(corpus, dtype=object),
        "tags": [("a", "b")] * len(corpus),
        "ok": [True] * len(corpus),
    })  # fmt: skip
    header, *body = read_csv(files.write_csv(table, tmp_path / "scores.csv"))
    assert header == ["score", "text", "tags", "ok"]
    assert [line[0] for line in body] == ["-0.5", "", *["1e-07"] * (len(corpus) - 2)]
    for text, line in zip(corpus, body, strict=True):
        expected = "".join(c for c in " ".join(text.splitlines()) if unicodedata.category(c) != "Cc")
        expected = expected.replace("\ud800", "\\ud800")
        assert line[1] in (expected, f"'{expected}")
        assert line[2:] == ["a;b", "true"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = files.write_text("old", tmp_path / "a.txt")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full", "x")))
    with pytest.raises(OSError, match="disk full") as caught:
        files.write_text("new", path)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.json", ".a.json.partial"])
def test_a_link_in_the_folder_is_not_written_through(tmp_path, name):
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.write_text("precious")
    folder.mkdir()
    (folder / name).symlink_to(outside)
    path = files.write_text("new", folder / "a.json")
    assert outside.read_text() == "precious"
    assert path.read_text() == "new"
    assert not path.is_symlink()


def test_a_link_under_the_temporary_name_is_not_written_through(tmp_path, monkeypatch):
    (tmp_path / "outside").write_text("precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "7")
    (tmp_path / f"{files.TEMPORARY}7-a.json").symlink_to(tmp_path / "outside")
    with pytest.raises(FileExistsError, match=r"/a\.json"):
        files.write_text("new", tmp_path / "a.json")
    assert (tmp_path / "outside").read_text() == "precious"


SCRIPT = r"""
import hashlib, sys
from pathlib import Path
import pandas as pd
import reports
rows = pd.DataFrame([dict(model=m, metric="m", slice=s, value=v, low=v - .1, high=v + .1, n=1234567, unit="\u0130i",
    higher_is_better=True, protocol="p", method="b", note="\u011f")
    for m, v in (("dit", 1234.5), ("unet", 0.25)) for s in ("all", "aspect=16:9")])
curves = pd.DataFrame([("dit", "guided variance", t / 4, 1.5 + t) for t in range(5)],
    columns=["model", "series", "t", "value"])
gallery = [dict(model="dit", prompt_id="\u011f", text="\u0130stanbul", aspect="1:1", width=8, height=8,
    index=0, file="/absent")]
context = {"title": "\u00dcn\u00ef", "curves": curves, "gallery": gallery}
paths = reports.write_all(rows, pd.DataFrame({"x": [0.5]}), context, Path(sys.argv[1]))
for path in paths:
    sys.stdout.write(path.name + " " + hashlib.sha256(path.read_bytes()).hexdigest() + "\n")
"""


def test_every_file_has_the_same_bytes_in_every_locale(tmp_path):
    root = str(Path(reports.__file__).parents[1])
    outputs = set()
    for number, locale in enumerate(("C", "tr_TR.UTF-8")):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = os.environ | {
            "LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": root,
            "PYTHONHASHSEED": str(number), "TZ": ("UTC", "Asia/Tokyo")[number],
        }  # fmt: skip
        command = [sys.executable, "-W", "error", "-c", SCRIPT, str(folder)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        outputs.add(result.stdout)
    assert len(outputs) == 1
    names = [line.split()[0] for line in outputs.pop().splitlines()]
    assert names == ["results.json", "scores.csv", "contact_sheet.png", "v_variance.png", "report.md"]


def test_importing_reports_is_light():
    code = "import sys, reports; print(*{'pandas', 'numpy', 'rich', 'matplotlib', 'PIL', 'torch'} & set(sys.modules))"
    root = Path(reports.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True, text=True)
    assert result.stdout.strip() == ""


def test_drawing_imports_neither_torch_nor_evalsuite():
    code = (
        "import sys; from reports import console, curves, files, markdown, sheet; "
        "print(*{'torch', 'evalsuite', 'prompts', 'backbones'} & set(sys.modules))"
    )
    root = Path(reports.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True, text=True)
    assert result.stdout.strip() == ""
