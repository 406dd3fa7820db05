"""How files are named after prompts, and what is said where they are not."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from folder_images import ask, draw, found, pixels
from PIL import Image

from evalsuite.errors import InputError
from evalsuite.folder import read_folder
from evalsuite.progress import Silent
from evalsuite.records import pixel_sha256


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


@pytest.mark.parametrize("names", [("cat.png", "cat.jpg"), ("cat.png", "x/CAT.png"), ("cat-0.png", "cat_0.png")])
def test_two_files_for_one_image_are_refused_by_name(tmp_path: Path, names: tuple[str, str]):
    draw(tmp_path, *names)
    with pytest.raises(InputError) as caught:
        read_folder(tmp_path, ask("cat", "dog"))
    assert all(name in str(caught.value) for name in (*names, "image 0 of prompt 'cat' at 8x6", "keep one"))


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
