from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import made_cards
import numpy as np
import pytest
from made_cards import card, without

from evalsuite import scorecard
from evalsuite.cli import main
from evalsuite.scorecard import Scorecard
from reports.text import markdown


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == code, out + err
    return out, err


@pytest.fixture
def kept(tmp_path: Path) -> Callable[..., str]:
    """Write a run folder of cards, and return its path."""

    def keep(name: str, *cards: Scorecard) -> str:
        (tmp_path / name).mkdir()
        scorecard.write(tmp_path / name, cards)
        return str(tmp_path / name)

    return keep


@pytest.fixture
def rules(tmp_path: Path) -> Callable[[str], str]:
    """Write a rules file, and return its path."""

    def write(text: str) -> str:
        (tmp_path / "gates.yaml").write_text(text, encoding="utf-8")
        return str(tmp_path / "gates.yaml")

    return write


def test_exit_codes_tell_what_happened(
    capsys: pytest.CaptureFixture[str], kept: Callable[..., str], rules: Callable[[str], str], tmp_path: Path
):
    base, worse = kept("base", card("m", 40)), kept("worse", card("m", 40, shift=-2, noise=2))
    assert "gate passed" in run(["gate", base, "--baseline", base], capsys)[0]
    assert "gate failed" in run(["gate", worse, "--baseline", base], capsys, 1)[0]
    assert "name --baseline RUN or FILE" in run(["gate", base], capsys, 2)[1]
    tolerance = rules("- {metric: hps, tolerance: 1}")
    assert "rules with a tolerance need it" in run(["gate", base, "--rules", tolerance], capsys, 2)[1]
    assert "no such run folder" in run(["gate", str(tmp_path / "no"), "--baseline", base], capsys, 2)[1]
    absolute = rules("- {metric: hps, min: 100}")
    assert "gate failed" in run(["gate", base, "--rules", absolute], capsys, 1)[0]
    (Path(worse) / scorecard.NAME).write_text("{}")
    assert "no verdict" in run(["gate", worse, "--baseline", base], capsys, 3)[1]
    assert "is damaged" in run(["gate", base, "--baseline", worse], capsys, 2)[1]


@pytest.mark.parametrize("columns", ["100", "80"])
def test_every_format_says_the_same(
    columns: str, capsys: pytest.CaptureFixture[str], kept: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", columns)
    base, worse = kept("base", card("m", 40)), kept("worse", card("m", 40, shift=-2, noise=2))
    words = ["gate", worse, "--baseline", base]
    data = json.loads(run([*words, "--format", "json"], capsys, 1)[0])
    assert data["passed"] is False
    lines = list(csv.DictReader(io.StringIO(run([*words, "--format", "csv"], capsys, 1)[0])))
    assert [line["verdict"] for line in lines] == [j["verdict"] for j in data["judgements"]]
    table = run(words, capsys, 1)[0]
    assert max(map(len, table.splitlines())) <= int(columns)
    shown = run([*words, "--format", "md"], capsys, 1)[0]
    assert shown.startswith("### gate failed: 1 fail, 1 pass, 1 not gated\n")
    for judgement in data["judgements"]:
        assert judgement["verdict"] in table
        assert markdown(judgement["why"]) in shown


def test_the_summary_is_appended_and_junit_has_a_case_for_each_rule(
    capsys: pytest.CaptureFixture[str], kept: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    bad = "m\x1b[2J<x>&\"'"
    base, worse = kept("base", card(bad, 40)), kept("worse", card(bad, 40, shift=-2, noise=2))
    summary, xml = tmp_path / "summary.md", tmp_path / "gate.xml"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    run(["gate", worse, "--baseline", base, "--junit", str(xml)], capsys, 1)
    assert summary.read_text().startswith("before\n### gate failed")
    root = ElementTree.parse(xml).getroot()
    (suite,) = root
    cases = list(suite)
    assert (root.tag, suite.tag, {case.tag for case in cases}) == ("testsuites", "testsuite", {"testcase"})
    assert suite.attrib == {
        "name": "evalsuite gate",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
        "time": "0",
    }
    assert {case.get("name") for case in cases} == {
        "hps@scenes: not worse (significant)",
        "fid@scenes: not worse (significant)",
        "run: complete",
    }
    assert {case.get("classname") for case in cases} == {"m?[2J<x>&\"'"}
    assert [child.tag for case in cases for child in case] == ["failure", "system-out", "skipped"]
    broken = kept("broken", without(card(bad, 40), "p001"))
    run(["gate", broken, "--baseline", base, "--junit", str(xml)], capsys, 1)
    assert ElementTree.parse(xml).getroot()[0].get("errors") == "3"
    assert summary.read_text().count("### gate failed") == 2


def test_a_baseline_file_stands_for_its_run(
    capsys: pytest.CaptureFixture[str], kept: Callable[..., str], tmp_path: Path
):
    folder, file = kept("run", card("x"), card("y", noise=2)), str(tmp_path / "base.json")
    assert run(["baseline", "save", folder, file], capsys)[0] == f"{file}\n"
    cards = scorecard.read(Path(file))
    assert [one.model for one in cards] == ["x", "y"]
    for one, original in zip(cards, scorecard.read(Path(folder)), strict=True):
        assert one.metrics == original.metrics
        assert [(i.pair, i.seed, i.cluster, i.text) for i in one.images] == [
            (i.pair, i.seed, i.cluster, i.text) for i in original.images
        ]
    run(["gate", folder, "--baseline", file], capsys)
    run(["baseline", "save", folder, file, "--model", "y"], capsys)
    assert [one.model for one in scorecard.read(Path(file))] == ["y"]
    json_of = run(["compare", file, f"{folder}:y", "--format", "json"], capsys)[0]
    assert all(d["value"] == 0 for d in json.loads(json_of)["differences"])
    assert "no model 'z'; it has x, y" in run(["baseline", "save", folder, file, "--model", "z"], capsys, 2)[1]
    assert "is a folder" in run(["baseline", "save", folder, str(tmp_path)], capsys, 2)[1]
    broken = kept("broken", without(card("x"), "p001"))
    assert "2 of 40 images are not made" in run(["baseline", "save", broken, file], capsys, 2)[1]


def test_a_baseline_of_500_images_is_under_1_mb_and_the_same_every_time(tmp_path: Path):
    from evalsuite.baseline import save

    one = card("a-model-with-a-name", 125, 2)
    own = one.images
    values = {image.id: float(x) for image, x in zip(own, np.random.default_rng(0).normal(size=500), strict=True)}
    more = {n: made_cards.mean_metric("m", n, own, values) for n in ("clip_score@scenes", "clip_direction@scenes")}
    spread = np.random.default_rng(1).normal(size=500)
    more["kid@scenes"] = made_cards.distance_metric("m", "kid@scenes", own, 1.0, spread)
    whole = replace(one, metrics={**one.metrics, **more})
    for name in ("a.json", "b.json"):
        save([whole], tmp_path / name)
    assert (tmp_path / "a.json").stat().st_size < 1_000_000
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
