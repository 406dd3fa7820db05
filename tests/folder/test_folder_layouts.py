"""Layouts that published benchmarks write, images by position, and images without prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from folder_images import ask, draw, found

from evalsuite.errors import InputError
from evalsuite.folder import read_folder
from prompts import Prompt, load


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
