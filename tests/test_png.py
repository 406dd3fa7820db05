from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from evalsuite import images
from evalsuite.images import BadImage, read_rgb
from evalsuite.png import MODES, SPARE, read_plain

NO_LIMIT = 1 << 40
ROWS = b"".join(
    bytes([row]) + np.random.default_rng(row).integers(0, 256, 21, dtype=np.uint8).tobytes() for row in range(5)
)  # 5 rows of 7 pixels, each with another filter


def chunk(name: bytes, data: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png(
    packed: bytes = zlib.compress(ROWS),
    size: tuple[int, int] = (7, 5),
    bits: int = 8,
    colour: int = 2,
    interlaced: int = 0,
    before: bytes = b"",
    after: bytes = b"",
    part: int = 1000,
) -> bytes:
    """A PNG from its parts, its data in chunks of ``part`` bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, interlaced))
    data = b"".join(chunk(b"IDAT", packed[start : start + part]) for start in range(0, len(packed), part))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + after + chunk(b"IEND", b"")


def saved(mode: str, size: tuple[int, int] = (19, 23), **options: object) -> bytes:
    random = np.random.default_rng(0)
    channels = {"L": (), "I;16": (), "1": (), "LA": (2,), "RGB": (3,), "P": (3,), "RGBA": (4,)}[mode]
    kind = np.uint16 if mode == "I;16" else np.uint8
    values = random.integers(0, np.iinfo(kind).max, (*size[::-1], *channels)).astype(kind)
    image = Image.fromarray(values)
    image = image.quantize(16) if mode == "P" else image.convert("1") if mode == "1" else image
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def text() -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", "a blue cat, steps: 10")
    return info


def told(data: bytes, plain: bool) -> np.ndarray | str:
    """Pixels or the reason why there are none, with this module or by Pillow's own reader alone."""
    reader = read_plain if plain else lambda *_: None
    with mock.patch.object(images, "read_plain", reader):
        try:
            return read_rgb(io.BytesIO(data))
        except BadImage as error:
            return str(error)


PLAIN = {
    "grey": saved("L"),
    "rgb": saved("RGB"),
    "rgba": saved("RGBA"),
    "larger than a block of Pillow's": saved("RGB", (301, 299)),
    "text and resolution": saved("RGB", pnginfo=text(), dpi=(72, 72)),
    "every filter": png(),
    "many chunks": png(part=3),
    "data after the last row": png(zlib.compress(ROWS + b"more" * 9) + b"junk"),
    "rows that are not there": png(zlib.compress(ROWS[:44])),
    "colours of a screen": png(before=chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"sRGB", b"\0")),
}
OTHERS = {
    "palette": saved("P"),
    "grey with transparency": saved("LA"),
    "16 bits": saved("I;16"),
    "1 bit": saved("1"),
    "one colour transparent": png(before=chunk(b"tRNS", bytes(6))),
    "interlaced": png(zlib.compress(b"\0abc"), (1, 1), interlaced=1),
    "text after the pixels": png(after=chunk(b"tEXt", b"a\0b")),
    "a colour profile": png(before=chunk(b"iCCP", b"a\0\0" + zlib.compress(b"profile"))),
    "an animation": png(before=chunk(b"acTL", struct.pack(">II", 1, 0))),
}
BROKEN = {
    "cut off": PLAIN["rgb"][:200],
    "without its end": PLAIN["rgb"][:-12],
    "without rows": png(zlib.compress(b"")),
    "no data": png(b""),
    "a bad checksum in the data": png(zlib.compress(ROWS)[:-4] + b"abcd"),
    "a bad checksum in text": png(before=chunk(b"tEXt", b"a\0b", 1)),
    "a resolution too short": png(before=chunk(b"pHYs", b"1")),
    "no width": png(size=(0, 5)),
    "an unknown filter": png(zlib.compress(b"\7" + ROWS[1:])),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_is_decoded_in_one_call_with_the_pixels_of_pillows_reader(name: str):
    expected = told(PLAIN[name], plain=False)
    with mock.patch.object(Image, "open", side_effect=AssertionError("not by Pillow's reader")):
        found = told(PLAIN[name], plain=True)
    assert not isinstance(found, str)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_is_left_to_pillows_reader(name: str):
    assert read_plain(io.BytesIO(OTHERS[name]), NO_LIMIT) is None
    assert not isinstance(told(OTHERS[name], plain=True), str)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_left_to_pillows_reader_which_says_what_is_wrong(name: str):
    assert read_plain(io.BytesIO(BROKEN[name]), NO_LIMIT) is None
    np.testing.assert_array_equal(told(BROKEN[name], plain=True), told(BROKEN[name], plain=False))


def test_damage_gives_the_same_pixels_or_reason_as_pillows_reader():
    random, fast = np.random.default_rng(0), 0
    whole = [PLAIN["rgba"], PLAIN["text and resolution"], PLAIN["many chunks"], OTHERS["palette"]]
    for turn in range(600):
        data = bytearray(whole[turn % len(whole)])
        for place in random.integers(24, len(data), 2):  # not in the size: that would take memory, not show anything
            data[place] = random.integers(0, 256)
        if turn % 3 == 0:
            del data[random.integers(30, len(data)) :][:5]
        found, expected = (told(bytes(data), plain) for plain in (True, False))
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected)
        fast += read_plain(io.BytesIO(bytes(data)), NO_LIMIT) is not None
    assert fast > 10


def test_an_image_beyond_the_limit_is_not_decoded():
    with mock.patch.object(Image, "frombytes", side_effect=AssertionError("decoded")):
        assert read_plain(io.BytesIO(PLAIN["rgb"]), 19 * 23 - 1) is None
    assert read_plain(io.BytesIO(PLAIN["rgb"]), 19 * 23) is not None


def test_no_more_is_read_than_such_an_image_can_need(tmp_path: Path):
    padded = png(before=chunk(b"tEXt", b"a\0" + b"b" * SPARE))
    (tmp_path / "a.png").write_bytes(padded)
    source = io.BytesIO(padded)
    assert read_plain(source, NO_LIMIT) is None
    assert source.tell() < len(padded)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), told(png(), plain=True))


def test_a_file_and_its_bytes_give_the_same(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(PLAIN["rgb"])
    source = io.BytesIO(PLAIN["rgb"])
    source.seek(50)  # Pillow begins at the start as well
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), read_rgb(source))
    assert read_plain(tmp_path / "none.png", NO_LIMIT) is None
    assert {mode for mode, _ in MODES.values()} == {"L", "RGB", "RGBA"}
