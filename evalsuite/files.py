"""Files that are either whole or absent, and reading that trusts nothing it finds."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.errors import Incomplete, InputError

TEMPORARY = ".tmp-"
LARGEST_JSON = 1 << 30


def write_atomically(path: Path, data: bytes) -> None:
    """Put data at path, durably: a crash at any moment leaves the old file or the new one.

    Raises:
        OSError: the disk is full or refuses; nothing is left behind.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    # The folder may be someone else's: a link that waits under the temporary's name is not written through.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def keep(path: Path, data: bytes) -> None:
    """Put data at path as `write_atomically` does; its folder is made when missing.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    with disk_errors(f"write {len(data)} bytes for {path.name} in {path.parent}"):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, data)


@contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Stop the command, so that it can be repeated, where the disk is full or refuses.

    Args:
        doing: what follows "cannot", with the path.

    Raises:
        Incomplete: one line with the reason and what to do.
    """
    try:
        yield
    except OSError as error:
        first = "free some space and " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        raise Incomplete(f"cannot {doing}: {error.strerror or error}; {first}repeat the command to go on") from error


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link: what is written into a run folder stays in it.

    Raises:
        InputError: it is one.
    """
    if path.is_symlink():
        raise InputError(f"{path} is a symbolic link: a run folder has none; remove it or choose another --output-dir")


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
