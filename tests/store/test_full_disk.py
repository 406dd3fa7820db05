"""Writing that fails or is stopped leaves nothing half."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from store_parts import fill, pictures_of

from evalsuite.errors import Incomplete
from evalsuite.files import write_atomically
from evalsuite.manifest import Manifest
from evalsuite.store import RunStore


def test_a_full_disk_when_opening_stops_in_one_line(folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch):
    fill(folder, manifest)
    real = Path.mkdir

    def full(path: Path, **options: bool) -> None:
        if path.name == "failures":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, **options)

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(Incomplete, match=f"{folder}: No space left on device; free some space"):
        RunStore.open(folder)


@pytest.mark.parametrize("nth", [0, 1, 2, 3])
def test_a_full_disk_leaves_nothing_half(folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, nth: int):
    """The unit's fourth file is its record; before it there are three images."""
    unit = next(unit for unit in manifest.units if len(unit.jobs) == 3)
    with RunStore.create(folder, manifest) as store:
        calls = iter(range(100))
        real = os.fsync

        def full(descriptor: int) -> None:
            if next(calls) == 2 * nth:  # one for the file, one for its folder
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr("evalsuite.files.os.fsync", full)
        with pytest.raises(Incomplete, match=r"No space left.*free some space") as caught:
            store.add(unit, pictures_of(unit), 0.5)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
        monkeypatch.undo()
        assert unit in store.pending()
        assert not list(folder.rglob(".tmp-*"))
        assert len(list(folder.glob("images/*/*.png"))) == nth
        store.add(unit, pictures_of(unit), 0.5)
        assert unit not in store.pending()


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "record"
    write_atomically(path, b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evalsuite.files.os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record"]


def test_a_link_under_a_temporary_name_is_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "outside").write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda _: "7")
    for name in (".tmp-7-record", f".tmp-{os.getpid()}-record"):
        (tmp_path / name).symlink_to(tmp_path / "outside")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "record", b"new")
    assert (tmp_path / "outside").read_text() == "precious"
