from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from evalsuite import hub_prompts
from evalsuite.errors import InputError
from evalsuite.hub_prompts import load_from_hub
from evalsuite.lock import FolderLock
from evalsuite.prepare import prompt_set
from evalsuite.progress import Silent

NAME = "hf:owner/sets/data/color_val.txt"
FILE = "/datasets/owner/sets/resolve/main/data/color_val.txt"
PINNED = "0123456789abcdef0123456789abcdef01234567"
TEXT = "".join(f"a red cat and {n} blue dogs\n" for n in range(200)).encode()
DIGEST = hashlib.sha256(TEXT).hexdigest()


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def kept(hub, tmp_path: Path) -> Path:
    """Where the file is kept, on a hub that has it."""
    hub.files[FILE] = TEXT
    return tmp_path / "hf" / "assets" / "evalsuite" / "prompts" / "owner%2Fsets@main" / "data" / "color_val.txt"


def refusal(name: str = NAME) -> str:
    with pytest.raises(InputError) as caught:
        load_from_hub(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_fetched_once_and_read_like_any_other(hub, kept: Path):
    progress = Notes()
    found = prompt_set(NAME, progress)
    assert len(found.prompts) == 200
    assert found.prompts[0].tags == ("color",)  # which its name says
    assert (found.name, found.source) == ("color_val", f"{NAME}@main")
    assert kept.read_bytes() == TEXT
    assert progress.notes == [
        f"{NAME}@main: sha256 {DIGEST} is trusted from now on; main may move: a commit after @ pins it"
    ]
    assert prompt_set(NAME, progress) == found
    assert hub.asked == [(FILE, None)]
    assert len(progress.notes) == 1
    assert sorted(path.name for path in kept.parent.iterdir()) == [".lock", "color_val.txt", "color_val.txt.sha256"]


def test_the_digest_is_kept_as_sha256sum_writes_it(kept: Path):
    load_from_hub(NAME)
    assert kept.with_name("color_val.txt.sha256").read_text() == f"{DIGEST}  color_val.txt\n"


def test_revisions_are_kept_apart(hub, kept: Path):
    other = FILE.replace("main", PINNED)
    hub.files[other] = b"another prompt\n"
    progress = Notes()
    assert len(load_from_hub(NAME).prompts) == 200
    assert [prompt.text for prompt in load_from_hub(f"{NAME}@{PINNED}", progress).prompts] == ["another prompt"]
    assert len(load_from_hub(f"{NAME}@main").prompts) == 200
    assert [path for path, _ in hub.asked] == [FILE, other]
    assert progress.notes[0].endswith("is trusted from now on")


def test_our_own_cache_variable_is_heeded(kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "own"))
    load_from_hub(NAME)
    assert (tmp_path / "own" / "prompts" / "owner%2Fsets@main" / "data" / "color_val.txt").read_bytes() == TEXT
    assert not kept.exists()


def test_a_cut_download_goes_on_where_it_stopped(hub, kept: Path):
    hub.cuts = [1000, 500]
    assert len(load_from_hub(NAME).prompts) == 200
    assert [wanted for _, wanted in hub.asked] == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_process_goes_on_too(hub, kept: Path):
    hub.cuts = [1000, 0, 0, 0, 0]
    message = refusal()
    assert "4 times; what has come is kept: run the command again" in message
    assert not kept.exists()
    hub.cuts, hub.asked = [], []
    assert len(load_from_hub(NAME).prompts) == 200
    assert [wanted for _, wanted in hub.asked] == ["bytes=1000-"]
    assert kept.read_bytes() == TEXT


def test_a_missing_file_is_named_with_a_remedy_that_is_not_for_weights(hub, kept: Path):
    message = refusal("hf:owner/sets/gone.txt")
    assert "/datasets/owner/sets/resolve/main/gone.txt: HTTP 404, it is not there: check the name" in message
    assert message.endswith("or give the path of a copy in place of hf:owner/sets/gone.txt@main")
    assert "weights" not in message


def test_offline_the_kept_file_is_used(hub, kept: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = refusal()
    assert "not fetched before, and HF_HUB_OFFLINE forbids downloads: unset it, or give the path of a copy" in message
    assert hub.asked == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    found = load_from_hub(NAME)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.files.clear()
    assert load_from_hub(NAME) == found
    assert len(hub.asked) == 1


def test_the_first_file_seen_is_trusted_and_no_other(hub, kept: Path):
    load_from_hub(NAME)
    kept.write_bytes(TEXT[:-1])
    assert "damaged or changed" in refusal()
    kept.unlink()
    hub.files[FILE] = TEXT + b"one more\n"
    message = refusal()
    assert "which was trusted on first use; nothing is kept: if the change is meant, delete" in message
    assert not kept.exists()
    hub.files[FILE] = TEXT
    assert len(load_from_hub(NAME).prompts) == 200
    kept.unlink()
    kept.with_name("color_val.txt.sha256").unlink()
    hub.files[FILE] = TEXT + b"one more\n"
    assert len(load_from_hub(NAME).prompts) == 201


def test_a_digest_that_is_none_renews_no_trust(kept: Path):
    load_from_hub(NAME)
    kept.with_name("color_val.txt.sha256").write_text("none")
    assert "not a SHA-256; delete it" in refusal()


def test_a_file_without_prompts_is_not_kept(hub, kept: Path):
    hub.files["/datasets/owner/sets/resolve/main/page.json"] = b"<html>Sign in</html>"
    message = refusal("hf:owner/sets/page.json")
    assert "no prompt file, nothing is kept" in message
    assert "page.json: bad JSON" in message
    assert not list(kept.parents[1].rglob("*page*"))


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_too_large_is_not_received(hub, kept: Path, monkeypatch: pytest.MonkeyPatch, announced: bool):
    hub.files[FILE] = b"a cat\n" * 1_000_000
    monkeypatch.setattr(hub_prompts, "MAX_BYTES", 2 * 2**20)
    if not announced:
        start = hub_prompts._Capped.start
        monkeypatch.setattr(hub_prompts._Capped, "start", lambda self, stage, total: start(self, stage, 0))
    assert "larger than 2 MiB; no prompt file, nothing is kept" in refusal()
    assert [path.name for path in kept.parent.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "name",
    [
        "hf:owner/sets",
        "hf:owner/file.txt",
        "hf:../sets/a.txt",
        "hf:owner/sets/../a.txt",
        "hf:owner/sets/a.txt@..",
        "hf:owner/sets/a.txt@",
        "hf:owner/sets//a.txt",
        "hf:owner/sets/a.safetensors",
        "hf:owner/sets/a.txt?x=1",
        "hf:owner/sets/a b.txt",
        "hf:owner/sets/\u0661.txt",
        "hf:owner/sets/" + "a" * 200 + ".txt",
        "hf:owner/sets/a.txt\n",
    ],
)
def test_what_is_no_name_of_a_hub_file_is_refused_without_a_request(hub, name: str):
    assert "write hf:owner/repo/file@revision, where the file ends in .jsonl" in refusal(name)
    assert hub.asked == []


def test_without_https_nothing_is_fetched_that_no_digest_vouches_for(kept: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    assert "not HTTPS, and no known SHA-256" in refusal()


def test_processes_that_start_together_fetch_once(hub, kept: Path):
    results: list[int] = []
    workers = [threading.Thread(target=lambda: results.append(len(load_from_hub(NAME).prompts))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [200] * 4
    assert hub.asked == [(FILE, None)]


def test_one_that_never_ends_is_named(kept: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_prompts, "WAIT", 0.0)
    kept.parent.mkdir(parents=True)
    with FolderLock(kept.parent):
        assert "another evalsuite fetches prompts there: wait for it" in refusal()
