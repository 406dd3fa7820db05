"""What a run folder's files were when they were last found sound, so that reopening it reads none of them again.

A file whose length, times and inode are as they were is taken to have the content it had; a copied folder is read anew.
`evalsuite verify` trusts nothing of this.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from evalsuite.digest import canonical
from evalsuite.errors import Incomplete
from evalsuite.files import keep, read_regular

FILE = "seen.json"
FORMAT = 1
Stamps = Mapping[str, list[int]]  # file, from the run folder, to what the system says of it


class Seen:
    """Keys of work to the files that hold it, as they were when they were sound.

    Args:
        folder: of the run. A file of its own there that is missing or damaged only means that all is read again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._root = folder, f"{folder}{os.sep}"
        self._found = _read(folder / FILE)
        self._changed = False

    def holds(self, key: str) -> bool:
        """Whether all files of a key are as they were when they were sound."""
        try:
            files = self._found.get(key)
            return files is not None and all(_stamp(self._root + file) == stamp for file, stamp in files.items())
        except OSError:
            return False

    def note(self, key: str, files: Iterable[str]) -> None:
        """All files of a key have just been read, and are sound."""
        try:
            self._found[key] = {file: _stamp(self._root + file) for file in files}
            self._changed = True
        except OSError:
            self._found.pop(key, None)

    def save(self) -> None:
        """Keep what was noted, where the disk allows it: it can always be found again."""
        if not self._changed:
            return
        try:
            keep(self._folder / FILE, canonical({"format": FORMAT, "files": self._found}))
        except Incomplete:
            return
        self._changed = False


def _stamp(path: str) -> list[int]:
    status = os.lstat(path)
    return [status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(path: Path) -> dict[str, Stamps]:
    try:
        data = json.loads(read_regular(path))
        files = data["files"] if data["format"] == FORMAT else {}
        inside = all(".." not in file and not file.startswith("/") for stamps in files.values() for file in stamps)
        return dict(files) if inside else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
