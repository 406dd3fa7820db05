from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from evalsuite.encoders import scenes
from evalsuite.encoders.bpe import write_bpe
from evalsuite.encoders.bundle import save_tensors, sha256
from evalsuite.encoders.preprocess import letterbox
from evalsuite.encoders.scenes import ScenesEncoder, build_model, build_tokenizer
from evalsuite.errors import InputError


def images(n: int, height: int = 64, width: int = 96) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=generator)


def test_size_is_within_the_budget():
    assert sum(p.numel() for p in build_model().parameters()) <= 7_000_000


def test_config_is_one_that_open_clip_reads(monkeypatch: pytest.MonkeyPatch):
    factory = open_clip.factory
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(scenes.CONFIG)
    theirs = open_clip.create_model("scenes-clip", pretrained=None, precision="fp32")
    assert {k: v.shape for k, v in theirs.state_dict().items()} == {
        k: v.shape for k, v in build_model().state_dict().items()
    }


def test_features_equal_open_clip_on_the_same_input(encoder: ScenesEncoder):
    batch = images(8)
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(encoder.model.encode_image(letterbox(batch, 128)), dim=-1)
        words = torch.nn.functional.normalize(encoder.model.encode_text(encoder.tokenizer(["a cat"] * 8)), dim=-1)
    np.testing.assert_array_equal(encoder.images(batch), expected.numpy())
    np.testing.assert_array_equal(encoder.texts(["a cat"] * 8), words.numpy())


def test_features_do_not_depend_on_neighbours(encoder: ScenesEncoder):
    batch = images(9)
    together = encoder.images(batch)
    np.testing.assert_array_equal(np.concatenate([encoder.images(batch[i : i + 1]) for i in (0, 8)]), together[[0, 8]])
    np.testing.assert_array_equal(encoder.images(batch.flip(0)), together[::-1])
    texts = [f"a {colour} cat" for colour in ("red", "blue", "green")]
    np.testing.assert_array_equal(encoder.texts(texts[2:]), encoder.texts(texts)[2:])


def test_features_are_unit_float32_rows(encoder: ScenesEncoder):
    features = encoder.images(images(2))
    assert features.dtype == np.float32
    assert features.shape == (2, 128)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    assert encoder.texts([]).shape == (0, 128)


def test_truncated_text_keeps_its_end_token(encoder: ScenesEncoder):
    fits, long = " ".join(["cat"] * 38), " ".join(["cat"] * 39)
    assert not encoder.truncated(fits)
    assert encoder.truncated(long)
    tokens = encoder.tokenizer([fits, long])
    assert (tokens[:, -1] == encoder.tokenizer.eot_token_id).all()
    np.testing.assert_array_equal(encoder.texts([long]), encoder.texts([fits]))


def test_fingerprint_changes_with_weights_and_vocabulary(encoder: ScenesEncoder):
    def fingerprint(weights: str, vocabulary: str) -> str:
        return ScenesEncoder(encoder.model, encoder.tokenizer, weights, vocabulary).fingerprint

    assert fingerprint("random:0", "test") == encoder.fingerprint
    assert len({encoder.fingerprint, fingerprint("random:1", "test"), fingerprint("random:0", "other")}) == 3


def test_too_large_vocabulary_is_refused(tmp_path: Path):
    write_bpe(tmp_path / "bpe.gz", [("a", f"{i}") for i in range(1535)])
    with pytest.raises(InputError, match="2049 tokens"):
        build_tokenizer(tmp_path / "bpe.gz")


def test_weights_round_trip_through_half_precision(
    encoder: ScenesEncoder,
    vocabulary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    path = tmp_path / "scorer.safetensors"
    digest = save_tensors(path, encoder.model.state_dict(), {"data": "none"})
    monkeypatch.setattr(scenes, "WEIGHTS", path)
    monkeypatch.setattr(scenes, "VOCABULARY", vocabulary)
    monkeypatch.setattr(scenes, "build_tokenizer", lambda: build_tokenizer(vocabulary))
    loaded = scenes.load()
    for name, tensor in encoder.model.state_dict().items():
        stored = tensor.half().float() if tensor.is_floating_point() else tensor
        torch.testing.assert_close(loaded.model.state_dict()[name], stored, rtol=0, atol=0)
    scorer = ScenesEncoder(loaded.model, loaded.tokenizer, digest, sha256(vocabulary.read_bytes()))
    assert loaded.fingerprint == scorer.fingerprint

    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="is not the card's"):
        scenes.load()
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        scenes.load()


def test_weights_of_another_network_are_refused(vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "scorer.safetensors"
    save_tensors(path, {"other": torch.zeros(1)}, {})
    monkeypatch.setattr(scenes, "WEIGHTS", path)
    monkeypatch.setattr(scenes, "build_tokenizer", lambda: build_tokenizer(vocabulary))
    with pytest.raises(InputError, match="not weights of scenes-clip"):
        scenes.load()


def test_values_too_large_for_half_precision_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="not finite in fp16"):
        save_tensors(tmp_path / "x.safetensors", {"w": torch.tensor([1e6])}, {})
