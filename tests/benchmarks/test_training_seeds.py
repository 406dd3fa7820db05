from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import training_seeds

from backbones import dit, unet
from backbones.cards import publish
from backbones.text import TextConfig, TextEncoder
from evalsuite import scorecard

sys.path.append(str(Path(__file__).parents[1]))

from made_cards import card

RECIPE = {"module": "backbones.training.train_generator", "preset": "twin", "steps": 10, "batch": 4, "lr": 0.001}


def folder_of(root: Path, kind: str, seed: int, **recipe: object) -> Path:
    """A training run's folder, with weights as the network begins."""
    config = dit.DiTConfig(width=64, heads=1, depth=1, mlp_hidden=64, text_width=64)
    if kind == "unet":
        config = unet.UNetConfig(widths=(32, 32), attention=(False, False), text_width=64, embedding=64)  # type: ignore[assignment]
    net = dit.DiT(config) if kind == "dit" else unet.UNet(config)  # type: ignore[arg-type]
    text = TextEncoder(TextConfig(ids=4, width=64, heads=1, mlp_hidden=64))
    folder = root / f"{kind}-{seed}"
    folder.mkdir()
    facts = {
        "kind": kind,
        "vocabulary": ["red", "ball"],
        "text": {},
        "parameters": {"denoiser": 1_930_000, "text": 380_000},
        "measured": {"held_out_loss": 0.07},
        "recipe": RECIPE | {"seed": seed, "compile": seed == 1} | recipe,
    }
    publish(folder, kind, {"denoiser": net, "text": text}, config, facts)
    return folder


def test_the_page_names_what_was_trained_and_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folders = {kind: [folder_of(tmp_path, kind, seed) for seed in range(2)] for kind in ("dit", "unet")}
    run, out = tmp_path / "run", tmp_path / "page"
    run.mkdir()
    cards = []
    for place, folder in enumerate([*folders["dit"], *folders["unet"]]):
        one = card(str(folder), prompts=12, noise=place, shift=5.0 * (place < 2))
        spec = {**one.run["spec"], "aspects": ["1:1", "3:2"]}
        command = f"evalsuite run --model {folder} --prompts held-out --limit 12"
        cards.append(replace(one, run={**one.run, "spec": spec, "command": command}))
    scorecard.write(run, cards)
    words = [word for kind, own in folders.items() for word in (f"--{kind}", *map(str, own))]
    monkeypatch.setattr(sys, "argv", ["training_seeds.py", *words, "--run", str(run), "--out", str(out)])
    training_seeds.main()
    page = (out / "README.md").read_text()
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "seeds.csv", "seeds.png", "seeds.svg"]
    assert str(tmp_path) not in page
    assert "`evalsuite run --model dit-0 --prompts held-out --limit 12`" in page
    assert "`evalsuite compare run --group dit=dit-0,dit-1 --group unet=unet-0,unet-1`" in page
    assert "| dit-1 | 1 | 1.93 M + 0.38 M | 10 x 4 | twin | 0.07 |" in page
    assert "# dit against unet, over training seeds" in page
    assert "**dit is better on fid@scenes (by 5.00, 95 % " in page
    assert page.count("![seeds.png](seeds.png)") == 1
    assert "2 + 2 training seeds are few" in page


def test_folders_that_are_not_seeds_of_one_recipe_are_refused(tmp_path: Path):
    first, other = (training_seeds.trained(folder_of(tmp_path, "dit", seed)) for seed in range(2))
    training_seeds.check("dit", [first, other])
    with pytest.raises(SystemExit, match="training seeds need 2 at least"):
        training_seeds.check("dit", [first])
    with pytest.raises(SystemExit, match="seed 0 is trained twice"):
        training_seeds.check("dit", [first, first])
    longer = training_seeds.trained(folder_of(tmp_path, "dit", 2, steps=20))
    with pytest.raises(SystemExit, match=r"dit-2 differs from .*dit-0 in steps"):
        training_seeds.check("dit", [first, longer])
    with pytest.raises(SystemExit, match="no weights with a card"):
        training_seeds.trained(tmp_path)
    path = first.folder / "dit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "0"}))
    with pytest.raises(SystemExit, match="is not the card's"):
        training_seeds.trained(first.folder)
