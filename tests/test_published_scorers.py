"""The whole way with networks of the published kinds: random weights stand in for files nobody can ship."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

import evalsuite
from evalsuite import RunSpec, reference_images
from evalsuite.cli import main
from evalsuite.encoders import hps
from evalsuite.encoders.inception_v3 import InceptionV3
from evalsuite.errors import InputError
from evalsuite.weights.catalogue import CATALOGUE

SMALL = "ViT-S-32-alt"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Weights by name; safetensors."""
    folder = tmp_path_factory.mktemp("published")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = {"hps@v2.1": open_clip.create_model(SMALL), "inception-fid": InceptionV3()}
    found = {}
    for name, network in networks.items():
        found[name] = folder / f"{name}.safetensors"
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, found[name])
    return found


@pytest.fixture(autouse=True)
def _published(files: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, one_thread: None) -> None:
    """They count as the published files, and are the only ones on this machine."""
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setattr(hps, "ARCHITECTURE", SMALL)
    few = tmp_path / "reference"
    few.mkdir()
    for ratio in ("1x1", "3x2"):
        for path in sorted(reference_images.PICTURES.glob(f"{ratio}-*"))[:2]:
            shutil.copy(path, few)
    monkeypatch.setattr(reference_images, "PICTURES", few)
    for name, path in files.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], sha256=digest))


def pairs(files: Mapping[str, Path]) -> tuple[str, ...]:
    return tuple(f"{name}={path}" for name, path in files.items())


def test_a_run_takes_published_scorers_that_are_here_and_bundled_ones_otherwise(
    tiny: Callable[..., RunSpec], files: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EVALSUITE_WEIGHTS", ",".join(pairs(files)))
    rows = evalsuite.run(tiny(metrics=("hps", "clip_score", "fid", "v_variance"), limit=3))
    names = list(dict.fromkeys(rows.metric))
    # Without a reference of the user's, FID compares with the package's own moments.
    assert names[:3] == ["hps@v2.1", "clip_score@scenes", "fid@scenes"]
    row = rows[(rows.metric == "hps@v2.1") & (rows.slice == "all")].iloc[0]
    assert row.n == 6
    assert "v2.1" in row.protocol
    assert CATALOGUE["hps@v2.1"].sha256 is not None


def test_weights_by_option_serve_one_run_and_features_are_kept(
    tiny: Callable[..., RunSpec], files: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
):
    spec = tiny(metrics=("hps@v2.1", "fid@inception-tf1", "kid@inception-tf1"), weights=pairs(files), limit=3)
    rows = evalsuite.run(spec)
    assert {"hps@v2.1", "fid@inception-tf1", "kid@inception-tf1"} <= set(rows.metric)
    # The folder remembers what it was scored with, not where this machine has the files.
    recorded = json.loads((Path(str(spec.output_dir)) / "run.json").read_text())["spec"]
    assert "weights" not in recorded
    with pytest.raises(InputError, match=r"evalsuite weights fetch hps@v2\.1"):
        evalsuite.score_folder(str(spec.output_dir))
    monkeypatch.setenv("EVALSUITE_WEIGHTS", ",".join(pairs(files)))
    monkeypatch.setattr("evalsuite.encoders.openclip.OpenCLIPEncoder.model", property(lambda _: pytest.fail("built")))
    again = evalsuite.score_folder(str(spec.output_dir))
    assert again.to_dict("records") == rows.to_dict("records")


def test_rules_of_one_network_are_metrics_of_their_own(tiny: Callable[..., RunSpec], files: Mapping[str, Path]):
    names = [f"fid@inception-{rule}" for rule in ("tf1", "antialias", "clean", "pytorch-fid")]
    rows = evalsuite.run(tiny(metrics=tuple(names), weights=pairs(files), limit=2))
    whole = rows[rows.slice == "all"]
    assert list(whole.metric) == names
    assert whole.value.nunique() == 4
    assert whole.protocol.str[:8].nunique() == 4


def test_missing_weights_stop_a_run_before_it_begins(
    tiny: Callable[..., RunSpec], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    spec = tiny()
    words = ["run", "--model", "tiny_models:conv", "--prompts", spec.prompts, "--metrics", "hps@v2.1", "--quiet"]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--output-dir", str(tmp_path / "run")])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "1.97 GB" in line
    assert "evalsuite weights fetch hps@v2.1" in line
    assert not (tmp_path / "run").exists()


def test_other_bytes_than_the_published_ones_never_bear_the_name(
    tiny: Callable[..., RunSpec], files: Mapping[str, Path], tmp_path: Path
):
    state = InceptionV3().state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "mine.safetensors")
    given = (f"inception-fid={tmp_path / 'mine.safetensors'}",)
    with pytest.raises(InputError, match="damaged or another file"):
        evalsuite.run(tiny(metrics=("fid@inception-tf1",), weights=given, limit=2))
