"""Who is making what, among processes that share a run folder: a claim ends when its holder does, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from evalsuite.files import disk_errors

FILE = ".claims"


class Claims:
    """Claims on numbers: record locks on single bytes of one file, which stays empty.

    The system drops them with the process, on network file systems too. They bind this process against others, not
    its threads against each other; and closing any descriptor of the file would drop them all, so there is but one.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder's claims; none is taken.

        Raises:
            Incomplete: the disk refuses.
        """
        with disk_errors(f"open the claims of {folder}"):
            self._descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        self._held: set[int] = set()

    def take(self, number: int) -> bool:
        """Claim a number from 0, unless another process, or this one already, has it.

        Raises:
            Incomplete: the file system has no locks.
        """
        if number in self._held:
            return False
        with disk_errors("lock a unit of the run folder"):
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except (BlockingIOError, PermissionError):
                return False
        self._held.add(number)
        return True

    def drop(self, number: int) -> None:
        """Give a claim up; any thread may."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)
        self._held.discard(number)

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
