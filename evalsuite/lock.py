"""One process at a time in a run folder."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType

from evalsuite.errors import InputError


class FolderLock:
    """An advisory lock that the system drops when its holder ends, however it ends.

    Attributes:
        path: the lock's file; it says who holds the lock, and stays when the lock is dropped.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            InputError: another process has it.
        """
        self.path = folder / ".lock"
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 200).decode("ascii", "replace").strip() or "another process"
            os.close(self._descriptor)
            raise InputError(f"{folder} is in use by {holder}: wait for it or choose another --output-dir") from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode("ascii", "replace"), 0)

    def release(self) -> None:
        """Drop the lock; twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
