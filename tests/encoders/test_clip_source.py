from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from open_clip import CLIP
from safetensors.torch import save_file

from evalsuite.encoders.clip_config import CONFIG, WEIGHTS
from evalsuite.encoders.scorer import absent, load_encoder
from evalsuite.errors import InputError
from evalsuite.scorers import scorer_name

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
SEEN = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}
IMAGES = torch.arange(2 * 3 * 40 * 60, dtype=torch.int64).view(2, 3, 40, 60).remainder(251).to(torch.uint8)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def write_network(folder: Path) -> CLIP:
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIP(**MODEL, output_dict=False).eval()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"model_cfg": MODEL, "preprocess_cfg": SEEN}))
    return model


def test_a_folder_of_the_users_is_a_network_and_its_rule_is_part_of_its_name(tmp_path: Path):
    model = write_network(tmp_path / "mine")
    hf = load_encoder(scorer_name(f"{tmp_path}/mine"))
    squashed = load_encoder(scorer_name(f"{tmp_path}/mine-ip2p"))
    assert (hf.id, squashed.id) == (f"{tmp_path}/mine-hf", f"{tmp_path}/mine-ip2p")
    assert hf.fingerprint != squashed.fingerprint
    pixels = torch.nn.functional.interpolate(IMAGES.float() / 255, (32, 32), mode="bicubic", align_corners=False)
    with torch.inference_mode():
        expected = model.encode_image((pixels - 0.5) / 0.25, normalize=True)
    torch.testing.assert_close(torch.from_numpy(squashed.images(IMAGES)), expected, atol=1e-6, rtol=0)


def test_a_repository_in_the_hubs_cache_is_found_by_branch_or_commit(tmp_path: Path):
    repo = tmp_path / "home" / "hub" / "models--owner--clip"
    commit = "0123456789" * 4
    write_network(repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    for name in ("hf:owner/clip", f"hf:owner/clip@{commit}"):
        assert absent(scorer_name(name)) is None
        assert load_encoder(scorer_name(name)).width == 16


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hf:owner/clip", "hf download owner/clip open_clip_config.json open_clip_model.safetensors`"),
        ("hf:owner/clip@v2", "--revision v2`"),
        ("hf:../clip", "no repository of the hub"),
        ("ViT-B-32:laion2b_s34b_b79k", "evalsuite weights fetch hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K/"),
        ("ViT-B-32:nonsense", "open_clip has no weights 'nonsense' of ViT-B-32"),
        ("./nowhere", "is not a folder"),
    ],
)
def test_what_is_not_here_is_told_in_one_line_with_the_remedy(name: str, words: str):
    with pytest.raises(InputError) as caught:
        load_encoder(scorer_name(name))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_its_configuration_is_not_guessed_at(tmp_path: Path):
    write_network(tmp_path / "mine")
    (tmp_path / "mine" / CONFIG).unlink()
    assert "copy it from the network's publisher" in (absent(scorer_name(f"{tmp_path}/mine")) or "")
    with pytest.raises(InputError, match="needs this file"):
        load_encoder(scorer_name(f"{tmp_path}/mine"))
