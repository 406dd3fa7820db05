"""A run folder that is only read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalsuite.manifest import Manifest
from evalsuite.seen import Seen
from evalsuite.store import RunStore


class StillStore(RunStore):
    """A run folder without its lock: nothing in it is made, changed or swept, so it may lie on a read-only disk."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Use `open` instead."""
        self.folder = folder
        self.manifest = manifest
        self._seen = Seen(folder)

    @classmethod
    def open(cls, folder: Path) -> StillStore:
        """Read what a run is.

        Raises:
            InputError: not a run folder, or its run.json is damaged or was altered.
        """
        folder = folder.absolute()
        return cls(folder, Manifest.read(folder))

    def close(self) -> None:
        """Nothing: there is no lock."""


def nearest(wanted: str, known: Iterable[str]) -> str:
    """``did you mean ...?`` for a name that is not known, or a few that are."""
    from difflib import get_close_matches

    names = list(known)
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"such as {names[0]!r}" if names else "there are none"
