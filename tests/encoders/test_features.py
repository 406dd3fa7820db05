from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evalsuite import decoders
from evalsuite.encoders import features
from evalsuite.encoders.cache import FeatureCache
from evalsuite.encoders.features import CachedFeatures, encoded_in_turn, read_image
from evalsuite.errors import Incomplete, InputError
from evalsuite.records import pixel_sha256
from evalsuite.samples import Sample


class Counting:
    """Features that tell images and texts apart; counts how often it is asked."""

    id, fingerprint, preprocessing, width = "fake", "f" * 64, "none", 4

    def __init__(self) -> None:
        self.seen = 0
        self.read: list[str] = []

    def images(self, images: torch.Tensor) -> np.ndarray:
        assert len(images) <= 8
        self.seen += len(images)
        means = images.double().mean((2, 3))
        return torch.cat([means, torch.ones(len(images), 1)], 1).float().numpy()

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        self.read += texts
        return np.array([[len(text), 0, 0, 1] for text in texts], np.float32)

    def truncated(self, text: str) -> bool:
        return False


def make_samples(folder: Path, sizes: Sequence[tuple[int, int]]) -> list[Sample]:
    generator = np.random.default_rng(0)
    samples = []
    for i, (width, height) in enumerate(sizes):
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        path = folder / f"{i}.png"
        Image.fromarray(pixels).save(path)
        sha = pixel_sha256(pixels)
        samples.append(Sample(str(i), "m", "p", "text", None, (), "1:1", width, height, 0, 0, sha, path))
    return samples


def expected(samples: Sequence[Sample]) -> np.ndarray:
    return np.array([[*read_image(s).astype(float).mean((0, 1)), 1] for s in samples], np.float32)


def test_rows_come_in_the_order_asked_whatever_the_sizes(tmp_path: Path):
    samples = make_samples(tmp_path, [(8, 8), (12, 8)] * 10)
    encoder, done = Counting(), list[int]()
    got = CachedFeatures(encoder, tmp_path / "f", done.append).images([*samples, samples[0]])
    np.testing.assert_allclose(got, expected([*samples, samples[0]]), rtol=1e-6)
    assert encoder.seen == 20
    assert sum(done) == 21


def test_nothing_is_computed_twice(tmp_path: Path):
    samples = make_samples(tmp_path, [(8, 8)] * 5)
    first, second = Counting(), Counting()
    cached = CachedFeatures(first, tmp_path / "f", lambda _: None)
    rows, words = cached.images(samples[:3]), cached.texts(["b", "aaa", "b"])
    assert first.read == sorted(set(first.read), key=first.read.index)
    again = CachedFeatures(second, tmp_path / "f", lambda _: None)
    np.testing.assert_array_equal(again.images(samples[::-1])[-1:1:-1], rows)
    np.testing.assert_array_equal(again.texts(["b", "aaa", "b"]), words)
    assert (second.seen, second.read) == (2, [])
    assert words[:, 0].tolist() == [1, 3, 1]


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="processes share memory on Linux alone")
def test_files_decoded_by_processes_give_the_same_rows_and_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    samples = make_samples(tmp_path, [(8, 8), (12, 8)] * 10)
    monkeypatch.setattr(decoders, "are_worth_it", lambda files, device: files > 1)
    asked: list[int] = []
    with decoders.Decoders(1) as own:
        monkeypatch.setattr(decoders, "decoders", lambda: own)
        read = own.read
        monkeypatch.setattr(own, "read", lambda files: asked.append(len(files)) or read(files))
        got = CachedFeatures(Counting(), tmp_path / "f", lambda _: None).images(samples)
        np.testing.assert_array_equal(got, expected(samples))
        assert sorted(asked) == [2, 2, 8, 8]
        samples[3].file.write_bytes(samples[1].file.read_bytes())
        with pytest.raises(InputError, match=r"3\.png has other pixels than its record says"):
            CachedFeatures(Counting(), tmp_path / "g", lambda _: None).images(samples)


def test_another_encoder_has_its_own_rows(tmp_path: Path):
    samples, other = make_samples(tmp_path, [(8, 8)]), Counting()
    CachedFeatures(Counting(), tmp_path / "f", lambda _: None).images(samples)
    other.fingerprint = "e" * 64
    CachedFeatures(other, tmp_path / "f", lambda _: None).images(samples)
    assert other.seen == 1


def test_empty_requests_give_empty_rows(tmp_path: Path):
    cached = CachedFeatures(Counting(), tmp_path / "f", lambda _: None)
    assert cached.images([]).shape == cached.texts([]).shape == (0, 4)


def damaged(row: np.ndarray) -> list[bytes]:
    import io

    def npz(**arrays: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    keys = np.array(["k"])
    whole = npz(keys=keys, rows=row)
    return [
        b"",
        whole[:-30],
        npz(keys=keys),
        npz(keys=keys, rows=row.astype(float)),
        npz(keys=keys, rows=row[:, :2]),
        npz(keys=keys, rows=row * np.float32(np.nan)),
        npz(keys=np.array([{}], dtype=object), rows=row),
    ]


@pytest.mark.parametrize("case", range(7))
def test_damaged_cache_files_are_passed_over(tmp_path: Path, case: int):
    row = np.ones((1, 4), np.float32)
    FeatureCache(tmp_path, 4).add(["k"], row)
    (path,) = tmp_path.iterdir()
    assert FeatureCache(tmp_path, 4).missing(["k", "other", "other"]) == ["other"]
    path.write_bytes(damaged(row)[case])
    (tmp_path / ".tmp-1-left.npz").write_bytes(b"x")
    cache = FeatureCache(tmp_path, 4)
    assert cache.missing(["k"]) == ["k"]
    cache.add(["k"], row)
    np.testing.assert_array_equal(FeatureCache(tmp_path, 4).rows(["k"]), row)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_linked_cache_folder_is_refused(tmp_path: Path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / ".tmp-mine").write_text("precious")
    (tmp_path / "cache").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="cache is a symbolic link"):
        FeatureCache(tmp_path / "cache", 4)
    assert (tmp_path / "outside" / ".tmp-mine").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_disk_that_refuses_features_stops_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    cache = FeatureCache(tmp_path, 4)

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("evalsuite.files.os.fsync", refuse)
    with pytest.raises(Incomplete, match=f"{tmp_path}: {os.strerror(number)}; .*repeat the command") as caught:
        cache.add(["k"], np.ones((1, 4), np.float32))
    assert "\n" not in str(caught.value)
    assert cache.missing(["k"]) == ["k"]
    assert not list(tmp_path.iterdir())


def test_a_cache_folder_that_cannot_be_made_stops_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Incomplete, match="file/cache: Not a directory"):
        FeatureCache(tmp_path / "file" / "cache", 4)


def test_files_that_are_not_the_recorded_image_are_refused(tmp_path: Path):
    one, other = make_samples(tmp_path, [(8, 8), (8, 8)])
    with pytest.raises(InputError, match="other pixels"):
        read_image(replace(one, file=other.file))
    with pytest.raises(InputError, match="not \\(16, 8\\)"):
        read_image(replace(one, width=16))
    one.file.write_bytes(one.file.read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be read"):
        read_image(one)
    Image.new("RGB", (8, 8)).save(one.file, "JPEG")
    with pytest.raises(InputError, match="other pixels"):
        read_image(one)
    one.file.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_image(one)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a GPU, with a network on the CPU."""
    stacked = features._stacked
    monkeypatch.setattr(features, "_stacked", lambda images, device: stacked(images, torch.device("cpu")))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)


class Threaded(Counting):
    """Says that it is on a GPU, and where it was called."""

    device = "cuda"

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def images(self, images: torch.Tensor) -> np.ndarray:
        self.threads.add(threading.get_ident())
        if self.seen > 8:
            raise InputError("damaged")
        return super().images(images)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("waiting", [features.WAITING, 1])
def test_a_thread_of_its_own_feeds_a_gpu_in_order(waiting: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "WAITING", waiting)
    encoder, images = Threaded(), [np.full((4, 4, 3), value, np.uint8) for value in range(8)]
    found = list(encoded_in_turn(encoder, ((value, [image]) for value, image in enumerate(images))))
    assert [about for about, _ in found] == list(range(8))
    assert [rows[0, 0] for _, rows in found] == list(range(8))
    assert len(encoder.threads) == 1
    assert threading.get_ident() not in encoder.threads


@pytest.mark.usefixtures("as_on_a_gpu")
def test_what_fails_on_a_gpu_fails_where_it_is_asked():
    batches = ((None, [np.zeros((4, 4, 3), np.uint8)] * 4) for _ in range(9))
    with pytest.raises(InputError, match="damaged"):
        list(encoded_in_turn(Threaded(), batches))
