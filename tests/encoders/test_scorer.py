from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evalsuite.encoders import preference, scenes
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.preference import PreferenceHead
from evalsuite.encoders.scenes import ScenesEncoder
from evalsuite.encoders.scorer import Scorer, absent, load_encoder, load_scorer
from evalsuite.errors import InputError
from evalsuite.metrics.base import USES
from evalsuite.reference import build_reference, load_reference
from evalsuite.scorers import SCENES, scorer_name


def test_nothing_is_loaded_that_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "preference.safetensors"
    monkeypatch.setattr(preference, "WEIGHTS", path)
    monkeypatch.setattr(scenes, "load", lambda device: pytest.fail("not asked for"))
    assert load_scorer(SCENES, {"trace"}) == Scorer()
    monkeypatch.setattr(scenes, "load", lambda device: None)
    with pytest.raises(InputError, match="cannot be read"):
        load_scorer(SCENES, {"preference"})
    digest = save_tensors(path, PreferenceHead().state_dict(), {})
    loaded = load_scorer(SCENES, {"preference"})
    assert loaded.head_sha256 == digest
    assert loaded.reference is None


def test_reference_must_be_the_encoders(encoder: ScenesEncoder, tmp_path: Path):
    rows = encoder.images(torch.arange(5 * 3 * 64, dtype=torch.uint8).view(5, 3, 8, 8))
    own = {"extractor": "scenes", "preprocessing": encoder.preprocessing}
    for fingerprint in (encoder.fingerprint, "e" * 64):
        made = build_reference(tmp_path / "r.npz", {"1:1": rows}, fingerprint=fingerprint, **own)
        if fingerprint == encoder.fingerprint:
            assert Scorer(encoder, reference=made).reference is made
        else:
            with pytest.raises(InputError, match="make it again"):
                Scorer(encoder, reference=made)


def test_bundled_files_belong_together():
    loaded = load_scorer(SCENES, USES)
    assert loaded.encoder is not None
    reference = load_reference()
    assert reference.fingerprint == loaded.encoder.fingerprint
    assert set(reference.aspects) >= {"1:1", "3:2", "2:3", "16:9", "9:16"}


@pytest.mark.parametrize("name", ["v2.1", "v2.0-noaa", "inception-clean", "dinov2-vitl14", "vit-l-14-hf"])
def test_weights_that_are_not_here_are_told_in_one_line_with_the_remedy(name: str, nowhere: None):
    scorer = scorer_name(name)
    reason = absent(scorer)
    assert reason is not None
    assert f"evalsuite weights fetch {scorer.weights}" in reason
    assert "GB" in reason or "MB" in reason
    with pytest.raises(InputError, match="are not here") as caught:
        load_encoder(scorer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["v2.1-fp16", "inception-clean-tf32"])
def test_a_precision_of_gpus_is_refused_on_a_cpu(name: str):
    scorer = scorer_name(name)
    assert (scorer.plain, scorer.precision) == tuple(name.rsplit("-", 1))
    with pytest.raises(InputError, match=f"use --device cuda, or {scorer.plain}$"):
        load_encoder(name)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any weights."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
