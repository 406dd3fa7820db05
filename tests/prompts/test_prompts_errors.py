import os
import subprocess
import sys
from pathlib import Path

import pytest

from prompts import Prompt, PromptError, load, select

BROKEN = {  # file name, content, what the message must say besides the file
    "empty jsonl": ("a.jsonl", "\n\n", ["no prompts", "add"]),
    "empty json": ("a.json", "", ["no prompts"]),
    "empty list": ("a.json", "[]", ["no prompts"]),
    "empty csv": ("a.csv", "", ["no prompts"]),
    "header only": ("a.tsv", "prompt\n", ["no prompts"]),
    "empty txt": ("a.txt", " \n", ["no prompts"]),
    "latin-1": ("a.txt", b"a cat\nun caf\xe9\n", ["a.txt:2", "not UTF-8", "save"]),
    "utf-16": ("a.txt", "a cat".encode("utf-16"), ["a.txt:1", "not UTF-8", "save"]),
    "bad json": ("a.jsonl", '{"text": "x"}\n\n{"text": }\n', ["a.jsonl:3", "bad JSON", "column 10"]),
    "bad json file": ("a.json", '["x",\n "y"\n "z"]', ["a.json", "bad JSON", "line 3"]),
    "deep json": ("a.jsonl", "[" * 100_000, ["a.jsonl:1", "bad JSON", "nesting"]),
    "huge number": ("a.jsonl", '{"text": "x", "id": ' + "7" * 5000 + "}", ["a.jsonl:1", "number"]),
    "object file": ("a.json", '{"text": "x"}', ["not a list"]),
    "array line": ("a.jsonl", '["x"]', ["a.jsonl:1", "object"]),
    "null item": ("a.json", '["x", null]', ["item 2", "object"]),
    "no text": ("a.jsonl", '{"id": "x"}', ["a.jsonl:1", '"text"']),
    "blank text": ("a.jsonl", '{"text": "  "}', ["a.jsonl:1", "empty"]),
    "number as text": ("a.jsonl", '{"text": 7}', ["a.jsonl:1", "'text' is 7", "quotes"]),
    "number as id": ("a.jsonl", '{"text": "x", "id": 7}', ["'id' is 7", "quotes"]),
    "blank id": ("a.jsonl", '{"text": "x", "id": " "}', ["id is empty"]),
    "control in id": ("a.jsonl", '{"text": "x", "id": "a\\u001b[2J"}', ["control character", "\\x1b"]),
    "newline in id": ("a.csv", 'id,text\n"a\nb",x\n', ["control character", "\\n"]),
    "surrogate in id": ("a.jsonl", '{"text": "x", "id": "\\ud800"}', ["control character"]),
    "surrogate in text": ("a.jsonl", '{"text": "\\ud83d"}', ["surrogate"]),
    "tags as number": ("a.jsonl", '{"text": "x", "tags": 3}', ["list of strings"]),
    "tags as numbers": ("a.jsonl", '{"text": "x", "tags": [3]}', ["list of strings"]),
    "control in tag": ("a.jsonl", '{"text": "x", "tags": ["a\\nb"]}', ["tag", "control character"]),
    "two texts": ("a.jsonl", '{"text": "x", "prompt": "y"}', ["text and prompt"]),
    "misspelt key": ("a.jsonl", '{"text": "x", "bases": "y"}', ["'bases'", "'base'"]),
    "same id": (
        "a.jsonl",
        '{"text": "x", "id": "Cat"}\n{"text": "y", "id": "cat"}',
        ["a.jsonl:2", "a.jsonl:1", "own id"],
    ),
    "same id in nfc": ("a.jsonl", '{"text": "x", "id": "é"}\n{"text": "y", "id": "E\\u0301"}', ["taken by"]),
    "unknown base": (
        "a.jsonl",
        '{"text": "x", "base": "cat"}',
        ["a.jsonl:1", "base 'cat'", "add that prompt"],
    ),
    "own base": ("a.jsonl", '{"text": "x", "id": "cat", "base": "cat"}', ["itself"]),
    "base of a base": (
        "a.jsonl",
        '{"text": "x", "id": "a"}\n{"text": "y", "id": "b", "base": "a"}\n{"text": "z", "id": "c", "base": "b"}',
        ["a.jsonl:3", "'b' is an edit itself", "'a'"],
    ),
    "no heading": ("a.csv", "a cat\na dog\n", ["a.csv:1", "no heading", "text, prompt"]),
    "heading twice": ("a.csv", "text,id,ID\nx,1,2\n", ["two columns", "'id'"]),
    "unquoted comma": ("a.csv", "text\nx\na cat, asleep\n", ["a.csv:3", "2 cells under 1", "quotes"]),
    "open quote": ("a.csv", 'text\nx\n"a cat\n', ["a.csv", "bad table", "close"]),
    "cell without text": ("a.csv", "id,text\na,x\nb,\n", ["a.csv:3", "no prompt"]),
    "unknown kind": ("a.yaml", "- x", ["unknown kind", ".jsonl"]),
    "no suffix": ("list", "x", ["unknown kind"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_in_one_line_with_place_and_remedy(tmp_path, case):
    name, content, parts = BROKEN[case]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PromptError) as caught:
        load(str(path))
    message = str(caught.value)
    assert message.isprintable()
    assert ";" in message  # what is wrong; what to do
    for part in [name, *parts]:
        assert part in message


@pytest.mark.parametrize("name", ["absent.jsonl", "x" * 5000 + ".txt", "nul\0.csv", "esc\x1b[2J.txt", "~nobody/x.csv"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(PromptError, match=r"^[^\x00-\x1f]*(no such file|cannot be read)"):
        load(str(tmp_path / name))


def test_an_unreadable_folder_is_no_file(tmp_path):
    (tmp_path / "set.jsonl").mkdir()
    with pytest.raises(PromptError, match="not a file; check the path"):
        load(str(tmp_path / "set.jsonl"))


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("prompts.readers.MAX_BYTES", 2**20)
    (tmp_path / "set.txt").write_bytes(b"a cat\n" * 200_000)
    with pytest.raises(PromptError, match="larger than 1 MiB; split"):
        load(str(tmp_path / "set.txt"))


@pytest.mark.parametrize("name", ["smokee", "scene", "Edits"])
def test_a_near_miss_of_a_bundled_name_gets_a_hint(name):
    with pytest.raises(PromptError, match=r"did you mean '(smoke|scenes|edits)'"):
        load(name)


@pytest.mark.parametrize("name", ["", "nothing-like-it", "x" * 5000, "a\nb"])
def test_an_unknown_name_lists_what_there_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PromptError) as caught:
        load(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_limits_below_one_are_refused():
    with pytest.raises(PromptError, match="limit 0"):
        select([Prompt("a", "a cat")], 0)


def test_reading_does_not_depend_on_the_locale(tmp_path):
    (tmp_path / "set.jsonl").write_text('{"text": "İstanbulda bir kedi 猫"}\n', encoding="utf-8")
    code = "import sys, prompts; print(prompts.load(sys.argv[1]).sha256, prompts.load('open').sha256)"
    root = str(Path(__file__).parents[2])
    outputs = set()
    for locale in ("C", "tr_TR.UTF-8", "de_DE.ISO-8859-1"):
        environment = os.environ | {
            "LC_ALL": locale,
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONPATH": root,
        }
        command = [sys.executable, "-c", code, str(tmp_path / "set.jsonl")]
        outputs.add(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    assert len(outputs) == 1
