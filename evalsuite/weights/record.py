"""What is known of a weight file on this machine, in a small JSON beside it, and whether the file is still that one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.files import read_regular, write_atomically
from evalsuite.weights.catalogue import Weights

PINNED, FIRST_USE = "pinned", "first use"
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    """A file as it was when it was verified.

    Attributes:
        name: of the weights.
        sha256: of the file, hex.
        source_sha256: of the published file that it is, or was converted from.
        trust: ``pinned`` when evalsuite knows the published digest, ``first use`` when the first one seen is trusted.
        source: where it came from: an address or a path.
        since: when it was first trusted, UTC.
        bytes: of the file.
        mtime_ns: of the file; while size and time stay, it is not read again.
    """

    name: str
    sha256: str
    source_sha256: str
    trust: str
    source: str
    since: str
    bytes: int
    mtime_ns: int

    def stamped(self, path: Path) -> Record:
        """The same, with the size and time that the file has now."""
        status = path.stat()
        return replace(self, bytes=status.st_size, mtime_ns=status.st_mtime_ns)

    def write(self, path: Path) -> None:
        """Put it into a JSON file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(asdict(self), indent=2, ensure_ascii=False).encode() + b"\n")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    # backbones.checkpoint has one too, behind an import of torch.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def beside(path: Path) -> Path:
    """Where the record of a file that we keep is."""
    return path.with_name(f"{path.name}.json")


def made(entry: Weights, path: Path, source: str, source_sha256: str, sha256: str) -> Record:
    """The record of a file that has just been verified."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    trust = FIRST_USE if entry.sha256 is None else PINNED
    return Record(entry.name, sha256, source_sha256, trust, source, since, 0, 0).stamped(path)


def read(path: Path) -> Record | None:
    """A record, or None when there is none.

    Raises:
        InputError: there is something else in its place: trust must not be renewed in silence.
    """
    try:
        data = json.loads(read_regular(path, _LARGEST))
        types = {"bytes": int, "mtime_ns": int}
        if all(type(data[field.name]) is types.get(field.name, str) for field in fields(Record)):
            return Record(**{field.name: data[field.name] for field in fields(Record)})
        reason = "a value of the wrong type"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) or type(error).__name__
    raise InputError(f"{path}: not a record of weights ({reason}): delete it to verify the file anew")


def current(record: Record | None, path: Path, full: bool) -> str:
    """The file's SHA-256: from the record while the file's size and time are the record's, else by reading it."""
    if record is not None and not full and record.stamped(path) == record:
        return record.sha256
    return sha256_of(path)
