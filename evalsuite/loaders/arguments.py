"""Arguments of a model, as the user writes them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from evalsuite.errors import InputError


def known_args(args: Mapping[str, str], known: tuple[str, ...], path: Path) -> None:
    """Refuse arguments that a loader does not know.

    Args:
        args: as given.
        known: names that the loader takes; may be empty.
        path: of the model, for the message.

    Raises:
        InputError: the first unknown name, with the nearest known one.
    """
    for name in args:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
            raise InputError(f"{path}: no argument {name!r} for this kind of model; {hint}")
