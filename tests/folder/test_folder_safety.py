"""Files that are damaged, links that lead out, and names that no terminal should see."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from folder_images import ask, draw, found, pixels
from PIL import Image

from evalsuite.errors import InputError
from evalsuite.folder import read_folder
from evalsuite.records import pixel_sha256


def test_strangers_are_printable_and_hidden_names_and_other_files_are_left_out(tmp_path: Path):
    draw(tmp_path, "cat.png", "esc\x1b[2J.png", "other/dog.png", ".hidden.png", ".thumbs/cat.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.png")).write_bytes(b"x")
    (tmp_path / "cat.txt").write_text("cat")
    (tmp_path / "cat.gif").write_bytes(b"GIF89a")
    images = read_folder(tmp_path, ask("cat"))
    assert found(images) == [("cat", 0, "cat.png")]
    assert images.strangers == ("bad\\udcff.png", "esc\\x1b[2J.png", "other/dog.png")


def test_links_within_the_folder_are_followed_and_no_others(tmp_path: Path):
    folder = tmp_path / "in"
    draw(tmp_path, "secret.png", "outside/dog.png")
    draw(folder, "store/cat.png")
    (folder / "ant.png").symlink_to("store/cat.png")
    (folder / "bee.png").symlink_to(tmp_path / "secret.png")
    (folder / "dog.png").symlink_to("../outside/dog.png")
    (folder / "eel.png").symlink_to("eel.png")
    (folder / "fox.png").symlink_to("gone.png")
    (folder / "loop").symlink_to(folder)
    (folder / "away").symlink_to(tmp_path / "outside")
    images = read_folder(folder, ask("ant", "bee", "cat", "dog", "eel", "fox"))
    assert [entry.status for entry in images.entries] == ["ok", "missing", "ok", "missing", "missing", "missing"]
    assert images.entries[0].pixel_sha256 == images.entries[2].pixel_sha256
    assert images.strangers == ("bee.png", "dog.png", "eel.png", "fox.png")


def test_a_folder_of_nothing_but_links_that_lead_out_says_so(tmp_path: Path):
    draw(tmp_path, "blobs/a.png")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "cat.png").symlink_to(tmp_path / "blobs" / "a.png")
    with pytest.raises(InputError, match=r"only 1 links that lead out .* copy"):
        read_folder(tmp_path / "snapshot", ask("cat"))


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data does not have."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png(name: str, size: tuple[int, int] = (32, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(name, size)).save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_damaged_is_corrupt_with_a_reason_and_the_rest_is_read(tmp_path: Path):
    whole = png("a")
    damaged = {
        "empty": b"",
        "text": b"not an image",
        "half": whole[: len(whole) // 2],
        "flipped": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        "bomb": bomb(60_000, 60_000),
        "warned": bomb(10_000, 10_000),
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }
    for name, data in damaged.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    os.mkfifo(tmp_path / "pipe.png")
    draw(tmp_path, "good.png")
    grey = np.full((6, 8, 3), 9, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    grey[5, 7, 2] = 10
    Image.fromarray(grey).save(tmp_path / "nearly.png")
    images = read_folder(tmp_path, ask(*damaged, "pipe", "good", "grey", "nearly"))
    status = {entry.prompt.id: entry.status for entry in images.entries}
    assert status == dict.fromkeys([*damaged, "pipe"], "corrupt") | {"good": "ok", "grey": "constant", "nearly": "ok"}
    for entry in images.entries:
        assert bool(entry.reason) == (entry.status != "ok")
        assert entry.reason.isprintable()
        assert (entry.pixel_sha256 is None, entry.width == 0) == (entry.status == "corrupt",) * 2
        assert entry.file is not None


def test_a_cut_png_is_never_taken_for_another_image(tmp_path: Path):
    """Cut in its last chunks, a PNG may still have all its pixels; then it is that image."""
    whole = png("a")
    cuts = random.Random(0).sample(range(len(whole)), 60)
    for cut in cuts:
        (tmp_path / f"p{cut}.png").write_bytes(whole[:cut])
    for entry in read_folder(tmp_path, None).entries:
        assert entry.status == "corrupt" or entry.pixel_sha256 == pixel_sha256(pixels("a", (32, 32)))
