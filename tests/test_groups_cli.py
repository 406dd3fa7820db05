"""``evalsuite compare --group``, as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from made_cards import card

from backbones import dit, unet
from backbones.cards import publish
from backbones.text import TextConfig, TextEncoder
from evalsuite import scorecard
from evalsuite.cli import main

GROUPS = ("--group", "dit=dit-*", "--group", "unet=unet-*")


def run(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == code, err
    return out, err


@pytest.fixture
def made(tmp_path: Path) -> str:
    """A scored run of three and three models."""
    names = [f"{kind}-{seed}" for kind in ("dit", "unet") for seed in range(3)]
    scatter = np.random.default_rng(0).normal(scale=0.2, size=6)
    folder = tmp_path / "run"
    folder.mkdir()
    scorecard.write(folder, [card(name, shift=float(scatter[k]) + (k < 3), noise=k) for k, name in enumerate(names)])
    return str(folder)


@pytest.mark.parametrize("columns", ["100", "80"])
def test_the_table_fits_and_cuts_no_number(
    columns: str, made: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", columns)
    out, err = run(["compare", made, *GROUPS, "--by", "aspect,tag"], capsys)
    assert err == ""
    assert max(map(len, out.splitlines())) <= int(columns)
    assert "…" not in out
    for words in (
        "metric, by aspect",
        "metric, by tag",
        "each seed of dit",
        "each seed of unet",
        "unet-2",
        "No room for",
    ):
        assert words in out


def test_every_format_says_the_same(made: str, capsys: pytest.CaptureFixture[str]):
    out = run(["compare", made, *GROUPS, "--format", "json"], capsys)[0]
    assert out == run(["compare", made, *GROUPS, "--format", "json"], capsys)[0]
    data = json.loads(out)
    lines = list(csv.DictReader(io.StringIO(run(["compare", made, *GROUPS, "--format", "csv"], capsys)[0])))
    assert [float(line["value"]) for line in lines] == [d["value"] for d in data["differences"]]
    assert [line["seed_share"] for line in lines] == [str(d["seed_share"]) for d in data["differences"]]
    first = data["differences"][0]["groups"][0]
    assert lines[0]["a_seeds"] == "; ".join(f"{seed['label']} {seed['value']!r}" for seed in first["seeds"])
    shown = run(["compare", made, *GROUPS, "--format", "md", "--by", "none"], capsys)[0]
    tests = len([d for d in data["differences"] if d["slice"] == "all"])
    assert sum(line.startswith("|") for line in shown.splitlines()) == 2 * (tests + 2)
    assert [model["label"] for model in data["groups"][1]["models"]] == ["unet-0", "unet-1", "unet-2"]


def test_names_from_outside_are_not_read_as_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    names = ("[red]a|0", "[red]a|1", "=b", "=c")
    scorecard.write(tmp_path, [card(name, noise=k) for k, name in enumerate(names)])
    groups = ("--group", "[bold]x|=[[]red]*", "--group", "y==b,=c", "--by", "none")
    assert "[bold]x|" in run(["compare", str(tmp_path), *groups], capsys)[0]
    shown = run(["compare", str(tmp_path), *groups, "--format", "md"], capsys)[0]
    assert "\\[bold\\]x\\|" in shown
    cells = [
        line["b_seeds"]
        for line in csv.DictReader(io.StringIO(run(["compare", str(tmp_path), *groups, "--format", "csv"], capsys)[0]))
    ]
    assert all(cell.startswith("'=b ") for cell in cells)


def test_models_of_several_runs_are_grouped_too_and_the_environment_sets_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for place, kind in enumerate(("dit", "unet")):
        (tmp_path / kind).mkdir()
        scorecard.write(tmp_path / kind, [card(f"{kind}-{seed}", noise=3 * place + seed) for seed in range(3)])
    monkeypatch.setenv("EVALSUITE_GROUP", "dit=dit-* unet=unet-0,unet-2")
    data = json.loads(run(["compare", str(tmp_path / "dit"), str(tmp_path / "unet"), "--format", "json"], capsys)[0])
    assert [len(group["models"]) for group in data["groups"]] == [3, 2]
    assert data["left_out"] == ["unet-1"]


def test_bad_groups_are_one_line_and_exit_code_2(made: str, capsys: pytest.CaptureFixture[str]):
    out, err = run(["compare", made, "--group", "dit=dit-*", "--group", "unet=unet-0"], capsys, 2)
    assert (out, err.count("\n")) == ("", 1)
    assert "training seeds need 2 models" in err


def trained(folder: Path, kind: str, seed: int) -> str:
    """A generator of random weights, as a recipe would leave it."""
    torch.manual_seed(seed)
    config: dit.DiTConfig | unet.UNetConfig = dit.DiTConfig(width=64, heads=1, depth=1, mlp_hidden=64, text_width=64)
    if kind == "unet":
        config = unet.UNetConfig(widths=(32, 32), attention=(False, False), text_width=64, embedding=64)
    net = dit.DiT(config) if isinstance(config, dit.DiTConfig) else unet.UNet(config)
    text = TextEncoder(TextConfig(ids=4, width=64, heads=1, mlp_hidden=64))
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.05 * torch.randn_like(weight)
    folder.mkdir()
    facts = {"kind": kind, "vocabulary": ["red", "ball"], "text": vars_of(text.config)}
    publish(folder, kind, {"denoiser": net, "text": text}, config, facts)
    return str(folder)


def vars_of(config: TextConfig) -> Mapping[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_folders_of_trained_weights_are_made_scored_and_compared(
    tmp_path: Path, prompt_file: Callable[..., str], capsys: pytest.CaptureFixture[str], one_thread: None
):
    folders = [trained(tmp_path / f"{kind}-{seed}", kind, seed) for kind in ("dit", "unet") for seed in range(2)]
    models = [word for folder in folders for word in ("--model", folder)]
    small = ["--aspects", "1:1", "--pixels", "4096", "--steps", "2", "--metrics", "v_variance", "--threads", "1"]
    folder = str(tmp_path / "run")
    run(["run", *models, "--prompts", prompt_file(3), *small, "--output-dir", folder, "--quiet"], capsys)
    data = json.loads(run(["compare", folder, *GROUPS, "--format", "json"], capsys)[0])
    assert [model["label"] for group in data["groups"] for model in group["models"]] == [
        "dit-0", "dit-1", "unet-0", "unet-1",
    ]  # fmt: skip
    whole = data["differences"][0]
    assert (whole["n"], whole["clusters"]) == (3, 3)
    assert whole["low"] < whole["value"] < whole["high"]
    assert len({seed["value"] for group in whole["groups"] for seed in group["seeds"]}) == 4
