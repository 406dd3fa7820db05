"""What can go wrong, by exit code: 2 for bad input, 3 for work left undone."""

from __future__ import annotations


class InputError(ValueError):
    """The user can fix it. The message is one line: what, where, why, what to do. Exit code 2."""


class Incomplete(Exception):  # noqa: N818
    """Part of the work could not be done; the same command resumes it. Exit code 3."""
