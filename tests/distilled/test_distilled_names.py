"""Distilled models of the package, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import turbo

import backbones
from backbones import bundled, distilled
from evalsuite import RunSpec
from evalsuite.prepare import Shelf
from evalsuite.spec import TURBO, suited_steps


def test_runs_of_distilled_models_alone_take_their_steps():
    assert suited_steps(TURBO) == suited_steps(("dit-turbo?positions=scaled",)) == turbo.DISTILLED["steps"]
    assert suited_steps(("dit", "dit-turbo")) == suited_steps(("dit",)) == 10
    assert suited_steps(("dit-turbo", "toy")) == 20


@pytest.mark.parametrize("name", [name for name in TURBO if name in backbones.CATALOG])
def test_one_that_is_in_this_package_is_what_its_name_says(name: str):
    model = backbones.load(name)
    assert model.distilled == distilled.Distilled(guidance=4.0, steps=suited_steps((name,)), shift=1.5)


def test_files_in_the_package_make_it_a_model_of_that_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert backbones._shipped(folder).keys() == {"dit-turbo"}
    monkeypatch.setattr(backbones, "CATALOG", {**backbones.CATALOG, "dit-turbo": "backbones.bundled:dit_turbo"})
    monkeypatch.setattr(bundled, "ABSENT", {})
    monkeypatch.setattr(bundled.load, "__defaults__", (folder, None, "centred"))
    assert Shelf().take("dit-turbo", RunSpec(device="cpu", dtype="fp32")).guided == 4.0
