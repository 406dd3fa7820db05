from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from evalsuite import models
from evalsuite.cli import main
from evalsuite.errors import InputError
from evalsuite.prepare import Shelf, prepare, prompt_set
from evalsuite.spec import RunSpec

GOOD = '{"id": "a", "text": "a cat"}\n'


def refused(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must end with 2, nothing on stdout, and one line on stderr; return the line."""
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    return err


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("command", ["run", "generate"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--aspects", "16x9"], "'16x9' is not a ratio"),
        (["--aspects", "1:1,5:1"], "5:1 is beyond 4:1"),
        (["--aspects", "1:1,2:2"], "same ratio"),
        (["--aspects", "1:1,33:32", "--model", "toy"], "both 256x256"),
        (["--model", "dti"], "did you mean 'dit'"),
        (["--model", "no_such_module:make"], "cannot be loaded"),
        (["--model", "tiny_models:absent"], "absent"),
        (["--model", "tiny_models:unbuildable"], "weights are 3 bytes long"),
        (["--model", "tiny_models:nothing"], "has no name, stride, fingerprint"),
        (["--model", "tiny_models:WORDS_OF_NO_USE"], "cannot be loaded"),
        (["--steps", "-3"], "steps is -3"),
        (["--steps", "many"], "--steps"),
        (["--guidance", "nan"], "guidance is nan"),
        (["--sampler", "ddim"], "euler, heun, midpoint"),
        (["--metrics", "hsp"], "did you mean 'hps'"),
        (["--metrics", ""], "metrics"),
        (["--dtype", "fp16", "--device", "cpu"], "30 times slower"),
        (["--device", "tpu"], "tpu"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--batch-size", "some"], "--batch-size is 'some'"),
        (["--limit", "0"], "limit is 0"),
        (["--prompts", "absent.jsonl"], "absent.jsonl"),
        (["--prompts", "smok"], "did you mean 'smoke'"),
        (["--config", "absent.yaml"], "absent.yaml"),
        (["--frobnicate"], "--frobnicate"),
        (["surplus"], "surplus"),
        (["--format", "xml"], "xml"),
    ],
)
def test_a_wrong_argument_gives_one_line_and_writes_nothing(
    command: str,
    words: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.chdir(tmp_path)
    given = words if "--model" in words else ["--model", "toy", *words]
    assert expected in refused([command, *given], capsys)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no prompts"),
        (b"\n \n", "no prompts"),
        (b'{"id": "a", "text": "caf\xe9"}\n', "UTF-8"),
        ((GOOD + GOOD).encode(), "taken by"),
        ((GOOD + '{"id": "A", "text": "x"}\n').encode(), "taken by"),
        (b'{"id": "a", "text": "x", "base": "b"}\n', "base"),
        (b'{"id": "a\\u0007", "text": "x"}\n', "control character"),
        (b'{"id": "a", "text": ""}\n', "empty"),
        (b"{not json}\n", "mine.jsonl:1"),
    ],
)
def test_a_wrong_prompt_file_gives_one_line_and_writes_nothing(
    content: bytes,
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.chdir(tmp_path)
    Path("mine.jsonl").write_bytes(content)
    line = refused(["generate", "--model", "toy", "--prompts", "mine.jsonl"], capsys)
    assert expected in line
    assert "mine.jsonl" in line
    assert files_in(tmp_path) == ["mine.jsonl"]


def test_a_folder_for_a_prompt_file_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert str(tmp_path) in refused(["generate", "--model", "toy", "--prompts", str(tmp_path)], capsys)


def test_an_output_folder_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "file").write_text("")
    words = ["generate", "--model", "toy", "--limit", "1", "--output-dir", str(tmp_path / "file" / "run")]
    assert "cannot be written" in refused(words, capsys)
    assert files_in(tmp_path) == ["file"]


def test_a_folder_of_another_run_is_told_by_its_differences(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    words = ["generate", "--model", "toy", "--limit", "1", "--pixels", "4096", "--output-dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--quiet"])
    assert caught.value.code == 0
    capsys.readouterr()
    assert "steps (5 here, 20 there), shift (1.0 here, 1.5 there)" in refused(
        [*words, "--steps", "5", "--shift", "1"], capsys
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent", "is not there: name a run folder, or a folder of images"), ("empty", "nothing to score")],
)
def test_scoring_what_is_no_run_is_told(name: str, reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert reason in refused(["score", str(tmp_path / name)], capsys)
    assert files_in(tmp_path) == ["empty"]


def test_showing_what_is_not_there_is_told(capsys: pytest.CaptureFixture[str]):
    assert "did you mean 'smoke'" in refused(["show", "smoky"], capsys)


def test_hostile_text_reaches_the_terminal_as_escapes(capsys: pytest.CaptureFixture[str]):
    line = refused(["run", "--model", "x\x1b]0;owned\x07[red]\u202e\nerror: two"], capsys)
    assert not set(line) & set("\x1b\x07\u202e")
    assert "[red]" in line


@pytest.mark.parametrize("device", ["cuda", "cuda:99"])
def test_a_device_that_is_not_here_is_told(device: str, tiny: Callable[..., RunSpec]):
    with pytest.raises(InputError, match=rf"device {device}: (no CUDA|there are)"):
        prepare(tiny(device=device) if device != "cuda" else _without_cuda(tiny), Shelf())


def _without_cuda(tiny: Callable[..., RunSpec]) -> RunSpec:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    return tiny(device="cuda")


def test_a_factory_that_is_no_function_is_told(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="is a str: name a function"):
        models.resolve("string:digits")


def test_an_entry_point_that_gives_no_prompts_is_told(monkeypatch: pytest.MonkeyPatch):
    from evalsuite import registry

    odd = registry.Registry("prompt set", "evalsuite.prompts", lambda: {"odd": "builtins:dict"})
    monkeypatch.setattr("evalsuite.prepare.PROMPTS", odd)
    with pytest.raises(InputError, match="gave a dict, not a PromptSet"):
        prompt_set("odd")


def test_a_fault_of_a_plugin_is_no_bad_input(
    environment: Mapping[str, str], tmp_path: Path, prompt_file: Callable[..., str]
):
    """A traceback for whoever wrote the plugin, no local variables in it, and neither 1 nor 2 for the shell."""
    words = ["generate", "--model", "tiny_models:faulty", "--prompts", prompt_file(1)]
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite", *words],
        env={**environment, "HF_TOKEN": "hf_secretsecretsecretsecret"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert "a fault of the plugin" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: unexpected ZeroDivisionError")
    assert "hf_secret" not in done.stderr


def test_a_json_prompt_file_may_hold_any_text(prompt_file: Callable[..., str]):
    hostile = ["a [/b] c", "\x1b]0;owned\x07", "=cmd()", "<script>", "\U0001f600 \u202e rtl", "../../x", "a" * 10_000]
    path = prompt_file([{"id": f"h{n}", "text": text} for n, text in enumerate(hostile)])
    assert [prompt.text for prompt in prompt_set(path).prompts] == hostile
    assert json.loads(Path(path).read_text(encoding="utf-8").splitlines()[0])["text"] == hostile[0]
