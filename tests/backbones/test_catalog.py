from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import backbones
from backbones.protocol import TextToImage


def test_every_name_is_described_and_points_at_a_factory():
    assert backbones.CATALOG.keys() == backbones.DESCRIPTIONS.keys()
    for target in backbones.CATALOG.values():
        module, _, factory = target.partition(":")
        assert callable(getattr(import_module(module), factory))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(KeyError, match=f"no model 'flux'; known: {', '.join(backbones.CATALOG)}"):
        backbones.load("flux")


def test_the_public_names_are_these():
    assert sorted(backbones.__all__) == ["ABSENT", "CATALOG", "DESCRIPTIONS", "load"]
    assert all(hasattr(backbones, name) for name in backbones.__all__)


def test_importing_the_package_loads_no_torch():
    code = "import sys, backbones; backbones.CATALOG; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_models_offer_the_whole_protocol(model):
    members = {name for name in vars(TextToImage) if not name.startswith("_")} | set(TextToImage.__annotations__)
    for whole in (backbones.load("toy"), model("dit")):
        assert {name for name in members if not hasattr(whole, name)} == set()
