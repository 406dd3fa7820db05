"""Files that are either whole or absent, and reading that trusts nothing it finds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

TEMPORARY = ".tmp-"
LARGEST_JSON = 1 << 30


def write_atomically(path: Path, data: bytes) -> None:
    """Put data at path, durably: a crash at any moment leaves the old file or the new one.

    Raises:
        OSError: the disk is full or refuses; nothing is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_regular(path: Path, limit: int = LARGEST_JSON) -> bytes:
    """The content of a regular file of at most ``limit`` bytes.

    Raises:
        OSError: missing, too large, or anything but a regular file: links are not followed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise OSError(f"{path} is not a regular file of at most {limit} bytes")
        return file.read()


def sweep(folder: Path) -> None:
    """Remove what writers left behind when they were killed; the caller holds the folder's lock."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)
