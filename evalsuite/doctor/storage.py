"""Folders that evalsuite writes to: whether it may, whether there is room, and whether a lock holds."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile

from evalsuite.doctor.checks import Check, Status
from evalsuite.weights import places

LITTLE = 10**9
"""Bytes; a run of a thousand images of 512 pixels takes about half of it."""
WEIGHTS = 8 * 10**9
"""Bytes that the published weights take together, with their conversion."""


def check_storage(outputs: Path | None = None) -> list[Check]:
    """Where runs go, where weights go, and the encoding of what is printed.

    Args:
        outputs: where runs go; None means ``outputs`` here.
    """
    cache = places.cache()
    return [
        check_folder("run folders", Path("outputs") if outputs is None else outputs, LITTLE, "fail", "--output-dir"),
        check_folder("weights' folder", cache, WEIGHTS, "warn", "EVALSUITE_CACHE"),
        check_network(),
        check_encoding(sys.stdout.encoding, sys.getfilesystemencoding()),
    ]


def check_folder(name: str, folder: Path, room: int, worst: Status, setting: str) -> Check:
    """A folder that exists, or that would be made below one that does.

    Args:
        name: of the check.
        folder: the folder.
        room: bytes that should be free.
        worst: status where it cannot be written.
        setting: what names another one.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    where = f"{folder}" if there == folder.absolute() else f"{folder}, to be made"
    if reason := _refusal(there):
        return Check(name, worst, f"{where}: {reason}", f"name another folder with {setting}")
    free = disk_usage(there).free
    if free < room:
        remedy = f"free some space, or name another folder with {setting}"
        return Check(name, "warn", f"{where}: {free / 1e9:.1f} GB free, {room / 1e9:.0f} GB are wanted", remedy)
    return Check(name, "ok", f"{where}: {free / 1e9:.0f} GB free")


def check_network() -> Check:
    """What the environment says of downloads; nothing is asked of the network."""
    forbidden = places.offline()
    if forbidden:
        return Check("downloads", "info", f"forbidden by {forbidden}", f"unset {forbidden} to fetch weights")
    return Check("downloads", "ok", f"allowed, from {places.endpoint()}; only `evalsuite weights fetch` and hf: use it")


def check_encoding(terminal: str | None, files: str) -> Check:
    """Whether names in any script can be printed and written."""
    plain = [name for name in (terminal or "unknown", files) if name.lower().replace("-", "") != "utf8"]
    if plain:
        return Check("encoding", "warn", f"{', '.join(plain)} instead of UTF-8", "set PYTHONUTF8=1")
    return Check("encoding", "ok", "UTF-8")


def _refusal(folder: Path) -> str:
    """Why a file cannot be made and locked in a folder; empty where it can."""
    if not folder.is_dir():
        return "not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "it cannot be written"
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(b"evalsuite")
            file.flush()
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return f"a file cannot be made and locked in it ({error.strerror or error})"
    return ""
