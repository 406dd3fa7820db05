"""Fetching weights on the user's word: download, verify, convert once, record."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.progress import Progress
from evalsuite.weights import places, record
from evalsuite.weights.catalogue import Weights, lookup, said
from evalsuite.weights.download import download, forget
from evalsuite.weights.find import locate, ready, verify
from evalsuite.weights.keep import keep, working
from evalsuite.weights.record import Record


def fetch(name: str, progress: Progress, given: Iterable[str] = ()) -> tuple[Path, Record]:
    """Bring weights to this machine, unless they are here and sound.

    Returns:
        The file and what is known of it.

    Raises:
        InputError: offline, not to be had, not the file that it should be, or no room; nothing wrong is kept.
    """
    entry = lookup(name)
    here = locate(entry, given)
    if here is not None:
        try:
            verify(entry, here, full=True)
            return ready(name, given)
        except InputError as error:
            if here.parent != places.cache():
                raise
            progress.note(str(error))
    _check_online(entry)
    target = places.cache() / f"{entry.stem}.safetensors"
    with working(target.parent):
        return target, _bring(entry, target, progress)


def _bring(entry: Weights, target: Path, progress: Progress) -> Record:
    url = entry.address(places.endpoint())
    part = target.with_name(f"{entry.stem}.part")
    _check_room(entry, part)
    download(url, part, entry.sha256 is not None, progress, entry.name)
    try:
        digest = record.sha256_of(part)
        _check_digest(entry, url, digest, target)
        known = keep(entry, part, url, digest, target)
    except InputError:
        forget(part)  # what was refused once would be refused again
        raise
    forget(part)
    return known


def _check_digest(entry: Weights, url: str, digest: str, target: Path) -> None:
    if entry.sha256 is not None and digest != entry.sha256:
        raise InputError(
            f"{url}: garbled or another file, sha256 {digest[:16]} is not the published {entry.sha256[:16]};"
            " nothing is kept: try again, or another HF_ENDPOINT"
        )
    before = record.read(record.beside(target))
    if entry.sha256 is None and before is not None and digest != before.source_sha256:
        raise InputError(
            f"{url}: sha256 {digest[:16]} is not {before.source_sha256[:16]}, trusted since {before.since}; nothing is"
            f" kept: if the change is meant, delete {record.beside(target)}"
        )


def _check_online(entry: Weights) -> None:
    variable = places.offline()
    if variable is not None:
        raise InputError(
            f"{entry.name}: {variable} forbids downloads: unset it, or bring {entry.file} ({said(entry.size)}) and set"
            f" {places.VARIABLE}={entry.name}=PATH"
        )


def _check_room(entry: Weights, part: Path) -> None:
    """Room for what is still to come and, while it is being made, for its conversion."""
    have = part.stat().st_size if part.is_file() else 0
    need = (entry.size or 0) * (1 if entry.file.endswith(".safetensors") else 2) - have
    free = shutil.disk_usage(part.parent).free
    if free < need:
        room = f"{said(free)} free, fetching {entry.name} takes {said(need)}"
        raise InputError(f"{part.parent}: {room}: make room, or set EVALSUITE_CACHE")
