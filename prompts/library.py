"""Sets by name: the bundled ones, or any file that `readers` understands."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from prompts import published, readers
from prompts.prompt import Prompt, PromptError, PromptSet, make_set, printable

BUNDLED: Mapping[str, str] = MappingProxyType(
    {
        "smoke": "16 prompts of the bundled world, 6 of them edits: a first look in minutes",
        "scenes": "120 prompts of the bundled world: objects, attributes, counting and relations, 30 each",
        "edits": "60 pairs of the bundled world: recolour, replace, add, move and background, 12 each",
        "held-out": "200 prompts of the bundled world whose combinations no training run has seen",
        "open": "200 prompts for general text-to-image models, from portraits to text rendering",
        "imagenet": "the 1,000 classes of ImageNet-1k by name, for class-conditional models",
    }
)


def load(name_or_path: str) -> PromptSet:
    """Prompts of a bundled set, or of a .jsonl, .json, .csv, .tsv or .txt file.

    A folder is read as HPDv2 (``anime.json``, ...) or as DPG-Bench (one prompt a .txt file) has it. A bundled name
    wins over a file of that name; write ``./smoke`` for the file.

    Raises:
        PromptError: no such set or file, or a file that breaks a rule; one line with place and remedy.
    """
    if name_or_path in BUNDLED:
        with resources.as_file(resources.files("prompts") / "data" / f"{name_or_path}.jsonl") as path:
            return make_set(name_or_path, "bundled", readers.read(path))
    path = Path(name_or_path)
    if path.suffix.lower() not in readers.READERS and not _exists(path):
        raise PromptError(_unknown(name_or_path))
    return make_set(path.stem or path.resolve().stem, str(path), published.read(path))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system takes
        return False


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, BUNDLED, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "name a set, or the path of a .jsonl, .csv, .tsv or .txt file"
    return f"no prompt set or file '{printable(name)}' (sets: {', '.join(BUNDLED)}); {hint}"


def select(prompts: Sequence[Prompt], limit: int | None) -> tuple[Prompt, ...]:
    """The first `limit` prompts that fit, in order; an edit counts with its base and never comes without it.

    Args:
        prompts: a checked set's prompts.
        limit: how many, at least 1; None means all.

    Raises:
        PromptError: the limit is below 1.
    """
    if limit is None:
        return tuple(prompts)
    if limit < 1:
        raise PromptError(f"limit {limit} leaves no prompts; give 1 or more, or none for all")
    chosen: set[str] = set()
    for prompt in prompts:
        wanted = {prompt.id} | ({prompt.base} if prompt.base is not None else set())
        if len(chosen | wanted) <= limit:
            chosen |= wanted
    return tuple(prompt for prompt in prompts if prompt.id in chosen)
