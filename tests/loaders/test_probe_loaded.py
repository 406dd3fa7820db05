"""Loaded checkpoints are probed as our own models are: U-Net and transformer, whatever they predict."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite.probe import panels
from evalsuite.probe.run import probe
from evalsuite.probe.spec import BankSpec, ProbeSpec
from evalsuite.spec import RunSpec


@pytest.fixture
def probed(
    tmp_path: Path, prompt_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Mapping[str, object]]:
    """Probe models on three pictures of 64x64; return the report's JSON."""
    monkeypatch.setattr(panels, "draw", lambda *_: [])
    data = tmp_path / "data"
    data.mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(data / f"p{number}.png")

    def call(*models: str, texts: str = "a ball", size: str | None = None) -> Mapping[str, object]:
        prompts = prompt_file([{"id": f"p{n}", "text": f"{texts} {n}"} for n in range(3)])
        run = RunSpec(models=models, steps=4, guidance=3, sampler="midpoint", threads=1, device="cpu")
        made = BankSpec(data=str(data), prompts=prompts, images=3, draws=4, times="0.1,0.5,0.9", size=size)
        spec = ProbeSpec(run=run, made=made, paths=2, output_dir=str(tmp_path / "out"))
        result, folder = probe(spec)
        assert json.loads((folder / "probe.json").read_text()) == json.loads(json.dumps(result.to_json()))
        return result.to_json()

    return call


def test_a_unet_that_predicts_noise_and_a_transformer_that_predicts_the_flow(
    probed: Callable[..., Mapping[str, object]], pipelines: Callable[[str], Path]
):
    found = probed(str(pipelines("sd1")), str(pipelines("flux")))
    values = {(row["model"], row["metric"]): row["value"] for row in found["rows"] if row["slice"] == "all"}
    for model in ("sd1", "flux"):
        assert values[model, "probe_mse_conditional@bank"] > 0
        assert values[model, "probe_ns_guided@path"] > 0
        assert values[model, "probe_ns_guided@path"] != values[model, "probe_ns_conditional@path"] or model == "sd1"
    assert {d["metric"] for d in found["differences"]} >= {"probe_r2_conditional@bank", "probe_ns_guided@path"}
    assert any("sd1: it predicts eps" in note for note in found["notes"])
    assert any("flux: guidance is an input of the network" in note for note in found["notes"])
    assert found["about"]["span"][1] == pytest.approx(0.936, abs=1e-3)


def test_transformers_and_unets_of_classes(
    probed: Callable[..., Mapping[str, object]], dit_file: Callable[..., Path], adm_file: Callable[..., Path]
):
    found = probed(f"{dit_file()}?heads=2&vae=bundled", str(adm_file()), texts="class", size="32x32")
    metrics = {(row["model"], row["metric"]) for row in found["rows"]}
    assert ("tiny-dit", "probe_mse_unconditional@bank") in metrics
    assert ("tiny-dit", "probe_ns_guided@path") in metrics
    assert ("tiny-adm", "probe_mse_conditional@bank") in metrics
    assert not any(model == "tiny-adm" and ("unconditional" in name or "guided" in name) for model, name in metrics)
