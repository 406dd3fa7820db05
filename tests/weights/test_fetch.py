from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from evalsuite.lock import FolderLock
from evalsuite.weights.catalogue import CATALOGUE, Weights

FILE = "/owner/tiny/resolve/0123abc/tiny.safetensors"
HUB_NAME = "hf:owner/tiny/tiny.safetensors@0123abc"
SOUND = [".lock", "tiny.safetensors", "tiny.safetensors.json"]


def names_in(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_file_is_fetched_whole_verified_and_kept(hub, tiny: Weights, cli, kept: Path, data: bytes):
    out, err = cli("fetch", "tiny")
    path = Path(out.strip())
    assert path == kept / "tiny.safetensors"
    assert path.read_bytes() == data
    assert f"{tiny.sha256[:16]} (pinned)" in err
    assert hub.asked == [(FILE, None)]
    assert names_in(kept) == SOUND
    record = json.loads((kept / "tiny.safetensors.json").read_text())
    assert (record["source_sha256"], record["trust"]) == (tiny.sha256, "pinned")
    assert record["source"].endswith(FILE)


def test_nothing_is_fetched_twice(hub, tiny: Weights, cli):
    first, _ = cli("fetch", "tiny")
    again, _ = cli("fetch", "tiny")
    assert (again, len(hub.asked)) == (first, 1)


def test_garbled_bytes_are_refused_and_nothing_is_kept(hub, tiny: Weights, refused, kept: Path, data: bytes):
    hub.files[FILE] = data[:-1] + bytes([data[-1] ^ 1])
    line = refused("fetch", "tiny", "--quiet")
    assert "garbled" in line
    assert tiny.sha256[:16] in line
    assert names_in(kept) == [".lock"]


def test_a_busy_server_is_tried_again(hub, tiny: Weights, cli):
    hub.statuses = [503, 429, 500]
    _, err = cli("fetch", "tiny")
    assert err.count("trying again") == 3


def test_a_dead_server_is_given_up(hub, tiny: Weights, refused, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the connection failed" in refused("fetch", "tiny", "--quiet")


@pytest.mark.parametrize("status", [401, 404])
def test_a_missing_file_is_said_at_once(hub, tiny: Weights, refused, status: int, kept: Path):
    hub.statuses = [status]
    line = refused("fetch", "tiny", "--quiet")
    assert f"HTTP {status}, it is not there" in line
    assert "--weights" in line
    assert len(hub.asked) == 1
    assert names_in(kept) == [".lock"]


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_asks_nothing(hub, tiny: Weights, refused, variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "1")
    line = refused("fetch", "tiny", "--quiet")
    assert variable in line
    assert "EVALSUITE_WEIGHTS=tiny=PATH" in line
    assert hub.asked == []


def test_a_redirect_is_followed(hub, tiny: Weights, cli, data: bytes):
    hub.files = {"/store/abc": data}
    hub.redirects = {FILE: "/store/abc"}
    hub.cuts = [1000]
    cli("fetch", "tiny")
    assert [asked for asked in hub.asked if asked[0] == "/store/abc"] == [
        ("/store/abc", None),
        ("/store/abc", "bytes=1000-"),
    ]


def test_a_file_outside_the_hub_has_its_own_address(hub, tiny: Weights, data: bytes, cli, monkeypatch):
    url = os.environ["HF_ENDPOINT"] + "release/x.safetensors"
    hub.files = {"/release/x.safetensors": data}
    monkeypatch.setitem(CATALOGUE, "tiny", replace(tiny, url=url, repo=None, revision=None))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    cli("fetch", "tiny")
    assert hub.asked == [("/release/x.safetensors", None)]


def test_plain_http_needs_a_digest(hub, refused, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    assert "not HTTPS" in refused("fetch", HUB_NAME, "--quiet")
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    assert "not HTTPS" in refused("fetch", "hps@v2.1", "--quiet")


def test_no_room_is_said_before_anything_is_asked(hub, tiny: Weights, refused, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    assert "10 bytes free" in refused("fetch", "tiny", "--quiet")
    assert hub.asked == []


def test_a_folder_that_cannot_be_made_is_one_line(hub, tiny: Weights, refused, tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "file"))
    assert "set EVALSUITE_CACHE" in refused("fetch", "tiny", "--quiet")


def test_two_fetches_do_not_meet(hub, tiny: Weights, refused, kept: Path):
    kept.mkdir(parents=True)
    with FolderLock(kept):
        assert "wait for it" in refused("fetch", "tiny", "--quiet")


def test_a_damaged_copy_is_replaced(hub, tiny: Weights, cli, refused, kept: Path, data: bytes):
    cli("fetch", "tiny")
    (kept / "tiny.safetensors").write_bytes(data[:-1] + b"x")
    assert "`evalsuite weights fetch tiny` replaces it" in refused("path", "tiny")
    cli("fetch", "tiny")
    assert (kept / "tiny.safetensors").read_bytes() == data


def test_fetching_again_reads_the_whole_file(hub, tiny: Weights, cli, kept: Path, data: bytes):
    path = Path(cli("fetch", "tiny")[0].strip())
    status = path.stat()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    cli("fetch", "tiny")
    assert path.read_bytes() == data


def test_first_use_is_recorded_shown_and_held_to(hub, tiny: Weights, cli, refused, data: bytes, kept: Path):
    out, err = cli("fetch", HUB_NAME)
    path = Path(out.strip())
    assert "not known to evalsuite, trusted since first use" in err
    record = path.with_name(f"{path.name}.json")
    assert json.loads(record.read_text())["trust"] == "first use"
    assert "trusted on first use" in cli("list")[0]
    assert "trusted since first use" in cli("verify")[0]
    path.write_bytes(data[:-1] + b"x")
    assert "damaged" in refused("path", HUB_NAME)
    hub.files[FILE] = data[:-1] + b"x"
    line = refused_after_note(cli, "fetch", HUB_NAME, "--quiet")
    assert "trusted since" in line
    assert f"delete {record}" in line
    record.unlink()
    assert "are not here" in refused("path", HUB_NAME)
    cli("fetch", HUB_NAME)
    assert path.read_bytes() == data[:-1] + b"x"


def refused_after_note(cli: Callable[..., tuple[str, str]], *words: str) -> str:
    return cli(*words, code=2)[1].splitlines()[-1]


def test_a_pickle_is_converted_once_and_not_kept(hub, pickled, tensors, cli, kept: Path, tmp_path: Path):
    torch.save({"state_dict": tensors}, tmp_path / "w.pt")
    entry = pickled(tmp_path / "w.pt")
    path = Path(cli("fetch", "tiny")[0].strip())
    assert names_in(kept) == SOUND
    found = load_file(path)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) and found[key].dtype == tensors[key].dtype for key in tensors)
    assert json.loads((kept / "tiny.safetensors.json").read_text())["source_sha256"] == entry.sha256
    assert entry.sha256[:16] in cli("verify", "tiny")[0]
    assert cli("path", "tiny")[0].strip() == str(path)
