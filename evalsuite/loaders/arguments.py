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


def whole_number(args: Mapping[str, str], name: str, default: int, path: Path) -> int:
    """An argument as a whole number.

    Raises:
        InputError: it is none of at most six digits.
    """
    text = args.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InputError(f"{path}: {name}={text}: give a whole number")
    return int(text)
