"""Which images a folder should have: of every prompt, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest
from folder_images import ask, draw

from evalsuite.errors import InputError
from evalsuite.folder import read_folder


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
