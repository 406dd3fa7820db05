from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evalsuite.encoders import preference, scenes, scorer
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.preference import PreferenceHead
from evalsuite.encoders.scenes import ScenesEncoder
from evalsuite.encoders.scorer import Scorer, load_scorer
from evalsuite.errors import InputError
from evalsuite.metrics.base import USES
from evalsuite.reference import build_reference


def test_nothing_is_loaded_that_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "preference.safetensors"
    monkeypatch.setattr(preference, "WEIGHTS", path)
    monkeypatch.setattr(scenes, "WEIGHTS", path)
    assert load_scorer({"trace"}) == Scorer()
    with pytest.raises(InputError, match="cannot be read"):
        load_scorer({"preference"})
    digest = save_tensors(path, PreferenceHead().state_dict(), {})
    loaded = load_scorer({"preference"})
    assert loaded.head_sha256 == digest
    assert (loaded.encoder, loaded.reference) == (None, None)


def test_reference_must_be_the_encoders(encoder: ScenesEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = encoder.images(torch.arange(5 * 3 * 64, dtype=torch.uint8).view(5, 3, 8, 8))
    own = {"extractor": "scenes", "preprocessing": encoder.preprocessing}
    monkeypatch.setattr(scorer.scenes, "load", lambda device: encoder)
    for fingerprint in (encoder.fingerprint, "e" * 64):
        made = build_reference(tmp_path / "r.npz", {"1:1": rows}, fingerprint=fingerprint, **own)
        monkeypatch.setattr(scorer, "load_reference", lambda made=made: made)
        if fingerprint == encoder.fingerprint:
            assert load_scorer({"encoder", "reference"}).reference is made
        else:
            with pytest.raises(InputError, match="make them again"):
                load_scorer({"encoder", "reference"})


def test_bundled_files_belong_together():
    loaded = load_scorer(USES)
    assert loaded.encoder is not None
    assert loaded.reference is not None
    assert loaded.reference.fingerprint == loaded.encoder.fingerprint
    assert set(loaded.reference.aspects) >= {"1:1", "3:2", "2:3", "16:9", "9:16"}
