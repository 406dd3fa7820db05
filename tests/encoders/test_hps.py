"""Ours against the package hpsv2 on the same random weights: a smaller network of the same kind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from evalsuite.encoders import hps, hpsv2_backend
from evalsuite.encoders.hps import HPSEncoder, hps_letterbox
from evalsuite.encoders.hpsv2_backend import HPSv2Encoder
from evalsuite.encoders.preprocess import MEAN, STD
from evalsuite.errors import InputError
from evalsuite.images import read_rgb
from evalsuite.metrics.hps import preference_score

PUBLISHED = hps.ARCHITECTURE, hpsv2_backend.ARCHITECTURE
SMALL = "ViT-S-32-alt"
SIZES = [(1024, 1024), (512, 512), (513, 301), (333, 777), (97, 131), (224, 224), (225, 224), (64, 64)]
TEXTS = [
    "A photo of a cat",
    "  AT&amp;T &lt;b&gt; caf\u00e9 na\u00efve\n",
    "\U0001f431 and \u732b, don't you'll 12345",
    "",
    "<end_of_text> <start_of_text> x",
    "word " * 200,
]


def noise(height: int, width: int, n: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height * 10_000 + width)
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8, generator=generator)


def smooth(height: int, width: int) -> torch.Tensor:
    rows, columns = torch.linspace(0, 9, height)[:, None], torch.linspace(0, 7, width)
    return torch.stack([(f * rows + columns).sin() * 127 + 128 for f in (1.0, 2.0, 3.0)]).byte()[None]


def picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hps, "ARCHITECTURE", SMALL)
        patch.setattr(hpsv2_backend, "ARCHITECTURE", SMALL)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, saved for us and, under hpsv2's wrapper, for hpsv2."""
    folder = tmp_path_factory.mktemp("hps")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = open_clip.create_model(SMALL, precision="fp32").state_dict()
    save_file(state, folder / "w.safetensors")
    torch.save({"state_dict": state}, folder / "w.pt")
    return folder / "w.safetensors"


@pytest.fixture(scope="module")
def ours(weights: Path) -> HPSEncoder:
    return hps.load(weights, "random:0", "v2.1")


@pytest.fixture(scope="module")
def peer(weights: Path) -> HPSv2Encoder:
    """The package on the same weights; skipped where it is not installed, but not in CI."""
    if find_spec("hpsv2") is None and not os.environ.get("CI"):
        pytest.skip("hpsv2 is not installed: pip install --no-deps hpsv2==1.2.0")
    return hpsv2_backend.load(weights, "random:0", "v2.1")


def theirs(peer: HPSv2Encoder, image: torch.Tensor) -> torch.Tensor:
    return peer._parts[1](picture(image))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_preprocessing_is_hpsv2s_to_the_bit(peer: HPSv2Encoder, height: int, width: int):
    for image in (noise(height, width), smooth(height, width)):
        expected = theirs(peer, image[0])
        assert torch.equal(hps_letterbox(image)[0], expected)
        decoded = image.repeat(3, 1, 1, 1).to(memory_format=torch.channels_last)  # as decoders hand images over
        assert torch.equal(hps_letterbox(decoded)[2], expected)


def test_without_antialiasing_it_is_what_older_torchvision_does():
    from torchvision.transforms import functional as tv

    image = noise(512, 300)
    x = tv.resize(image[0] / 255, [224, 131], tv.InterpolationMode.BICUBIC, antialias=False)
    expected = tv.normalize(tv.pad(x, [46, 0, 47, 0], fill=0), MEAN, STD)
    assert torch.equal(hps_letterbox(image, antialias=False)[0], expected)
    assert (hps_letterbox(image)[0] - expected).abs().max() > 0.1


def test_what_hpsv2_leaves_unpadded_we_pad(peer: HPSv2Encoder, ours: HPSEncoder):
    image = noise(112, 224)
    with pytest.raises(InputError, match="cannot score images of 224x112"):
        peer.images(image)
    x = hps_letterbox(image)[0] * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    torch.testing.assert_close(x[:, 56:168], image[0] / 255, atol=1e-6, rtol=0)
    assert x[:, :56].abs().max() < 1e-6
    assert x[:, 168:].abs().max() < 1e-6
    assert ours.images(image).shape == (1, 256)


def test_transparent_images_come_as_rgb_where_hpsv2_fails(peer: HPSv2Encoder, ours: HPSEncoder, tmp_path: Path):
    rgba = np.concatenate([noise(64, 64)[0].permute(1, 2, 0).numpy(), np.full((64, 64, 1), 90, np.uint8)], -1)
    Image.fromarray(rgba).save(tmp_path / "x.png")
    assert peer._parts[1](Image.open(tmp_path / "x.png")).shape[0] == 4
    pixels = torch.from_numpy(read_rgb(tmp_path / "x.png").copy()).permute(2, 0, 1)[None]
    np.testing.assert_array_equal(ours.images(pixels), ours.images(noise(64, 64)))


@pytest.mark.parametrize("bad", [torch.zeros(1, 3, 8, 8), torch.zeros(1, 4, 8, 8, dtype=torch.uint8)])
def test_other_inputs_are_refused(bad: torch.Tensor):
    with pytest.raises(ValueError, match="expected uint8"):
        hps_letterbox(bad)


def test_an_extreme_strip_keeps_a_pixel():
    assert hps_letterbox(torch.full((1, 3, 1, 2000), 255, dtype=torch.uint8)).amax() > 1


def test_tokens_are_hpsv2s(peer: HPSv2Encoder, ours: HPSEncoder):
    assert torch.equal(ours.tokenizer(TEXTS), peer.tokenizer(TEXTS))
    assert [ours.truncated(text) for text in TEXTS] == [peer.truncated(text) for text in TEXTS] == [False] * 5 + [True]


def test_scores_are_those_of_hpsv2s_own_score(peer: HPSv2Encoder, ours: HPSEncoder, weights: Path):
    prompt, pictures = "A photo of a cat", [noise(*size)[0] for size in SIZES[1:6]]
    with hpsv2_backend.repaired():
        package = import_module("hpsv2.img_score")
        package.model_dict.update(zip(("model", "preprocess_val"), peer._parts, strict=True))
        package.device = "cpu"
        scores = package.score([picture(image) for image in pictures], prompt, cp=str(weights.with_suffix(".pt")))
        package.model_dict.clear()
    for encoder in (ours, peer):
        rows = np.concatenate([encoder.images(image[None]) for image in pictures])
        words = np.repeat(encoder.texts([prompt]), len(pictures), axis=0)
        np.testing.assert_allclose((rows * words).sum(-1), scores, atol=1e-6, rtol=0)
        hundreds = preference_score(torch.from_numpy(rows), torch.from_numpy(words))
        np.testing.assert_allclose(hundreds, 100 * np.array(scores), atol=1e-4, rtol=0)
    assert np.ptp(scores) > 1e-4


def test_importing_hpsv2_leaves_nothing_behind(peer: HPSv2Encoder):
    for name in hpsv2_backend.STAND_INS:
        module = sys.modules.get(name)
        assert module is None or module.__spec__ is not None, f"the stand-in for {name} is still there"
    assert open_clip.tokenizer._tokenizer is not peer.tokenizer._tokenizer._tokenizer


def test_without_the_package_the_way_to_get_it_is_told(weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hpsv2_backend, "PACKAGE", "hpsv2_that_nobody_has")
    with pytest.raises(InputError, match=r'pip install "evalsuite\[hpsv2\]"') as caught:
        hpsv2_backend.load(weights, "random:0", "v2.1")
    assert "\n" not in str(caught.value)


def test_the_backends_are_not_taken_for_each_other(peer: HPSv2Encoder, ours: HPSEncoder, weights: Path):
    others = [hps.load(weights, "random:0", "v2.0"), hps.load(weights, "random:0", "v2.1", antialias=False)]
    others += [hps.load(weights, "random:1", "v2.1")]
    assert [e.id for e in (ours, peer, *others)] == ["v2.1", "v2.1-hpsv2", "v2.0", "v2.1-noaa", "v2.1"]
    assert len({e.fingerprint for e in (ours, peer, *others)}) == 5
    assert hps.load(weights, "random:0", "v2.1").fingerprint == ours.fingerprint
    assert "not antialiased" in others[1].preprocessing


def test_features_do_not_depend_on_neighbours_or_repetition(ours: HPSEncoder):
    batch = noise(96, 64, n=9)
    together = ours.images(batch)
    np.testing.assert_array_equal(np.concatenate([ours.images(batch[i : i + 1]) for i in (0, 8)]), together[[0, 8]])
    np.testing.assert_array_equal(ours.images(batch.flip(0)), together[::-1])
    np.testing.assert_array_equal(ours.images(batch.to(memory_format=torch.channels_last)), together)
    texts = [f"a {colour} cat" for colour in ("red", "blue", "red")]
    rows = ours.texts(texts)
    np.testing.assert_array_equal(ours.texts(texts[1:2]), rows[1:2])
    np.testing.assert_array_equal(rows[2], rows[0])
    assert ours.texts([]).shape == ours.images(batch[:0]).shape == (0, 256)


def test_features_are_unit_float32_rows(ours: HPSEncoder):
    for rows in (ours.images(noise(64, 64, n=2)), ours.texts(["a", "b"])):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_precision_is_not_the_callers(ours: HPSEncoder):
    image, expected = noise(64, 64), ours.images(noise(64, 64))
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            np.testing.assert_array_equal(ours.images(image), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_long_text_keeps_its_end_token(ours: HPSEncoder):
    fits, long = "cat " * 75, "cat " * 76
    assert (ours.truncated(fits), ours.truncated(long)) == (False, True)
    assert (ours.tokenizer([fits, long])[:, -1] == ours.tokenizer.eot_token_id).all()
    np.testing.assert_array_equal(ours.texts([long]), ours.texts([fits]))


def test_the_network_is_built_when_it_is_first_needed(weights: Path, tmp_path: Path):
    encoder = hps.load(tmp_path / "missing.safetensors", "random:0", "v2.1")
    assert (encoder.width, encoder.truncated("a cat")) == (256, False)
    with pytest.raises(InputError, match="No such file"):
        encoder.images(noise(8, 8))


def test_weights_of_another_architecture_are_refused(weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hps, "ARCHITECTURE", "ViT-B-32")
    with pytest.raises(InputError, match=r"not weights of ViT-B-32: ln_final.bias is 256, expected 512"):
        hps.load(weights, "random:0", "v2.1").texts(["a"])


def test_damaged_weights_are_noticed(weights: Path, tmp_path: Path):
    from safetensors.torch import load_file

    state: dict[str, Any] = load_file(weights)
    save_file(state | {"text_projection": torch.full((256, 256), torch.nan)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="not finite"):
        hps.load(tmp_path / "w.safetensors", "random:0", "v2.1").texts(["a"])


def test_published_weights_are_of_a_vit_h(monkeypatch: pytest.MonkeyPatch):
    assert PUBLISHED == ("ViT-H-14", "ViT-H-14")
    monkeypatch.setattr(hps, "ARCHITECTURE", PUBLISHED[0])
    encoder = hps.load(Path("none"), "x", "v2.0")
    assert (encoder.width, encoder.side, encoder.tokenizer.context_length) == (1024, 224, 77)
