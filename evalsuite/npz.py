"""Arrays of an .npz file that nobody vouches for: every header is checked before anything is allocated or read."""

from __future__ import annotations

import hashlib
import math
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

LARGEST = 2 << 30
"""Bytes of all arrays that are read from one file: five aspects of 2048 dimensions, and 200 000 rows of features."""
MEMBERS = 1000
DEFLATE = 1100  # no more bytes can come out of one
KINDS = "fiubU"
FAULTS = (ValueError, KeyError, TypeError, EOFError, MemoryError, RuntimeError, NotImplementedError, zipfile.BadZipFile)
"""What reading a file that is not what it says can raise, beside OSError."""


@dataclass(frozen=True)
class Header:
    """What a member says of its array, known to fit the member's size."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    info: zipfile.ZipInfo

    @property
    def bytes(self) -> int:
        """Of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


class Npz(AbstractContextManager["Npz"]):
    """An open .npz file; without pickles, objects, records, encryption or sizes that cannot be true.

    Members that are not plain arrays are left out of ``headers``; nothing reads them.

    Args:
        path: a regular file; its links are followed, because the user named it.
        limit: bytes of all arrays that may be read.

    Raises:
        OSError: it cannot be read.
        ValueError, zipfile.BadZipFile: it is not an .npz file.
    """

    def __init__(self, path: Path, limit: int = LARGEST) -> None:
        self._left = self._limit = limit
        self.faults: dict[str, str] = {}
        with ExitStack() as stack:
            self._file = stack.enter_context(_open_regular(path))
            self._zip = stack.enter_context(zipfile.ZipFile(self._file))
            self.headers = self._read_headers()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def sha256(self) -> str:
        """Of the whole file, in hex."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()  # type: ignore[arg-type]

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """One array.

        Raises:
            KeyError: there is no such plain array.
            ValueError: more is read than the limit, or the data end early.
        """
        header = self._header(name)
        self._left -= header.bytes
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {self._limit} bytes")
        with self._zip.open(header.info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    def chunks(self, name: str, rows: int) -> Iterator[np.ndarray[Any, Any]]:
        """An array of any size in parts of some rows of its first axis, so that it never is in memory at once.

        Raises:
            KeyError: there is no such plain array.
            ValueError: it is in Fortran's order, or the data end early.
        """
        header = self._header(name)
        if header.fortran:
            raise ValueError(f"{name} is in Fortran's order: save it with np.ascontiguousarray")
        count, *rest = header.shape
        each = math.prod(rest) * header.dtype.itemsize
        with self._zip.open(header.info) as member:
            _read_header(member)
            for start in range(0, count, rows):
                many = min(rows, count - start)
                data = member.read(many * each)
                if len(data) < many * each:
                    raise ValueError(f"{name} ends early")
                yield np.frombuffer(data, header.dtype).reshape(many, *rest)

    def _header(self, name: str) -> Header:
        if name in self.faults:
            raise KeyError(f"{name}: {self.faults[name]}")
        if name not in self.headers:
            raise KeyError(f"no {name}")
        return self.headers[name]

    def _read_headers(self) -> dict[str, Header]:
        infos = self._zip.infolist()
        if len(infos) > MEMBERS or len({info.filename for info in infos}) < len(infos):
            raise ValueError(f"{len(infos)} members, more than {MEMBERS} or two of one name")
        found = {}
        for info in infos:
            name = info.filename.removesuffix(".npy")
            try:
                found[name] = self._check(name, info)
            except FAULTS as error:
                self.faults[name] = " ".join(str(error).split())[:200]
        return found

    def _check(self, name: str, info: zipfile.ZipInfo) -> Header:
        whole = {zipfile.ZIP_STORED: info.compress_size, zipfile.ZIP_DEFLATED: DEFLATE * info.compress_size + DEFLATE}
        if info.compress_type not in whole or info.file_size > whole[info.compress_type] or info.flag_bits & 1:
            raise ValueError("packed in a way that np.savez does not use, or of a size that cannot be true")
        with self._zip.open(info) as member:
            shape, fortran, dtype = _read_header(member)
            header = Header(shape, dtype, fortran, info)
            if dtype.kind not in KINDS or dtype.fields is not None:
                raise ValueError(f"holds {dtype}, not plain numbers or words")
            if min(shape, default=0) < 0 or member.tell() + header.bytes != info.file_size:
                raise ValueError(f"shape {shape} of {dtype} is not what its {info.file_size} bytes hold")
        return header


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(member)
    raise ValueError(f"array format {version} is only for records")


def _open_regular(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not make us wait
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb")
