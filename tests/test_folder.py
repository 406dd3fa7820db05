from __future__ import annotations

import io
import json
import os
import random
import struct
import unicodedata
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from evalsuite.errors import InputError
from evalsuite.folder import FolderImages, read_folder
from evalsuite.progress import Silent
from evalsuite.records import pixel_sha256
from evalsuite.sizes import aspect_of, parse_aspect, parse_ratio
from prompts import Prompt, load


def pixels(name: str, size: tuple[int, int] = (8, 6)) -> np.ndarray:
    """Pixels that differ from one name to another, (height, width, 3)."""
    generator = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    return generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def draw(folder: Path, *names: str, size: tuple[int, int] = (8, 6)) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(name, size)).save(path)


def ask(*ids: str) -> list[Prompt]:
    return [Prompt(id, f"text of {id}") for id in ids]


def found(images: FolderImages) -> list[tuple[str, int, str]]:
    """Prompt id, index and file name of every entry."""
    return [(e.prompt.id if e.prompt else "", e.index, e.file.name if e.file else e.status) for e in images.entries]


def test_entries_have_the_pixels_of_their_files_whatever_the_format(tmp_path: Path):
    draw(tmp_path, "cat.png", "dog.webp", "Owl.JPEG", size=(7, 5))
    seen = []
    progress = Silent()
    progress.advance = lambda steps=1: seen.append(steps)  # type: ignore[method-assign]
    images = read_folder(tmp_path, ask("dog", "cat", "owl"), progress=progress)
    assert images.layout == "flat"
    assert images.strangers == ()
    assert [entry.prompt.id for entry in images.entries] == ["dog", "cat", "owl"]  # the prompts' order
    for entry in images.entries:
        with Image.open(entry.file) as image:
            assert entry.pixel_sha256 == pixel_sha256(np.asarray(image.convert("RGB")))
        assert (entry.width, entry.height, entry.status, entry.reason) == (7, 5, "ok", "")
    assert images.entries[1].pixel_sha256 == pixel_sha256(pixels("cat.png", (7, 5)))
    assert sum(seen) == 3


NAMINGS = {
    "dash": ["cat-0.png", "cat-1.png", "dog-0.png", "dog-1.png"],
    "underscore": ["cat_0000.png", "cat_0001.png", "dog_0000.png", "dog_0001.png"],
    "comfy": ["cat_00000_.png", "cat_00001_.png", "dog_00000_.png", "dog_00001_.png"],
    "folder each": ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"],
    "bare first": ["cat.png", "cat-1.png", "dog.png", "dog-1.png"],
    "deep": ["a/b/cat-0.png", "a/c/cat-1.png", "a/b/dog-0.png", "a/c/dog-1.png"],
    "deep folder each": ["run/x/cat/0.png", "run/x/cat/1.png", "run/x/dog/0.png", "run/x/dog/1.png"],
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_by_id_says_the_same(tmp_path: Path, naming: str):
    draw(tmp_path, *NAMINGS[naming])
    images = read_folder(tmp_path, ask("cat", "dog"), num_images=2)
    assert [(id, index) for id, index, _ in found(images)] == [("cat", 0), ("cat", 1), ("dog", 0), ("dog", 1)]
    assert [str(e.file.relative_to(tmp_path)) for e in images.entries] == NAMINGS[naming]
    assert images.layout == ("nested" if "/" in NAMINGS[naming][0] else "flat")


def test_an_id_that_ends_in_digits_is_not_split(tmp_path: Path):
    draw(tmp_path, "cat.png", "cat-1.png", "cat-1-1.png", "cat-12.png", "v1.5_2.png")
    images = read_folder(tmp_path, ask("cat", "cat-1", "cat-12", "v1.5"))
    assert [entry for entry in found(images) if entry[2] != "missing"] == [
        ("cat", 0, "cat.png"),
        ("cat-1", 0, "cat-1.png"),
        ("cat-1", 1, "cat-1-1.png"),
        ("cat-12", 0, "cat-12.png"),
        ("v1.5", 2, "v1.5_2.png"),
    ]


def test_numbers_as_ids_name_folders_or_files_whichever_shows_more_prompts(tmp_path: Path):
    draw(tmp_path / "each", *(f"{id}/{k}.png" for id in range(3) for k in range(2)))
    each = read_folder(tmp_path / "each", ask("0", "1", "2"))
    assert [(entry.prompt.id, entry.index) for entry in each.entries] == [(str(i), k) for i in range(3) for k in (0, 1)]
    draw(tmp_path / "size", *(f"2/{id}.png" for id in range(3)))
    size = read_folder(tmp_path / "size", ask("0", "1", "2"))
    assert found(size) == [("0", 0, "0.png"), ("1", 0, "1.png"), ("2", 0, "2.png")]


def test_a_number_as_id_is_found_with_leading_zeros_and_never_by_position(tmp_path: Path):
    draw(tmp_path, "0001.png", "0002.png", "0003.png")
    images = read_folder(tmp_path, ask("3", "1", "2"))
    assert images.layout == "flat"
    assert found(images) == [("3", 0, "0003.png"), ("1", 0, "0001.png"), ("2", 0, "0002.png")]


def test_case_and_the_form_of_accents_do_not_matter(tmp_path: Path):
    draw(tmp_path, unicodedata.normalize("NFD", "CAFÉ-1.png"), "Straße.PNG", "猫.png")
    images = read_folder(tmp_path, ask("café", "STRASSE", "猫"))
    assert [entry.status for entry in images.entries] == ["ok"] * 3


HOSTILE = [
    "../../etc/passwd",
    "C:\\x",
    "CON",
    "\u202etxt",
    "a" * 200,
    "猫" * 66 + "é",
    "a\u200db",
    "-rf",
    "$(x)",
    "{0}",
    "%s",
    "[b]",
    "trailing.",
]


def test_hostile_ids_match_no_more_than_their_own_file(tmp_path: Path):
    folder = tmp_path / "in"
    draw(folder, *(f"{id}.png" for id in HOSTILE if "/" not in id))
    draw(tmp_path, "passwd.png", "etc/passwd.png")
    images = read_folder(folder, ask(*HOSTILE))
    by_id = {entry.prompt.id: entry for entry in images.entries}
    assert by_id.pop("../../etc/passwd").status == "missing"
    assert all(entry.file == folder / f"{id}.png" for id, entry in by_id.items())


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


@pytest.mark.parametrize("names", [("cat.png", "cat.jpg"), ("cat.png", "x/CAT.png"), ("cat-0.png", "cat_0.png")])
def test_two_files_for_one_image_are_refused_by_name(tmp_path: Path, names: tuple[str, str]):
    draw(tmp_path, *names)
    with pytest.raises(InputError) as caught:
        read_folder(tmp_path, ask("cat", "dog"))
    assert all(name in str(caught.value) for name in (*names, "image 0 of prompt 'cat' at 8x6", "keep one"))


def test_ratios_lie_in_folders_of_their_own(tmp_path: Path):
    draw(tmp_path, "1x1/cat.png", "1x1/dog.png", size=(8, 8))
    draw(tmp_path, "3x2/cat.png", size=(12, 8))
    draw(tmp_path, "3x2/dog.png", "3x2/owl.png", size=(12, 8))
    images = read_folder(tmp_path, ask("cat", "dog", "owl"))
    assert [(e.prompt.id, e.width, e.status) for e in images.entries] == [
        ("cat", 8, "ok"),
        ("cat", 12, "ok"),
        ("dog", 8, "ok"),
        ("dog", 12, "ok"),
        ("owl", 8, "missing"),
        ("owl", 12, "ok"),
    ]
    assert images.entries[4].height == 8
    assert images.entries[4].reason == "1 of 2 images"


def test_what_is_missing_is_counted_against_the_others_or_the_number_given(tmp_path: Path):
    draw(tmp_path, "a-1.png", "a-2.png", "a-3.png", "b-1.png", "b-3.png")
    (tmp_path / "d-2.png").write_bytes(b"")
    missing = [(e.prompt.id, e.index) for e in read_folder(tmp_path, ask("a", "b", "c", "d")).entries if not e.file]
    assert missing == [("b", 2), ("c", 1), ("c", 2), ("c", 3), ("d", 1), ("d", 3)]
    entries = read_folder(tmp_path, ask("a", "b"), num_images=4).entries
    assert [(e.prompt.id, e.index) for e in entries if not e.file] == [("a", 4), ("b", 2), ("b", 4)]
    assert all((e.width, e.height) == (8, 6) for e in entries)
    with pytest.raises(InputError, match="prompt 'a' has 3 images of 8x6, 2 expected"):
        read_folder(tmp_path, ask("a", "b"), num_images=2)


def test_images_of_every_size_are_not_expected_of_every_prompt(tmp_path: Path):
    for number, id in enumerate("abcd"):
        draw(tmp_path, f"{id}.png", size=(8 + number, 6))
    images = read_folder(tmp_path, ask(*"abcde"))
    assert [e.status for e in images.entries] == ["ok"] * 4 + ["missing"]
    assert (images.entries[4].width, images.entries[4].reason) == (0, "no image")


def geneval(folder: Path, lines: Sequence[dict[str, object]], per_prompt: int = 2) -> None:
    for number, line in enumerate(lines):
        draw(folder, *(f"{number:05}/samples/{k:04}.png" for k in range(per_prompt)), f"{number:05}/grid.png")
        (folder / f"{number:05}" / "metadata.jsonl").write_text(json.dumps(line))


GENEVAL = [
    {"tag": "counting", "include": [{"class": "bench", "count": 3}], "prompt": "a photo of three benches"},
    {"tag": "colors", "include": [{"class": "cow", "count": 1}], "prompt": "a photo of a red cow"},
    {"tag": "colors", "include": [{"class": "cow", "count": 1}], "prompt": "a photo of a red cow"},
]


def test_geneval_brings_its_prompts_with_the_ids_of_its_own_file(tmp_path: Path):
    geneval(tmp_path / "out", GENEVAL)
    (tmp_path / "evaluation_metadata.jsonl").write_text("\n".join(map(json.dumps, GENEVAL)))
    prompts = load(str(tmp_path / "evaluation_metadata.jsonl")).prompts
    images = read_folder(tmp_path / "out", None)
    assert (images.layout, images.prompts, images.strangers) == ("geneval", prompts, ())
    assert [e.prompt.tags for e in images.entries[::2]] == [("counting",), ("colors",), ("colors",)]
    assert [e.index for e in images.entries] == [0, 1] * 3
    assert [e.file.parts[-3] for e in images.entries] == [f"{n:05}" for n in (0, 0, 1, 1, 2, 2)]
    assert read_folder(tmp_path / "out", prompts) == images


def test_geneval_is_matched_by_text_when_prompts_are_given(tmp_path: Path):
    geneval(tmp_path, GENEVAL)
    (tmp_path / "00002" / "samples" / "0001.png").unlink()
    asked = [Prompt("cow", "a photo of a red cow"), Prompt("owl", "an owl"), Prompt("cow-2", "a photo of a red cow")]
    images = read_folder(tmp_path, asked)
    assert [(e.prompt.id, e.index, e.file.parts[-3] if e.file else e.status) for e in images.entries] == [
        ("cow", 0, "00001"),
        ("cow", 1, "00001"),
        ("owl", 0, "missing"),
        ("owl", 1, "missing"),
        ("cow-2", 0, "00002"),
        ("cow-2", 1, "missing"),
    ]
    assert images.strangers == ("00000/samples/0000.png", "00000/samples/0001.png")
    with pytest.raises(InputError, match="asks for other prompts: 'a photo of three benches' is none of those given"):
        read_folder(tmp_path, ask("dog"))


def test_damaged_geneval_metadata_is_one_line(tmp_path: Path):
    geneval(tmp_path, GENEVAL)
    (tmp_path / "00001" / "metadata.jsonl").write_text('{"prompt": }')
    with pytest.raises(InputError, match=r"00001/metadata.jsonl:1: bad JSON"):
        read_folder(tmp_path, None)
    (tmp_path / "00001" / "metadata.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}')
    with pytest.raises(InputError, match="2 prompts; GenEval has one"):
        read_folder(tmp_path, None)


def test_geneval_metadata_behind_a_link_is_not_read(tmp_path: Path):
    geneval(tmp_path / "other", GENEVAL)
    draw(tmp_path / "in", "00000/samples/0000.png")
    (tmp_path / "in" / "00000" / "metadata.jsonl").symlink_to(tmp_path / "other" / "00000" / "metadata.jsonl")
    (tmp_path / "in" / "00001").symlink_to(tmp_path / "other" / "00001")
    assert read_folder(tmp_path / "in", None).layout == "unprompted"


def test_hpdv2_is_matched_by_style_and_number(tmp_path: Path):
    (tmp_path / "benchmark").mkdir()
    for style in ("anime", "photo"):
        (tmp_path / "benchmark" / f"{style}.json").write_text(json.dumps([f"{style} one", f"{style} two"]))
    prompts = load(str(tmp_path / "benchmark")).prompts
    draw(tmp_path / "out", "anime/00000.jpg", "anime/00001.jpg", "photo/00001.jpg", "photo/00007.jpg", "x/00000.jpg")
    images = read_folder(tmp_path / "out", prompts)
    assert images.layout == "hpdv2"
    assert found(images) == [
        ("anime-00000", 0, "00000.jpg"),
        ("anime-00001", 0, "00001.jpg"),
        ("photo-00000", 0, "missing"),
        ("photo-00001", 0, "00001.jpg"),
    ]
    assert [entry.prompt.text for entry in images.entries] == ["anime one", "anime two", "photo one", "photo two"]
    assert images.strangers == ("photo/00007.jpg", "x/00000.jpg")


def test_numbers_are_positions_when_no_id_is_a_number(tmp_path: Path):
    draw(tmp_path, *(f"{n:05}.png" for n in range(11)), "grid.png")
    images = read_folder(tmp_path, ask(*"kjihgfedcba"))
    assert images.layout == "position"
    assert [(id, name) for id, _, name in found(images)] == [(id, f"{n:05}.png") for n, id in enumerate("kjihgfedcba")]
    assert images.strangers == ("grid.png",)
    draw(tmp_path, *(f"wide/{n}.png" for n in range(11)), size=(12, 6))
    assert [e.width for e in read_folder(tmp_path, ask(*"kjihgfedcba")).entries] == [8, 12] * 11


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (range(6), "6 numbered images for 3 prompts: which 2 show one prompt. name them ID-K.png"),
        (range(2), "2 numbered images for 3 prompts.* give the prompts ids such as 00000"),
        (range(4), "4 numbered images for 3 prompts"),
        (range(1, 4), "from 1 to 3: the first prompt's number is 0; number them from 0 to 2"),
    ],
)
def test_numbers_that_do_not_fit_the_prompts_are_no_positions(tmp_path: Path, numbers: Sequence[int], message: str):
    draw(tmp_path, *(f"{n:05}.png" for n in numbers))
    with pytest.raises(InputError, match=message):
        read_folder(tmp_path, ask("a", "b", "c"))


def test_without_prompts_every_image_counts(tmp_path: Path):
    draw(tmp_path, "b.png", "a/z.jpg", "a/00000.webp")
    (tmp_path / "c.png").write_bytes(b"")
    images = read_folder(tmp_path, None)
    assert (images.layout, images.prompts, images.strangers) == ("unprompted", (), ())
    assert found(images) == [("", 0, "00000.webp"), ("", 1, "z.jpg"), ("", 2, "b.png"), ("", 3, "c.png")]
    assert images.entries[3].status == "corrupt"


def test_nothing_that_matches_is_one_line_with_both_names_and_the_layouts(tmp_path: Path):
    draw(tmp_path, "zebra.png", "img (3).png")
    with pytest.raises(InputError) as caught:
        read_folder(tmp_path, ask("cat", "dog"))
    parts = ("img (3).png", "'cat'", "ID-K.png", "GenEval", "HPDv2", "position")
    assert all(part in str(caught.value) for part in parts)
    assert "\n" not in str(caught.value)


def test_no_folder_no_images_and_no_prompts_are_said(tmp_path: Path):
    with pytest.raises(InputError, match="no such folder; check"):
        read_folder(tmp_path / "gone", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        read_folder(tmp_path / "file", None)
    with pytest.raises(InputError, match=r"no images in it; they end in \.png"):
        read_folder(tmp_path, None)
    with pytest.raises(InputError, match="no prompts to match"):
        read_folder(tmp_path, [])
    with pytest.raises(InputError, match="0 images of each prompt; say 1"):
        read_folder(tmp_path, ask("cat"), num_images=0)


def test_reading_twice_gives_the_same_order(tmp_path: Path):
    ids = [f"p{n}" for n in range(40)]
    draw(tmp_path, *(f"{id}_{k}.png" for id in reversed(ids) for k in (1, 0)))
    assert read_folder(tmp_path, ask(*ids)) == read_folder(tmp_path, ask(*ids))


@pytest.mark.parametrize(
    ("size", "aspect"),
    [
        ((512, 512), "1:1"),
        ((1344, 768), "16:9"),
        ((768, 1344), "9:16"),
        ((1365, 768), "16:9"),
        ((512, 520), "1:1"),
        ((1000, 617), "81:50"),
        ((617, 1000), "50:81"),
        ((672, 288), "21:9"),
        ((1000, 429), "21:9"),
        ((5000, 1000), "5:1"),
        ((1, 64_000_000), "1:99999"),
    ],
)
def test_the_name_of_a_ratio(size: tuple[int, int], aspect: str):
    assert aspect_of(*size) == aspect


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_the_name_of_a_ratio_is_read_back_near_and_turns_with_the_image(width: int, height: int):
    aspect = aspect_of(width, height)
    assert aspect_of(height, width) == ":".join(reversed(aspect.split(":")))
    ratio = parse_ratio(aspect)
    if max(width, height) <= 99_999 * min(width, height):
        assert abs(ratio / (parse_ratio("1:1") * width / height) - 1) <= 0.031
    if 0.25 <= ratio <= 4:
        assert parse_aspect(aspect) == ratio


def test_a_size_without_pixels_has_no_ratio():
    with pytest.raises(ValueError, match="0x5 is no size"):
        aspect_of(0, 5)
