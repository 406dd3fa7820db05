from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite import image_sources
from evalsuite.errors import InputError
from evalsuite.image_sources import source_of
from evalsuite.images import BadImage


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pack(path: Path, members: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def arrays(path: Path, **given: np.ndarray) -> Path:
    np.savez(path, **given)
    return path


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_folder_gives_its_images_in_order_and_says_which_are_none(tmp_path: Path):
    red = np.full((2, 3, 3), (255, 0, 0), np.uint8)
    (tmp_path / "b").mkdir()
    saved(tmp_path / "b" / "1.png", png(red))
    saved(tmp_path / "a.png", b"")
    (first, bad), (second, pixels) = source_of(tmp_path)
    assert (first, second, str(bad)) == ("a.png", "b/1.png", "not a PNG, JPEG or WebP image")
    np.testing.assert_array_equal(pixels, red)


def test_an_array_is_read_a_chunk_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images = np.random.default_rng(0).integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
    monkeypatch.setattr(image_sources, "CHUNK", 2 * 60)
    found = list(source_of(arrays(tmp_path / "a.npz", arr_0=images)))
    assert [item.name for item in found] == [f"arr_0[{i}]" for i in range(7)]
    np.testing.assert_array_equal(np.stack([item.pixels for item in found]), images)


def test_hostile_archives_cost_one_image_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    good = png(np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(image_sources, "LARGEST_MEMBER", 10_000)
    path = pack(
        tmp_path / "a.zip",
        {
            "bomb.png": bytes(20_000),
            "fine.png": good,
            "../../outside.png": good,
            "__MACOSX/x.png": good,
            ".hidden/x.png": good,
            "._x.png": good,
            "notes.txt": b"",
            "x.zip": b"PK",
        },
    )
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("slow.png", good)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x03\x04", data.index(b"fine.png")) - 30  # inside the pixels of fine.png
    data[at : at + 4] = b"\xff" * 4
    path.write_bytes(data)
    found = {name: str(pixels) if isinstance(pixels, BadImage) else pixels.shape for name, pixels in source_of(path)}
    assert list(found) == ["../../outside.png", "bomb.png", "fine.png", "slow.png"]
    assert found["../../outside.png"] == (8, 8, 3)
    assert found["bomb.png"] == "unpacks to 20000 bytes, more than 10000"
    assert str(found["fine.png"]).startswith("damaged")
    assert found["slow.png"] == "encrypted, or packed in another way than deflate"
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]  # nothing was unpacked


def test_an_encrypted_member_is_a_bad_image(tmp_path: Path):
    data = bytearray(pack(tmp_path / "a.zip", {"x.png": png(np.zeros((8, 8, 3), np.uint8))}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    ((_, found),) = source_of(tmp_path / "a.zip")
    assert isinstance(found, BadImage)


SOURCES: list[tuple[Callable[[Path], Path], str]] = [
    (lambda p: p / "none", "no such file"),
    (lambda p: p, "has no PNG, JPEG or WebP images"),
    (lambda p: pack(p / "a.zip", {"notes.txt": b""}), "has no PNG, JPEG or WebP images"),
    (lambda p: saved(p / "a.txt", b""), "not a folder, .zip or .npz"),
    (lambda p: saved(p / "b.zip", b"PK"), "cannot be read as images"),
    (lambda p: arrays(p / "a.npz", mu=np.zeros(3)), "arr_0 is missing"),
    (lambda p: arrays(p / "a.npz", arr_0=np.zeros((2, 3, 8, 8), np.uint8)), r"not uint8 \(n, height, width, 3\)"),
    (lambda p: arrays(p / "a.npz", arr_0=np.zeros((2, 8, 8, 3))), "arr_0 is float64"),
    (lambda p: arrays(p / "a.npz", arr_0=np.zeros((0, 8, 8, 3), np.uint8)), "arr_0 is uint8"),
]


@pytest.mark.parametrize(("make", "reason"), SOURCES)
def test_a_source_without_images_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], Path], reason: str):
    with pytest.raises(InputError, match=reason) as error:
        source_of(make(tmp_path))
    assert "\n" not in str(error.value)
