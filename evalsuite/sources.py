"""What a command line names: a run folder, a file of scorecards, or ``FOLDER:MODEL`` for one model of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from evalsuite import scorecard
from evalsuite.errors import Incomplete, InputError
from evalsuite.scorecard import Scorecard


class Source(NamedTuple):
    """A scorecard, and where it was read."""

    card: Scorecard
    path: Path

    @property
    def folder(self) -> Path:
        """That images are named from."""
        return self.path if self.path.is_dir() else self.path.parent


def read(words: str) -> list[Source]:
    """The scorecards that words name.

    Raises:
        InputError: no such path or model, or the file is damaged.
    """
    path, model = split(words)
    cards = scorecard.read(path)
    if model:
        found = [card for card in cards if card.model == model]
        if not found:
            raise InputError(f"{path} has no model {model!r}; it has {', '.join(card.model for card in cards)}")
        cards = found
    if not cards:
        raise InputError(f"{path} has no model: score the run again")
    return [Source(card, path) for card in cards]


def readable(words: str) -> list[Scorecard]:
    """The scorecards of a run that is judged.

    Raises:
        InputError: no such path or model.
        Incomplete: it is there and cannot be read, so that there is no verdict.
    """
    path, model = split(words)
    try:
        return [source.card for source in read(words)]
    except InputError as error:
        if model or (path.is_dir() and not (path / scorecard.NAME).exists()):
            raise
        raise Incomplete(f"no verdict: {error}") from error


def split(words: str) -> tuple[Path, str]:
    """The path, and the model after its colon; a path with a colon in it wins, and so does the shortest path."""
    if Path(words).exists():
        return Path(words), ""
    for place, char in enumerate(words):
        if char == ":" and place and Path(words[:place]).exists():
            return Path(words[:place]), words[place + 1 :]
    raise InputError(f"{words}: no such run folder or file; name one that `evalsuite run` or `score` has filled")


def read_all(given: Sequence[str]) -> list[Source]:
    """Models to compare: those of one source, or one of each.

    Raises:
        InputError: as `read` does, or one of several sources has several models.
    """
    found = [read(words) for words in given]
    for words, sources in zip(given, found, strict=True):
        if len(found) > 1 and len(sources) > 1:
            models = ", ".join(source.card.model for source in sources)
            raise InputError(
                f"{words} has {len(sources)} models ({models}): name one as {words}:{sources[0].card.model}"
            )
    return [source for sources in found for source in sources]


def labels(sources: Sequence[Source]) -> list[str]:
    """A name for each: its model's, with its folder where models share it, with a number where they share that too."""
    models = Counter(source.card.model for source in sources)
    named = [
        source.card.model if models[source.card.model] == 1 else f"{source.card.model} ({_place(source.path)})"
        for source in sources
    ]
    counts, seen, unique = Counter(named), Counter[str](), []
    for name in named:
        seen[name] += 1
        unique.append(name if counts[name] == 1 else f"{name} #{seen[name]}")
    return unique


def _place(path: Path) -> str:
    whole = path.resolve()
    return whole.parent.name if whole.name == scorecard.NAME else whole.name
