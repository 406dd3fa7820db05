import json
import os
from pathlib import Path

import pytest

from prompts import PromptError, load
from prompts.published import geneval_prompts, image_id

STYLES = ("anime", "concept-art", "paintings", "photo")


def write(folder: Path, **files: str) -> str:
    """Files by name, where ``__`` stands for the dot of the suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return str(folder)


def hpdv2(folder: Path, *styles: str) -> str:
    """Two prompts a style; a text may occur in two styles."""
    return write(folder, **{f"{style}__json": json.dumps([f"{style} one", "the same"]) for style in styles})


def test_a_folder_of_hpdv2_is_numbered_within_its_styles(tmp_path: Path):
    found = load(hpdv2(tmp_path / "benchmark", *reversed(STYLES)))
    assert [prompt.id for prompt in found.prompts] == [image_id(style, n) for style in STYLES for n in (0, 1)]
    assert [prompt.tags for prompt in found.prompts] == [(style,) for style in STYLES for _ in (0, 1)]
    assert [prompt.text for prompt in found.prompts[2:4]] == ["concept-art one", "the same"]
    assert (found.name, found.source) == ("benchmark", str(tmp_path / "benchmark"))
    assert found.prompts[3].id == "concept-art-00001"


def test_some_styles_of_hpdv2_will_do_and_other_files_are_not_read(tmp_path: Path):
    folder = hpdv2(tmp_path, "photo")
    write(tmp_path, notes__txt="not a prompt", test__json="{")
    assert [prompt.id for prompt in load(folder).prompts] == ["photo-00000", "photo-00001"]


def test_a_damaged_style_is_named(tmp_path: Path):
    folder = hpdv2(tmp_path, *STYLES)
    write(tmp_path, paintings__json='["x", 7]')
    with pytest.raises(PromptError, match=r"paintings.json, item 2: int where an object is needed"):
        load(folder)


def test_a_folder_of_text_files_is_one_prompt_a_file(tmp_path: Path):
    long = "A wide river.\nBoats lie at its banks; the sun is low."
    folder = write(tmp_path / "dpg", COCOval_285__txt=" A bear. \n", part10__txt="A cup\r\n", A__TXT=long)
    write(tmp_path / "dpg", README__txt="How to use", LICENSE__txt="MIT", x__md="none", _hidden__txt="kept")
    (tmp_path / "dpg" / ".DS__txt").write_bytes(b"\xff")
    prompts = load(folder).prompts
    assert [(p.id, p.text) for p in prompts] == [
        ("A", long),
        ("COCOval_285", "A bear."),
        ("_hidden", "kept"),
        ("part10", "A cup"),
    ]
    assert all(prompt.tags == () for prompt in prompts)


def test_a_folder_of_lists_is_not_taken_for_prompts(tmp_path: Path):
    folder = write(tmp_path, color_val__txt="a red cat\na blue dog\n", shape_val__txt="a round box\na long box\n")
    with pytest.raises(PromptError, match=r"color_val.txt has several lines.* name the one file to use"):
        load(folder)


FOLDERS = {
    "empty": ({}, "a folder without prompts; name a file, or a folder of anime.json"),
    "readme only": ({"README__txt": "x"}, "a folder without prompts"),
    "empty file": ({"a__txt": "x", "b__txt": " \n"}, r"b.txt: the prompt is empty"),
    "ids by case": ({"Cat__txt": "x", "cat__TXT": "y"}, "is taken by"),
    "control": ({"a\x1bb__txt": "x"}, "control character"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_what_is_wrong_with_a_folder_is_one_line(tmp_path: Path, case: str):
    files, message = FOLDERS[case]
    with pytest.raises(PromptError, match=message) as caught:
        load(write(tmp_path / "set", **files))
    assert str(caught.value).isprintable()


COMPBENCH = {
    "color_val.txt": "color",
    "3d_spatial_train.txt": "3d_spatial",
    "Non_Spatial_val.txt": "non_spatial",
    "color.txt": None,
    "my_color_val.txt": None,
    "colors_val.txt": None,
}


@pytest.mark.parametrize("name", COMPBENCH)
def test_the_name_of_a_compbench_file_is_the_tag(tmp_path: Path, name: str):
    (tmp_path / name).write_text("a red cat and a blue dog\na green leaf\n")
    prompts = load(str(tmp_path / name)).prompts
    tag = COMPBENCH[name]
    assert [p.text for p in prompts] == ["a red cat and a blue dog", "a green leaf"]
    assert {p.tags for p in prompts} == {(tag,) if tag else ()}


def test_a_tag_changes_no_id(tmp_path: Path):
    for name in ("color_val.txt", "list.txt"):
        (tmp_path / name).write_text("a cat\na cat\n")
    tagged, plain = (load(str(tmp_path / name)).prompts for name in ("color_val.txt", "list.txt"))
    assert [p.id for p in tagged] == [p.id for p in plain]


def test_the_current_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hpdv2(tmp_path / "benchmark", "anime")
    monkeypatch.chdir(tmp_path / "benchmark")
    assert load(".").name == "benchmark"


def test_geneval_numbers_a_text_that_it_asks_for_twice(tmp_path: Path):
    for name, text in (("00000", "a cow"), ("00001", "a dog"), ("00002", "a cow")):
        write(tmp_path / name, metadata__jsonl=json.dumps({"tag": "single", "include": [], "prompt": text}))
    found = geneval_prompts(tmp_path, ["00000", "00001", "00002"])
    assert list(found) == ["00000", "00001", "00002"]
    assert found["00002"].id == f"{found['00000'].id}-2"
    assert found["00001"].tags == ("single",)


PUBLISHED = os.environ.get("EVALSUITE_PROMPTSETS")


@pytest.mark.skipif(not PUBLISHED, reason="EVALSUITE_PROMPTSETS names no folder with the published prompt files")
def test_the_folders_of_geneval_have_the_ids_of_its_published_file(tmp_path: Path):
    path = Path(PUBLISHED) / "geneval_evaluation_metadata.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    names = [f"{number:05}" for number in range(len(lines))]
    for name, line in zip(names, lines, strict=True):
        write(tmp_path / name, metadata__jsonl=line)
    assert tuple(geneval_prompts(tmp_path, names).values()) == load(str(path)).prompts
    assert len(names) == 553


@pytest.mark.skipif(not PUBLISHED, reason="EVALSUITE_PROMPTSETS names no folder with the published prompt files")
def test_published_files_keep_their_texts_verbatim():
    parti = (Path(PUBLISHED) / "PartiPrompts.tsv").read_text(encoding="utf-8").split("\n")[1:]
    texts = [line.split("\t")[0] for line in parti if line.strip()]
    assert [prompt.text for prompt in load(str(Path(PUBLISHED) / "PartiPrompts.tsv")).prompts] == texts
