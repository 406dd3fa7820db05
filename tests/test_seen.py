from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evalsuite import generate_images
from evalsuite.plan import Unit
from evalsuite.records import ImageRecord
from evalsuite.seen import FILE
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore


@pytest.fixture
def folder(tiny: Callable[..., RunSpec]) -> Path:
    """A finished run, once reopened."""
    made = generate_images(tiny())
    assert pending(made) == []
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Images whose content was read and hashed."""
    found: list[str] = []
    whole = RunStore._is_whole

    def counted(store: RunStore, image: ImageRecord) -> bool:
        found.append(str(image["file"]))
        return whole(store, image)

    monkeypatch.setattr(RunStore, "_is_whole", counted)
    return found


def pending(folder: Path) -> list[Unit]:
    with RunStore.open(folder) as store:
        return list(store.pending())


def touch_back(path: Path, data: bytes) -> None:
    """Change a file's content and put its length and time of change back."""
    status = path.stat()
    assert len(data) == status.st_size
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_reopening_a_finished_run_reads_no_image(folder: Path, read: list[str]):
    assert pending(folder) == []
    with RunStore.open(folder) as store:
        assert len(store.images()) == 8
    assert read == []


@pytest.mark.parametrize("kind", ["images/*/*.png", "records/*.json"])
@pytest.mark.parametrize("change", ["shorter", "another byte, time put back", "gone", "a link to itself"])
def test_whatever_changes_is_found_and_made_again_alone(folder: Path, kind: str, change: str):
    victim = sorted(folder.glob(kind))[0]
    data = victim.read_bytes()
    if change == "shorter":
        victim.write_bytes(data[:-1])
    elif change == "gone":
        victim.unlink()
    elif change.startswith("another"):
        touch_back(victim, data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    else:
        copy = victim.with_suffix(".copy")
        victim.rename(copy)
        victim.symlink_to(copy)
    assert len(pending(folder)) == 1


def test_a_copied_folder_is_read_anew(folder: Path, read: list[str], tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert pending(copy) == []
    assert len(read) == 8


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 2, "files": {}}',
        b'{"format": 1, "files": 3}',
        b'{"format":1,"files":{"a":{"../x":[1]}}}',
    ],
)
def test_a_damaged_memory_only_means_that_all_is_read_again(folder: Path, read: list[str], content: bytes):
    (folder / FILE).write_bytes(content)
    assert pending(folder) == []
    assert len(read) == 8
    assert json.loads((folder / FILE).read_bytes())["format"] == 1


def test_a_folder_that_cannot_keep_the_memory_still_opens(folder: Path, read: list[str]):
    (folder / FILE).unlink()
    (folder / FILE).mkdir()
    assert pending(folder) == []
    assert pending(folder) == []
    assert len(read) == 16


def test_a_record_may_be_of_another_layout_but_not_of_other_content(folder: Path):
    victim = sorted(folder.glob("records/*.json"))[0]
    record = json.loads(victim.read_bytes())
    victim.write_text(json.dumps(record, indent=1), encoding="utf-8")
    assert pending(folder) == []
    victim.write_text(json.dumps(record | {"seconds": 0.0}), encoding="utf-8")
    assert len(pending(folder)) == 1
