"""From the name of weights to a verified safetensors file on this machine, or one line on how to get it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.weights import places, record
from evalsuite.weights.catalogue import CATALOGUE, Weights, lookup, said
from evalsuite.weights.keep import check_header, keep, working
from evalsuite.weights.record import Record


def ready(name: str, given: Iterable[str] = ()) -> tuple[Path, Record]:
    """A safetensors file to load, verified; a ``.pt`` is converted the first time.

    Args:
        name: of the catalogue, or ``hf:owner/repo/file@revision``.
        given: ``NAME=PATH`` pairs, which win over EVALSUITE_WEIGHTS and our folder.

    Returns:
        The file and what is known of it; ``source_sha256`` is what a protocol should name.

    Raises:
        InputError: missing (says how large it is and the command that fetches it), damaged, or not the published file.
    """
    entry = lookup(name)
    path = locate(entry, given)
    if path is None:
        raise InputError(missing(entry))
    return opened(entry, path)


def opened(entry: Weights, path: Path) -> tuple[Path, Record]:
    """A file that is here, verified; as `ready` gives it.

    Raises:
        InputError: damaged, or another file.
    """
    known = verify(entry, path)
    return (path, known) if path.suffix == ".safetensors" else _converted(entry, path, known)


def names() -> list[str]:
    """The catalogue's names, then those of other files that were fetched into our folder."""
    records = sorted(places.cache().glob("*.safetensors.json"))
    kept = [known.name for known in map(record.read, records) if known is not None]
    return list(dict.fromkeys([*CATALOGUE, *kept]))


def locate(entry: Weights, given: Iterable[str] = ()) -> Path | None:
    """Where the file is, verified or not; None when it is nowhere.

    Raises:
        InputError: the user named a file that does not exist.
    """
    path = places.chosen(given).get(entry.name)
    if path is not None and not path.is_file():
        raise InputError(f"{path}: no such file; it was named as the weights of {entry.name}: correct the path")
    return path or next((path for path in places.candidates(entry) if path.is_file()), None)


def missing(entry: Weights) -> str:
    """One line on weights that are not here: what, how large, and the command that fetches them."""
    return (
        f"weights {entry.name} are not here: {Path(entry.file).name}, {said(entry.size)}; fetch them with"
        f" `evalsuite weights fetch {entry.name}`, or bring the file and set {places.VARIABLE}={entry.name}=PATH"
    )


def verify(entry: Weights, path: Path, full: bool = False) -> Record:
    """Check that a file is the published one, or the one that was trusted when it was first used.

    Args:
        entry: whose weights it should be.
        path: of a file that exists.
        full: read all of it, even when its size and time are unchanged since it was last read.

    Raises:
        InputError: it is another file or damaged.
    """
    place = record_of(entry, path)
    known = record.read(place)
    try:
        found = record.current(known, path, full)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): correct the file or its rights") from error
    if known is None and entry.sha256 is None and path.suffix == ".safetensors":
        check_header(path)
    expected = entry.sha256 if known is None else known.sha256
    if expected is not None and found != expected:
        raise InputError(_another(entry, path, place, found, expected))
    if known is not None and entry.sha256 not in (None, known.source_sha256):
        raise InputError(f"{path}: made from another file than the published {entry.file}: delete it and {place.name}")
    fresh = known.stamped(path) if known is not None else record.made(entry, path, str(path), found, found)
    if fresh != known:
        _remember(fresh, place)
    return fresh


def record_of(entry: Weights, path: Path) -> Path:
    """Where a file's record is: beside it when it is one that we wrote, else in our folder, under its path."""
    own = record.beside(path)
    if path.name == f"{entry.stem}.safetensors" and own.is_file():
        return own
    place = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return places.cache() / f"{entry.stem}.{place}.json"


def _converted(entry: Weights, path: Path, known: Record) -> tuple[Path, Record]:
    # Published bytes have one conversion; of other files each has its own, under its digest.
    stem = entry.stem if entry.sha256 is not None else f"{entry.stem}.{known.source_sha256[:16]}"
    target = places.cache() / f"{stem}.safetensors"
    made = record.read(record.beside(target)) if target.is_file() else None
    if made is not None and made.source_sha256 == known.source_sha256 and made.stamped(target) == made:
        return target, made
    with working(target.parent):
        return target, keep(entry, path, str(path), known.source_sha256, target)


def _another(entry: Weights, path: Path, place: Path, found: str, expected: str) -> str:
    ours = path.parent == places.cache()
    if entry.sha256 is None and not ours:
        remedy = f"if you changed it yourself, delete {place} to trust it anew"
        return f"{path}: sha256 {found[:16]} is not {expected[:16]}, which was trusted on first use: {remedy}"
    remedy = f"`evalsuite weights fetch {entry.name}` replaces it" if ours else "copy it again from the source"
    return f"{path}: damaged or another file, sha256 {found[:16]} is not {expected[:16]} of {entry.name}: {remedy}"


def _remember(fresh: Record, place: Path) -> None:
    try:
        fresh.write(place)
    except OSError:
        # A read-only folder costs reading the file again next time. But first use that is not written down is no trust.
        if fresh.trust == record.FIRST_USE and not place.is_file():
            raise InputError(f"{place}: cannot be written, so nothing records first use: set EVALSUITE_CACHE") from None
