"""Prompt files of dataset repositories on the hub: ``hf:owner/repo/file[@revision]``, fetched once and then kept."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from evalsuite.errors import InputError
from evalsuite.files import read_regular, write_atomically
from evalsuite.lock import FolderLock
from evalsuite.progress import Progress, Silent
from evalsuite.weights import places
from evalsuite.weights.download import download, forget
from evalsuite.weights.record import sha256_of
from prompts import PromptError, PromptSet, load
from prompts.readers import MAX_BYTES, READERS

PREFIX = "hf:"
WAIT = 600.0
"""Seconds to wait for another process that fetches into the same folder."""
# Every part begins with a letter or digit; so "..", absolute paths and queries cannot come in.
_NAME = re.compile(
    r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*)/(?P<file>\w[\w.-]*(?:/\w[\w.-]*)*)(?:@(?P<revision>\w[\w.-]*))?", re.A
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LONGEST = 200
_SUM_BYTES = 1000


class _TooLarge(InputError):  # noqa: N818
    """More than a prompt file has."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a dataset repository.

    Attributes:
        repo: ``owner/name``.
        file: its path in the repository.
        revision: a commit, tag or branch.
    """

    repo: str
    file: str
    revision: str

    @property
    def name(self) -> str:
        """What a user writes to get it."""
        return f"{PREFIX}{self.repo}/{self.file}@{self.revision}"

    @property
    def place(self) -> Path:
        """Where it is kept; its SHA-256 stands beside it, as ``sha256sum`` writes it."""
        folder = quote(f"{self.repo}@{self.revision}", safe="@")
        return places.cache().parent / "prompts" / folder / self.file

    def address(self, endpoint: str) -> str:
        """Where to fetch it."""
        return f"{endpoint}/datasets/{self.repo}/resolve/{self.revision}/{quote(self.file)}"


def load_from_hub(name: str, progress: Progress | None = None) -> PromptSet:
    """Prompts of a file on the hub. Once fetched, the kept file is used, without the network.

    Nobody has told us its SHA-256, so the first file seen is trusted: later ones must have the same bytes, even where
    a branch such as ``main`` has moved on. Name another revision to get another file.

    Args:
        name: ``hf:owner/repo/file[@revision]`` of a dataset repository; without a revision it is ``main``.
        progress: told of the download, and of the digest that is trusted from then on.

    Raises:
        InputError: not such a name, not to be had, offline and not kept, another file than before, or no prompts in it.
    """
    wanted = _parse(name)
    path = _fetched(wanted, progress or Silent())
    try:
        return replace(load(str(path)), source=wanted.name)
    except PromptError as error:
        raise InputError(str(error)) from error


def _parse(name: str) -> HubFile:
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST else None
    if match is None or Path(match["file"]).suffix.lower() not in READERS:
        raise InputError(
            f"prompts {name[:_LONGEST]!r}: not a prompt file on the hub; write hf:owner/repo/file@revision, where the"
            f" file ends in {', '.join(READERS)}"
        )
    return HubFile(match["repo"], match["file"], match["revision"] or "main")


def _fetched(wanted: HubFile, progress: Progress) -> Path:
    path = wanted.place
    try:
        if not _kept(path):
            _check_online(wanted)
            with _alone(path.parent):
                if not _kept(path):  # another process may just have fetched it
                    _bring(wanted, path, progress)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; make room, or set EVALSUITE_CACHE") from error
    return path


def _kept(path: Path) -> bool:
    """Whether the file is here and as it was when it was first seen."""
    if not path.is_file():
        return False
    known, digest = _trusted(path), sha256_of(path)
    if known is None:
        _trust(path, digest)
    elif digest != known:
        raise InputError(
            f"{path}: damaged or changed, sha256 {digest[:16]} is not {known[:16]}; delete it to fetch it again"
        )
    return True


def _bring(wanted: HubFile, path: Path, progress: Progress) -> None:
    url = wanted.address(places.endpoint())
    part = path.with_name(f".part-{path.name}")  # with its suffix: it is read before it is kept
    known = _trusted(path)
    try:
        download(url, part, known is not None, _Capped(progress, url), wanted.name)
    except _TooLarge:
        forget(part)
        raise
    except InputError as error:
        what = str(error).partition(", or bring the file yourself")[0]  # which is advice for weights
        raise InputError(f"{what}; or give the path of a copy in place of {wanted.name}") from error
    digest = sha256_of(part)
    try:
        _check(part, url, digest, known, path)
    except InputError:
        forget(part)  # what was refused once would be refused again
        raise
    _trust(path, digest)
    part.replace(path)
    forget(part)
    if known is None:
        pin = "" if _COMMIT.fullmatch(wanted.revision) else f"; {wanted.revision} may move: a commit after @ pins it"
        progress.note(f"{wanted.name}: sha256 {digest} is trusted from now on{pin}")


def _check(part: Path, url: str, digest: str, known: str | None, path: Path) -> None:
    if known not in (None, digest):
        raise InputError(
            f"{url}: sha256 {digest[:16]} is not {str(known)[:16]}, which was trusted on first use; nothing is kept: if"
            f" the change is meant, delete {_sum_of(path)}"
        )
    try:
        load(str(part))
    except PromptError as error:
        what = str(error).replace(str(part), path.name)
        raise InputError(f"{url}: no prompt file, nothing is kept ({what}); check the name") from error


def _check_online(wanted: HubFile) -> None:
    variable = places.offline()
    if variable is not None:
        raise InputError(
            f"{wanted.name}: not fetched before, and {variable} forbids downloads: unset it, or give the path of a copy"
        )


def _sum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _trusted(path: Path) -> str | None:
    place = _sum_of(path)
    try:
        match = re.match(rb"([0-9a-f]{64})\s", read_regular(place, _SUM_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error}); delete it to trust the file anew") from error
    if match is None:
        raise InputError(f"{place}: not a SHA-256; delete it to trust the file anew")
    return match[1].decode()


def _trust(path: Path, digest: str) -> None:
    write_atomically(_sum_of(path), f"{digest}  {path.name}\n".encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The folder to ourselves. Processes of one run start together and want the same file: they wait."""
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + WAIT
    while True:
        try:
            lock = FolderLock(folder)
            break
        except InputError:
            if time.monotonic() > until:
                raise InputError(f"{folder}: another evalsuite fetches prompts there: wait for it") from None
            time.sleep(0.1)
    with lock:
        yield


class _Capped:
    """Progress that stops a download of more than a prompt file, whatever size the server announces."""

    def __init__(self, progress: Progress, url: str) -> None:
        self._progress, self._url, self._done = progress, url, 0

    def start(self, stage: str, total: int) -> None:
        self._check(total)
        self._done = 0
        self._progress.start(stage, total)

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        self._check(self._done)
        self._progress.advance(steps)

    def note(self, text: str) -> None:
        self._progress.note(text)

    def _check(self, megabytes: int) -> None:
        if megabytes * 10**6 > MAX_BYTES:
            raise _TooLarge(f"{self._url}: larger than {MAX_BYTES // 2**20} MiB; no prompt file, nothing is kept")
