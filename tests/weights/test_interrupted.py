from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from evalsuite.progress import Silent
from evalsuite.weights import download, fetch
from evalsuite.weights.catalogue import Weights

FILE = "/owner/tiny/resolve/0123abc/tiny.safetensors"
HUB_NAME = "hf:owner/tiny/tiny.safetensors@0123abc"
SOUND = [".lock", "tiny.safetensors", "tiny.safetensors.json"]


def names_in(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("tags", [True, False])
def test_a_cut_download_goes_on_where_it_stopped(hub, tiny: Weights, cli, kept: Path, data: bytes, tags: bool):
    """Without a tag too: the digest would tell two files that were mixed."""
    hub.cuts, hub.tags = [1000, 500], tags
    cli("fetch", "tiny")
    assert [wanted for _, wanted in hub.asked] == [None, "bytes=1000-", "bytes=1500-"]
    assert (kept / "tiny.safetensors").read_bytes() == data


def test_a_later_process_goes_on_too(hub, tiny: Weights, cli, refused, kept: Path, data: bytes):
    hub.cuts = [1000, 0, 0, 0, 0]
    assert "4 times; what has come is kept" in refused("fetch", "tiny", "--quiet")
    assert (kept / "tiny.part").stat().st_size == 1000
    hub.cuts, hub.asked = [], []
    cli("fetch", "tiny")
    assert [wanted for _, wanted in hub.asked] == ["bytes=1000-"]
    assert (kept / "tiny.safetensors").read_bytes() == data
    assert names_in(kept) == SOUND


def test_a_server_without_ranges_starts_over(hub, tiny: Weights, cli, kept: Path, data: bytes):
    hub.cuts, hub.ranges = [1000], False
    cli("fetch", "tiny")
    assert [wanted for _, wanted in hub.asked] == [None, "bytes=1000-"]
    assert (kept / "tiny.safetensors").read_bytes() == data


def test_a_file_that_changed_between_two_pieces_is_not_mixed(hub, tiny: Weights, cli, refused, kept: Path, data: bytes):
    hub.cuts = [1000, 0, 0, 0, 0]
    refused("fetch", HUB_NAME, "--quiet")
    hub.cuts, changed = [], data[:600] + bytes([data[600] ^ 1]) + data[601:]
    hub.files[FILE] = changed
    out, _ = cli("fetch", HUB_NAME)
    assert Path(out.strip()).read_bytes() == changed


def test_without_a_tag_or_a_digest_nothing_is_gone_on_with(hub, tiny: Weights, cli):
    hub.cuts, hub.tags = [1000], False
    cli("fetch", HUB_NAME)
    assert [wanted for _, wanted in hub.asked] == [None, None]


def test_a_beginning_from_elsewhere_is_not_gone_on_with(hub, tiny: Weights, cli, monkeypatch: pytest.MonkeyPatch):
    hub.cuts = [1000, 0, 0, 0, 0]
    cli("fetch", "tiny", "--quiet", code=2)
    hub.cuts, hub.asked = [], []
    monkeypatch.setenv("HF_ENDPOINT", os.environ["HF_ENDPOINT"] + "mirror")
    hub.files[f"/mirror{FILE}"] = hub.files.pop(FILE)
    cli("fetch", "tiny")
    assert hub.asked == [(f"/mirror{FILE}", None)]


def test_all_bytes_there_but_not_yet_kept(hub, tiny: Weights, cli, kept: Path, data: bytes):
    hub.cuts = [1000, 0, 0, 0, 0]
    cli("fetch", "tiny", "--quiet", code=2)
    hub.cuts = []
    (kept / "tiny.part").write_bytes(data)
    cli("fetch", "tiny")
    assert hub.asked[-1][1] == f"bytes={len(data)}-"
    assert names_in(kept) == SOUND


def test_a_beginning_longer_than_the_file_is_dropped(hub, tiny: Weights, cli, kept: Path, data: bytes):
    hub.cuts = [1000, 0, 0, 0, 0]
    cli("fetch", "tiny", "--quiet", code=2)
    hub.cuts = []
    (kept / "tiny.part").write_bytes(data + b"more")
    cli("fetch", "tiny")
    assert (kept / "tiny.safetensors").read_bytes() == data


def test_a_stop_keeps_what_has_come(hub, tiny: Weights, kept: Path, monkeypatch: pytest.MonkeyPatch):
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    hub.cuts = [1000]
    monkeypatch.setattr(download.time, "sleep", stop)

    with pytest.raises(KeyboardInterrupt):
        fetch.fetch("tiny", Silent())
    assert (kept / "tiny.part").stat().st_size == 1000
