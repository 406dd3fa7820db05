import json
import os
from pathlib import Path

import pytest

from prompts import Prompt, load


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


ROWS = (
    Prompt("cat", "a cat, asleep", None, ("animals",)),
    Prompt("cat-2", "a dog, asleep", "cat", ("animals", "edit")),
)
JSON_ROWS = [
    {"id": "cat", "text": "a cat, asleep", "tags": ["animals"]},
    {"id": "cat-2", "text": "a dog, asleep", "base": "cat", "tags": ["animals", "edit"]},
]
SAME_SET = {
    "set.jsonl": "\n".join(map(json.dumps, JSON_ROWS)),
    "set.json": json.dumps(JSON_ROWS, indent=1),
    "set.csv": 'id,text,base,tags\ncat,"a cat, asleep",,animals\ncat-2,"a dog, asleep",cat,animals;edit\n',
    "set.tsv": "ID\tPrompt\tBase\tTags\ncat\ta cat, asleep\t\tanimals\ncat-2\ta dog, asleep\tcat\tanimals; edit\n",
}


@pytest.mark.parametrize("name", SAME_SET)
def test_every_format_says_the_same(tmp_path, name):
    assert load(write(tmp_path, name, SAME_SET[name])).prompts == ROWS


def test_the_hash_is_of_the_prompts_not_of_the_file(tmp_path):
    hashes = {load(write(tmp_path, name, content)).sha256 for name, content in SAME_SET.items()}
    other = load(write(tmp_path, "other.jsonl", SAME_SET["set.jsonl"].replace("asleep", "awake"))).sha256
    assert len(hashes) == 1
    assert other not in hashes


@pytest.mark.parametrize("name", SAME_SET)
@pytest.mark.parametrize("change", ["bom", "crlf", "blank lines"])
def test_byte_order_mark_windows_lines_and_blank_lines_change_nothing(tmp_path, name, change):
    text = SAME_SET[name]
    content = {"bom": "\ufeff" + text, "crlf": text.replace("\n", "\r\n"), "blank lines": text + "\n\n\r\n"}[change]
    assert load(write(tmp_path, name, content)).prompts == ROWS


def test_plain_text_is_one_prompt_a_line(tmp_path):
    prompts = load(write(tmp_path, "list.txt", 'a cat\n\n  "quoted" # not a comment \n猫\n')).prompts
    assert [prompt.text for prompt in prompts] == ["a cat", '"quoted" # not a comment', "猫"]


def test_made_up_ids_depend_on_the_text_alone(tmp_path):
    first = load(write(tmp_path, "list.txt", "a cat on a mat\na dog\n猫")).prompts
    moved = load(write(tmp_path, "renamed.txt", "a new line\n猫\na dog\na cat on a mat")).prompts
    assert {prompt.text: prompt.id for prompt in first}.items() <= {p.text: p.id for p in moved}.items()
    assert first[0].id.startswith("a-cat-on-a-")
    assert len({prompt.id for prompt in moved}) == 4


def test_a_repeated_text_without_ids_is_numbered(tmp_path):
    ids = [prompt.id for prompt in load(write(tmp_path, "list.txt", "a cat\na cat\na dog\na cat")).prompts]
    assert ids[1:] == [f"{ids[0]}-2", ids[2], f"{ids[0]}-3"]


def test_line_separators_inside_json_strings_do_not_split_a_line(tmp_path):
    text = "one\u2028two\u0085three"
    line = json.dumps({"id": "x", "text": text}, ensure_ascii=False)
    assert load(write(tmp_path, "set.jsonl", line)).prompts[0].text == text


def test_quoted_csv_cells_may_span_lines(tmp_path):
    prompts = load(write(tmp_path, "set.csv", 'prompt\n"first\nsecond ""loud"""\n')).prompts
    assert prompts[0].text == 'first\nsecond "loud"'


def test_ids_and_bases_are_compared_in_nfc(tmp_path):
    rows = [{"id": "cafe\u0301", "text": "a"}, {"id": "edit", "text": "b", "base": "caf\u00e9"}]
    prompts = load(write(tmp_path, "set.jsonl", "\n".join(map(json.dumps, rows)))).prompts
    assert prompts[0].id == prompts[1].base == "caf\u00e9"


def test_a_base_may_come_after_its_edit(tmp_path):
    rows = [{"id": "edit", "text": "b", "base": "root"}, {"id": "root", "text": "a"}]
    assert load(write(tmp_path, "set.jsonl", "\n".join(map(json.dumps, rows)))).prompts[0].base == "root"


PUBLISHED_FORMS = {
    "PartiPrompts.tsv": (
        'Prompt\tCategory\tChallenge\tNote\n"STOP" on a sign\tArtifacts\tWriting & Symbols\tnone\n'
        "bond\tAbstract\tBasic\t\n",
        [('"STOP" on a sign', ("Artifacts", "Writing & Symbols")), ("bond", ("Abstract", "Basic"))],
    ),
    "evaluation_metadata.jsonl": (
        '{"tag": "counting", "include": [{"class": "bench", "count": 3}], "prompt": "a photo of three benches"}',
        [("a photo of three benches", ("counting",))],
    ),
    "anime.json": (
        '["A girl, with a sword.", "Two cats."]',
        [("A girl, with a sword.", ()), ("Two cats.", ())],
    ),
    "DrawBench.csv": (
        'Prompts,Category\n"A red car, parked.",Colors\n',
        [("A red car, parked.", ("Colors",))],
    ),
}


@pytest.mark.parametrize("name", PUBLISHED_FORMS)
def test_published_forms_need_no_switch(tmp_path, name):
    content, expected = PUBLISHED_FORMS[name]
    assert [(p.text, p.tags) for p in load(write(tmp_path, name, content)).prompts] == expected


PUBLISHED = os.environ.get("EVALSUITE_PROMPTSETS")


@pytest.mark.skipif(not PUBLISHED, reason="EVALSUITE_PROMPTSETS names no folder with the published prompt files")
@pytest.mark.parametrize(
    ("name", "count", "tags"),
    [("PartiPrompts.tsv", 1632, 23), ("geneval_evaluation_metadata.jsonl", 553, 6)],
)
def test_real_published_files(name, count, tags):
    prompts = load(str(Path(PUBLISHED) / name)).prompts
    assert len(prompts) == count
    assert len({tag for prompt in prompts for tag in prompt.tags}) == tags
    assert all(prompt.text.isprintable() and prompt.base is None for prompt in prompts)
