from __future__ import annotations

from pathlib import Path

import pytest

from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.model_source import ModelSource, arguments, labels, locate, parse
from evalsuite.spec import RunSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("name", "kind", "target", "args"),
    [
        ("dit", "name", "dit", {}),
        ("my.module:make", "factory", "my.module:make", {}),
        ("tiny_models:scaled?scale=3", "factory", "tiny_models:scaled", {"scale": "3"}),
        ("./dit", "path", "./dit", {}),
        ("model.safetensors", "path", "model.safetensors", {}),
        ("ckpt.pt?a=1&b=x=y", "path", "ckpt.pt", {"a": "1", "b": "x=y"}),
        ("/data/sd15", "path", "/data/sd15", {}),
        ("~/sd15", "path", "~/sd15", {}),
        ("hf:owner/repo", "hub", "hf:owner/repo", {}),
        ("hf:owner/repo@v1.0", "hub", "hf:owner/repo@v1.0", {}),
        ("hf:owner/repo/a/b.safetensors@refs/pr/1?x=", "hub", "hf:owner/repo/a/b.safetensors@refs/pr/1", {"x": ""}),
    ],
)
def test_a_name_means_one_thing(name: str, kind: str, target: str, args: dict[str, str]):
    assert parse(name) == ModelSource(kind, target, args)


def test_a_folder_here_is_a_path_unless_a_registered_name_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "dit").mkdir()
    assert parse("mine").kind == "path"
    assert parse("dit").kind == "name"
    assert parse("./dit").kind == "path"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dti", "did you mean 'dit'.*a path, hf:owner/repo, or module:attribute"),
        ("x" * 5000, "no model"),
        ("hf:owner", "not a hub id"),
        ("hf:owner/../etc", "not a hub id"),
        ("hf:/etc/passwd", "not a hub id"),
        ("hf:owner/repo@../main", "not a hub id"),
        ("hf:owner/repo@a/../b", "not a hub id"),
        ("dit?a", "'a' is no argument: write key=value"),
        ("dit?", "'' is no argument"),
        ("dit?a=1&a=2", "names a key twice"),
        ("dit?a-b=1", "is no argument"),
    ],
)
def test_a_name_that_means_nothing_is_told_in_one_line(name: str, words: str):
    with pytest.raises(InputError, match=words) as caught:
        parse(name)
    assert "\n" not in str(caught.value)


def test_arguments_are_texts_by_key():
    assert arguments(("a=1", "b=c,d"), "here") == {"a": "1", "b": "c,d"}
    assert arguments((), "here") == {}


def test_a_path_is_found_under_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.pt").touch()
    assert locate(parse("~/w.pt")) == tmp_path / "w.pt"
    with pytest.raises(InputError, match="no such file or folder"):
        locate(parse("~/v.pt"))
    with pytest.raises(InputError, match="no such file or folder"):
        RunSpec(models=("~/v.pt",)).validate()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with one repository: a branch and a tag of one commit."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--owner--repo"
    (folder / "snapshots" / COMMIT / "unet").mkdir(parents=True)
    (folder / "snapshots" / COMMIT / "unet" / "w.safetensors").touch()
    (folder / "refs").mkdir()
    for name in ("main", "v1.0"):
        (folder / "refs" / name).write_text(COMMIT)
    return folder / "snapshots" / COMMIT


@pytest.mark.parametrize("revision", ["", "@main", "@v1.0", f"@{COMMIT}"])
def test_a_hub_id_is_the_snapshot_of_its_revision(hub: Path, revision: str):
    assert locate(parse(f"hf:owner/repo{revision}")) == hub
    assert locate(parse(f"hf:owner/repo/unet/w.safetensors{revision}")) == hub / "unet" / "w.safetensors"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("hf:owner/other", "huggingface-cli download owner/other`"),
        ("hf:owner/repo@v2.0", "huggingface-cli download owner/repo --revision v2.0`"),
        ("hf:owner/repo/vae/w.safetensors", "huggingface-cli download owner/repo vae/w.safetensors`"),
        (f"hf:owner/repo@{COMMIT[::-1]}", f"--revision {COMMIT[::-1]}`"),
    ],
)
def test_a_snapshot_that_is_not_here_is_told_with_the_command_that_fetches_it(hub: Path, name: str, command: str):
    with pytest.raises(InputError) as caught:
        locate(parse(name))
    assert command in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_are_short_and_differ():
    names = [
        "dit",
        "my.module:make",
        "/data/runs/7/step-40000.safetensors?vae=x",
        "/data/runs/8/step-40000",
        "./sd15/",
        "hf:owner/sdxl",
        "hf:owner/sdxl@0123456789ab",
    ]
    found = labels(names)
    assert list(found.values()) == [
        "dit",
        "my.module:make",
        names[2],
        names[3],
        "sd15",
        "sdxl",
        "sdxl@01234567",
    ]
    assert labels(names[:3])[names[2]] == "step-40000"
    assert len(set(found.values())) == len(names)


def test_a_factory_gets_the_arguments_of_its_name_alone():
    assert models.resolve("tiny_models:scaled?scale=3", ("other=1",)).name == "conv x 3"
    with pytest.raises(InputError, match=r"cannot be built.*unexpected keyword"):
        models.resolve("tiny_models:conv?scale=3")
