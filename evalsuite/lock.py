"""One process at a time in a folder, or one team of processes."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from evalsuite.errors import InputError

PATIENCE = 30.0
"""Seconds that a member waits for another one to come in: it holds the lock alone for a moment."""


class FolderLock:
    """An advisory lock that the system drops when its holder ends, however it ends.

    Attributes:
        path: the lock's file; it says who holds the lock, and stays when the lock is dropped.
        alone: whether no one else holds it; a member of a team has it alone until `share`, if it came first.
    """

    def __init__(self, folder: Path, *, team: bool = False) -> None:
        """Take the lock.

        Args:
            folder: what to lock.
            team: others may hold it too, if they are of the team: alone where no one else has it, else shared.

        Raises:
            InputError: another process has it, and keeps it.
        """
        self.path, self._team = folder / ".lock", team
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        deadline = time.monotonic() + PATIENCE
        while not self._try(fcntl.LOCK_EX):
            if team and self._try(fcntl.LOCK_SH):
                self.alone = False
                return
            if not team or time.monotonic() > deadline:
                holder = os.read(self._descriptor, 200).decode("ascii", "replace").strip() or "another process"
                os.close(self._descriptor)
                raise InputError(f"{folder} is in use by {holder}: wait for it or choose another --output-dir")
            time.sleep(0.02)
        self.alone = True
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode("ascii", "replace"), 0)

    def share(self) -> None:
        """Let the others of the team in; nothing for a process alone."""
        if self._team and self.alone:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            self.alone = False

    def release(self) -> None:
        """Drop the lock; twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
