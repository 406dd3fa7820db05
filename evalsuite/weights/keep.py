"""From a file whose bytes are verified to safetensors in our folder, with its record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.files import TEMPORARY, sync_folder
from evalsuite.lock import FolderLock
from evalsuite.weights.catalogue import Weights
from evalsuite.weights.record import Record, beside, made, sha256_of


@contextmanager
def working(folder: Path) -> Iterator[None]:
    """Make the folder and have it alone; what the disk refuses becomes one line.

    Raises:
        InputError: another process fetches or converts there, or the disk is full or refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = FolderLock(folder)
        except InputError:
            raise InputError(f"{folder}: another evalsuite fetches or converts weights there: wait for it") from None
        with lock:
            yield
    except OSError as error:
        place = error.filename or folder
        raise InputError(f"{place}: {error.strerror or error}; make room, or set EVALSUITE_CACHE") from error


def keep(entry: Weights, found: Path, source: str, source_sha256: str, target: Path) -> Record:
    """Put a verified file at ``target`` as safetensors; the caller holds the folder.

    Args:
        entry: whose weights they are.
        found: the published file, or one the user trusts. A pickle is converted, and stays where it is; a
            safetensors file is moved.
        source: where it came from, for the record.
        source_sha256: of ``found``.
        target: ends in ``.safetensors``.

    Raises:
        InputError: not a safe file of tensors; nothing is kept.
        OSError: the disk is full or refuses.
    """
    temporary = target.with_name(f"{TEMPORARY}{os.getpid()}-{target.name}")
    try:
        if entry.file.endswith(".safetensors"):
            check_header(found)
            found.replace(temporary)
            digest = source_sha256
        else:
            from evalsuite.weights.convert import convert

            convert(found, temporary)
            digest = sha256_of(temporary)
        _flush(temporary)
        # The record first: a crash in between leaves a record without a file, never a file that nothing vouches for.
        record = made(entry, temporary, source, source_sha256, digest)
        record.write(beside(target))
        temporary.replace(target)
        sync_folder(target.parent)
        return record
    finally:
        temporary.unlink(missing_ok=True)


def check_header(path: Path) -> None:
    """Refuse a safetensors file whose header is damaged or absurd.

    Raises:
        InputError: what is wrong with it.
    """
    from backbones.checkpoint import CheckpointError, read_shapes

    try:
        read_shapes(path)
    except CheckpointError as error:
        raise InputError(f"{error}: take the published file") from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
