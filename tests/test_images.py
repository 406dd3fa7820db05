from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite.images import BadImage, find_images, read_rgb


def pixels(mode: str = "RGB", seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    bands = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,)}[mode]
    return Image.fromarray(random.integers(0, 256, (5, 7, *bands), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    buffer.seek(0)
    return buffer


def png_claiming(width: int, height: int) -> bytes:
    """A PNG with a header and no pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_lossless_formats_give_the_pixels_and_jpeg_its_decoders():
    image = pixels()
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        np.testing.assert_array_equal(read_rgb(encoded(image, kind, **options)), np.asarray(image))
    jpeg = encoded(image, "JPEG")
    np.testing.assert_array_equal(read_rgb(jpeg), np.asarray(Image.open(encoded(image, "JPEG")).convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_grey_and_transparent_images_become_rgb_with_the_colours_they_store(mode: str):
    image = pixels(mode)
    values = np.asarray(image)
    grey = values if mode == "L" else values[..., 0]
    want = values[..., :3] if mode == "RGBA" else np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_rgb(encoded(image)), want)


def test_a_palette_with_transparency_is_read_without_a_warning():
    image = pixels().quantize(16)
    want = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_rgb(encoded(image, transparency=b"\x00" * 16)), want)


def test_sixteen_bit_grey_keeps_its_high_byte():
    values = np.random.default_rng(0).integers(0, 1 << 16, (5, 7)).astype(np.uint16)
    got = read_rgb(encoded(Image.fromarray(values)))
    np.testing.assert_array_equal(got, np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_an_animation_gives_its_first_frame():
    frames = [pixels(seed=seed) for seed in (0, 1)]
    animated = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(read_rgb(animated), np.asarray(frames[0]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a PNG, JPEG or WebP"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG, JPEG or WebP"),
        (encoded(pixels(), "GIF").getvalue(), "not a PNG, JPEG or WebP"),
        (encoded(pixels(), "BMP").getvalue(), "not a PNG, JPEG or WebP"),
        (png_claiming(10_000, 10_000), "pixels, more than 64 million"),
        (png_claiming(60_000, 60_000), "pixels, more than 64 million"),
        (png_claiming(8_000, 8_001), "8000 x 8001 pixels, more than 64 million"),
        (png_claiming(90, 90), "damaged"),
        (encoded(pixels()).getvalue()[:60], "damaged"),
        (encoded(pixels(), "JPEG").getvalue()[:400], "damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_short_reason(data: bytes, reason: str):
    with pytest.raises(BadImage, match=reason) as error:
        read_rgb(io.BytesIO(data))
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)


def test_the_limit_is_on_pixels_and_is_the_callers():
    with pytest.raises(BadImage, match="7 x 5 pixels"):
        read_rgb(encoded(pixels()), limit_pixels=34)
    assert read_rgb(encoded(pixels()), limit_pixels=35).shape == (5, 7, 3)


def test_damage_of_any_kind_ends_in_a_bad_image_or_in_pixels():
    random = np.random.default_rng(0)
    originals = [encoded(pixels(), kind).getvalue() for kind in ("PNG", "JPEG", "WEBP")]
    refused = 0
    for turn in range(600):
        data = bytearray(originals[turn % 3])
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        if turn % 2:
            data = data[: random.integers(1, len(data))]
        try:
            found = read_rgb(io.BytesIO(bytes(data)))
        except BadImage:
            refused += 1
        else:
            assert found.dtype == np.uint8
            assert found.ndim == 3
    assert refused > 300


def test_only_regular_files_are_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="not a regular file"):
        read_rgb(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="no such file"):
        read_rgb(tmp_path / "none.png")


def test_images_are_found_at_any_depth_in_the_order_of_their_paths(tmp_path: Path):
    names = ["b.PNG", "a/2.webp", "a/10.jpeg", "a-1.jpg", ".hidden.png", ".cache/x.png", "notes.txt", "a/b/c.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["a-1.jpg", "a/10.jpeg", "a/2.webp", "a/b/c.png", "b.PNG"]
