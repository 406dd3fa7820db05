from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import report_runs
import yaml

from evalsuite import scorecard
from evalsuite.errors import InputError
from evalsuite.progress import Silent
from evalsuite.report import collect
from evalsuite.report_files import place, write_report
from reports import html_table, latex, model_card
from reports.text import clean

FORMS = ("html", "md", "csv", "json", "latex", "model-card")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(report_runs.write_run(tmp_path_factory.mktemp("runs") / "run"))


def text(run: str, form: str, by_image: bool = False) -> str:
    return write_report([run], form, None, by_image, Silent())


def unescaped(tex: str) -> str:
    """What LaTeX would print."""
    for char, command in sorted(latex._SPECIAL.items(), key=lambda item: -len(item[1])):
        tex = tex.replace(command, f"\0{ord(char):06x}")
    return re.sub("\0([0-9a-f]{6})", lambda found: chr(int(found[1], 16)), tex)


@pytest.mark.parametrize("word", report_runs.HOSTILE, ids=range(len(report_runs.HOSTILE)))
def test_latex_prints_any_text_letter_by_letter(word: str):
    escaped = latex.escape(word)
    assert unescaped(escaped) == clean(word)
    left = escaped
    for command in sorted(latex._SPECIAL.values(), key=len, reverse=True):
        left = left.replace(command, "")
    assert not re.search(r"[\\&%$#_{}~^<>|]", left)


@pytest.mark.parametrize("word", report_runs.HOSTILE[::4])
def test_a_latex_table_keeps_its_columns_whatever_the_names(tmp_path: Path, word: str):
    tex = text(str(report_runs.write_run(tmp_path / "run", word=word, prompts=3)), "latex")
    lines = [line for line in tex.splitlines() if not line.startswith("%")]
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 1 + 3
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}
    body = "\n".join(lines)
    assert len(re.findall(r"(?<!\\)\{", body)) == len(re.findall(r"(?<!\\)\}", body))
    known = {"begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "textbf", "pm", "uparrow"}
    known |= {"downarrow", "times", "symbol", *re.findall(r"\\([a-z]+)", "".join(latex._SPECIAL.values()))}
    assert set(re.findall(r"\\([A-Za-z]+)", body)) <= known


def test_a_latex_table_has_the_values_of_the_page_and_marks_what_was_seen(run: str):
    tex = text(run, "latex")
    for line in html_table.lines(collect([run], pictures=False).contents):
        (row,) = [row for row in tex.splitlines() if row.startswith(latex.escape(line.name))]
        assert all(latex.escape(value.text) in row for value in line.values)
        assert (r"\textbf" in row) == (line.verdict in ("better", "worse"))


def test_a_model_card_is_what_the_hub_reads(run: str):
    hub = pytest.importorskip("huggingface_hub.repocard_data")
    block = text(run, "model-card")
    assert block.startswith("---\n")
    data = yaml.safe_load(block.strip("-\n"))
    for entry, card in zip(data["model-index"], scorecard.read(Path(run)), strict=True):
        name, results = hub.model_index_to_eval_results([entry])
        assert name == card.model
        assert {result.metric_type: result.metric_value for result in results} == {
            metric: scores.row().value for metric, scores in card.metrics.items()
        }
        for result in results:
            assert result.dataset_name == "made"
            assert result.metric_args["protocol"] == card.metrics[result.metric_type].protocol
            assert result.metric_args["n"] == 16


@pytest.mark.parametrize("word", report_runs.HOSTILE[1::4])
def test_a_model_card_reads_back_whatever_the_names(tmp_path: Path, word: str):
    found = collect([str(report_runs.write_run(tmp_path / "run", word=word, prompts=3))], pictures=False).contents
    data = yaml.safe_load(model_card.block(found).strip("-\n"))
    assert [entry["name"] for entry in data["model-index"]] == [clean(label) for label in found.labels]


def test_json_has_the_rows_the_curves_and_the_comparison(run: str):
    document = json.loads(text(run, "json"))
    assert len(document["rows"]) == len(collect([run], pictures=False).contents.rows)
    assert document["comparison"]["labels"] == ["dit", "unet"]
    assert {point["model"] for point in document["curves"]} == {"dit", "unet"}


def test_csv_is_by_score_or_by_image(run: str):
    scores = list(csv.DictReader(io.StringIO(text(run, "csv"))))
    assert {line["metric"] for line in scores} == {"hps@scenes", "fid@scenes", "v_variance@trajectory"}
    images = list(csv.DictReader(io.StringIO(text(run, "csv", by_image=True))))
    cards = scorecard.read(Path(run))
    assert len(images) == sum(card.planned for card in cards)
    values = {image: value for card in cards for image, value in card.metrics["hps@scenes"].values.items()}
    assert {line["id"]: float(line["hps@scenes"]) for line in images} == values


def test_parquet_has_every_seed_in_full(run: str, tmp_path: Path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "images.parquet"
    write_report([run], "parquet", path, True, Silent())
    table = pd.read_parquet(path)
    seeds = {image.id: image.seed for card in scorecard.read(Path(run)) for image in card.images}
    assert dict(zip(table["id"], table["seed"], strict=True)) == seeds
    assert table["hps@scenes"].dtype == "float64"
    assert str(table["seed"].dtype) == "int64"


@pytest.mark.parametrize("form", ["csv", "json", "md", "latex", "model-card", "parquet"])
def test_every_format_takes_any_text(tmp_path: Path, form: str):
    word = "".join(report_runs.HOSTILE)
    assert "\ud800" in word
    run = str(report_runs.write_run(tmp_path / "run", word=word, prompts=3))
    for by_image in (False, True):
        write_report([run], form, tmp_path / "out", by_image, Silent())
        assert (tmp_path / "out").stat().st_size > 1000


def test_parquet_without_pyarrow_says_what_to_install(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evalsuite.report_files.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs pyarrow: pip install 'evalsuite\[parquet\]'$"):
        write_report([run], "parquet", tmp_path / "x.parquet", False, Silent())


def test_markdown_opens_with_the_verdict(run: str):
    lines = text(run, "md").splitlines()
    assert lines[0] == "# dit, unet on prompt set made"
    assert lines[2].startswith("**dit is better on")
    assert "## Recipe" in lines


@pytest.mark.parametrize("form", FORMS)
def test_every_format_is_the_same_twice_and_one_model_suffices(run: str, form: str):
    assert text(run, form) == text(run, form)
    assert "dit" in text(f"{run}:dit", form)


def test_html_goes_into_the_run_and_text_to_the_terminal(run: str, tmp_path: Path):
    assert place([run], "html", None) == Path(run) / "report.html"
    assert place([f"{run}:dit", f"{run}:unet"], "html", None) == Path(run) / "report.html"
    assert place([run], "md", None) is None
    assert place([run], "md", tmp_path / "x.md") == tmp_path / "x.md"


@pytest.mark.parametrize(("output", "why"), [("", "is a folder"), ("missing/x.html", "is in no folder")])
def test_an_output_that_cannot_be_written_is_refused_first(run: str, tmp_path: Path, output: str, why: str):
    with pytest.raises(InputError, match=why):
        place([run], "html", tmp_path / output)
