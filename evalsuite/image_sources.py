"""Where many images come from: a folder, a zip archive, or the array of an ADM-like .npz; one at a time, never all."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from evalsuite import decoders
from evalsuite.errors import InputError
from evalsuite.images import LARGEST, BadImage, Pixels, find_images, is_image_name, read_rgb
from evalsuite.npz import FAULTS, Npz
from evalsuite.read_ahead import EACH, read_ahead

LARGEST_MEMBER = 256 << 20
"""Bytes of an image in an archive, unpacked."""
CHUNK = 64 << 20  # bytes of an array in memory at once


class Item(NamedTuple):
    """An image with its name in the source, or why it is none."""

    name: str
    pixels: Pixels | BadImage


class Source(Protocol):
    """Images in a fixed order."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Item]: ...


def source_of(path: Path, device: str = "cpu") -> Source:
    """The images at a path.

    Args:
        path: a folder, .zip or .npz.
        device: kind of device that they are for; for a GPU, a folder's are decoded in processes where that gains.

    Raises:
        InputError: it is no folder, .zip or .npz, cannot be read, or has no images.
    """
    kinds: dict[str, Callable[[Path], Source]] = {".zip": Archive, ".npz": ImageArray}
    kind = partial(Folder, device=device) if path.is_dir() else kinds.get(path.suffix.lower())
    if kind is None:
        raise InputError(
            f"{path}: {'not a folder, .zip or .npz' if path.exists() else 'no such file'}: name one of images"
        )
    try:
        source = kind(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another one") from error
    except FAULTS as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise InputError(f"{path}: cannot be read as images ({reason}); name another file") from error
    if not len(source):
        raise InputError(f"{path} has no PNG, JPEG or WebP images: name another one")
    return source


class Folder:
    """Image files under a folder at any depth, by name.

    Args:
        path: of the folder.
        device: see `source_of`.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        self._path, self._files, self._device = path, find_images(path), device

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Item]:
        parts: Iterable[list[Path]] = ([file] for file in self._files)
        read, each = decoders.read_here, EACH
        if decoders.are_worth_it(len(self._files), self._device):
            parts, read, each = decoders.questions(self._files), decoders.decoders().read, decoders.AHEAD
        for items in read_ahead(lambda files: self._items(files, read(files)), parts, _size, each):
            yield from items

    def _items(self, files: list[Path], found: list[Pixels | BadImage]) -> list[Item]:
        names = (file.relative_to(self._path).as_posix() for file in files)
        return [Item(name, pixels) for name, pixels in zip(names, found, strict=True)]


class Archive:
    """Image files in a zip archive, by name, read in memory; nothing is written to the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and _is_shown(info.filename)]
        self._members = sorted(members, key=lambda info: info.filename)

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Item]:
        with zipfile.ZipFile(self._path) as archive:
            for info in self._members:
                try:
                    yield Item(info.filename, read_rgb(io.BytesIO(_unpack(archive, info))))
                except BadImage as error:
                    yield Item(info.filename, error)


class ImageArray:
    """The uint8 array ``arr_0`` (n, height, width, 3) of an .npz file, as ADM publishes sample and reference sets."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with Npz(path) as file:
            if "arr_0" not in file.headers:
                raise ValueError(f"no images in it: arr_0 {file.faults.get('arr_0', 'is missing')}")
            header = file.headers["arr_0"]
        if header.dtype != "uint8" or len(header.shape) != 4 or header.shape[-1] != 3 or not min(header.shape):
            raise ValueError(f"arr_0 is {header.dtype} {header.shape}, not uint8 (n, height, width, 3)")
        if header.shape[1] * header.shape[2] > LARGEST:
            raise ValueError(f"arr_0 has images of {header.shape[1]} x {header.shape[2]} pixels")
        self._shape = header.shape

    def __len__(self) -> int:
        return self._shape[0]

    def __iter__(self) -> Iterator[Item]:
        number = 0
        with Npz(self._path) as file:
            for chunk in file.chunks("arr_0", max(1, CHUNK // math.prod(self._shape[1:]))):
                for pixels in chunk:
                    yield Item(f"arr_0[{number}]", pixels)
                    number += 1


def _size(items: list[Item]) -> int:
    return sum(0 if isinstance(item.pixels, BadImage) else item.pixels.nbytes for item in items)


def _is_shown(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in parts[:-1])
    return bool(parts) and not hidden and is_image_name(parts[-1])


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > LARGEST_MEMBER:
        raise BadImage(f"unpacks to {info.file_size} bytes, more than {LARGEST_MEMBER}")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadImage("encrypted, or packed in another way than deflate")
    try:
        with archive.open(info) as member:
            return member.read(LARGEST_MEMBER)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise BadImage(f"damaged: {' '.join(str(error).split())}") from error
