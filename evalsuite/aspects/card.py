"""The aspect-ratio card of finished runs: rows and notes, from their scorecards and, where asked for, their images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite.aspects import counting
from evalsuite.aspects.control import Load, controlled, suited
from evalsuite.aspects.counter import accuracy
from evalsuite.aspects.images import aspects_of
from evalsuite.aspects.letterbox import Padding
from evalsuite.aspects.notes import explained, shared
from evalsuite.aspects.table import findings
from evalsuite.aspects.versus import against_first
from evalsuite.card_check import check
from evalsuite.encoders.scorer import absent
from evalsuite.errors import InputError
from evalsuite.progress import Progress
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard
from evalsuite.sources import Source, labels
from evalsuite.sources import read as read_source
from evalsuite.wanted import wanted


@dataclass(frozen=True, slots=True)
class Settings:
    """What a card has besides the scores.

    Attributes:
        metrics: names in full, or families; None means all.
        control: whether squares are letterboxed and scored.
        count: whether objects are counted.
        padding: of the letterboxes.
    """

    metrics: tuple[str, ...] | None = None
    control: bool = True
    count: bool = True
    padding: Padding = Padding.border


@dataclass(frozen=True, slots=True)
class AspectCard:
    """What was found.

    Attributes:
        models: labels, in the order given.
        aspects: ratios, from tall to wide.
        metrics: name to its scores by some model: for titles, units and directions.
        rows: everything in long form; see `evalsuite.aspects.table` and `.control` for their slices.
        notes: what a reader must know.
        settings: of the card.
        runs: what made the images: title, prompts and fingerprint of each run.
    """

    models: tuple[str, ...]
    aspects: tuple[str, ...]
    metrics: dict[str, MetricScores]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    settings: Settings
    runs: tuple[dict[str, Any], ...]

    def row(self, model: str, metric: str, part: str) -> Row | None:
        """One row; ``part`` is the slice, or with an ending ``=`` the kind of the only one of it."""
        found = (row for row in self.rows if (row.model, row.metric) == (model, metric))
        return next((r for r in found if r.slice == part or (part.endswith("=") and r.slice.startswith(part))), None)

    def to_json(self) -> dict[str, Any]:
        """Plain data of all of it, with how exact the counter is."""
        settings = {name: getattr(self.settings, name) for name in ("control", "count")}
        measured = accuracy() if self.settings.count else {}
        return {
            "schema": 1,
            "models": list(self.models),
            "aspects": list(self.aspects),
            "settings": settings | {"padding": self.settings.padding.value},
            "runs": list(self.runs),
            "rows": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
            "counter": {name: measured[name] for name in sorted(measured)},
        }


def read(given: Sequence[str]) -> list[Source]:
    """The models of some runs that have two ratios or more, each under its label.

    Raises:
        InputError: no such run, a file is damaged, or fewer than two ratios.
    """
    found = [source for words in given for source in read_source(words)]
    named = zip(labels(found), found, strict=True)
    read = [Source(replace(check(card, path), model=label), path) for label, (card, path) in named]
    for card, path in read:
        if len(aspects := aspects_of([card])) < 2:
            has = f"has {aspects[0]} alone" if aspects else "has no scored image"
            raise InputError(f"{path}: {card.model} {has}: make a run of two ratios or more with --aspects 1:1,16:9")
    return read


def make(sources: Sequence[Source], settings: Settings, cache: Path, load: Load, progress: Progress) -> AspectCard:
    """The card of some models.

    Args:
        sources: from `read`.
        settings: what it has.
        cache: features of letterboxed squares are kept under its ``features``.
        load: see `evalsuite.score.score`.
        progress: told of images and networks.

    Raises:
        InputError: an unknown metric, weights that are not here, or an image that is not what its record says.
    """
    kept = _kept(sources, settings.metrics)
    aspects = aspects_of(card for card, _ in sources)
    rows: list[Row] = []
    notes: list[tuple[str, str]] = []
    metrics: dict[str, MetricScores] = {}
    cards: list[Scorecard] = []
    for source in sources:
        card = replace(source.card, metrics={n: m for n, m in source.card.metrics.items() if n in kept})
        folder = source.path if source.path.is_dir() else source.path.parent
        bias: tuple[Row, ...] = ()
        said: list[str] = []
        if settings.control:
            asked = suited(card, card.metrics)
            control = controlled(card, asked, folder, cache, load, settings.padding, progress)
            bias, said = control.rows, [*said, *control.notes]
        if settings.count:
            counted = counting.counted(card, folder, progress)
            card, said = counted.card, [*said, *counted.notes]
        metrics |= {name: metric for name, metric in card.metrics.items() if name not in metrics}
        cards.append(card)
        own, why = _rows(card, cards[0])
        rows += [*own, *bias]
        notes += [(note, card.model) for note in (*said, *why)]
    if settings.count:
        rows += counting.counter_rows(aspects)
    models = tuple(card.model for card, _ in sources)
    whole = (*explained([card for card, _ in sources], settings.padding, rows), *shared(notes))
    runs = tuple(_run(card) for card, _ in sources)
    return AspectCard(models, tuple(aspects), metrics, tuple(rows), whole, settings, runs)


def check_networks(sources: Sequence[Source], settings: Settings, given: Sequence[str]) -> None:
    """Refuse a control whose networks are not here, before anything is made.

    Args:
        sources: from `read`.
        settings: of the card.
        given: ``NAME=PATH`` pairs of weight files.

    Raises:
        InputError: says which, the command that fetches them, and how to go without.
    """
    kept = _kept(sources, settings.metrics)
    for card, _ in sources if settings.control else ():
        for name in suited(card, kept & card.metrics.keys()):
            scorer = wanted(name).scorer
            if scorer is not None and (reason := absent(scorer, given)):
                raise InputError(f"the control of {name}: {reason}; or go without it: --no-control")


def _rows(card: Scorecard, first: Scorecard) -> tuple[list[Row], list[str]]:
    """Of every metric its values by ratio and what follows from them, and why nothing does."""
    rows: list[Row] = []
    why: dict[str, list[str]] = {}
    for name, metric in card.metrics.items():
        rows += [replace(row, model=card.model) for row in metric.rows if row.slice.startswith("aspect=")]
        found = findings(card, metric)
        compared = against_first(first, card, name) if card is not first and not isinstance(found, str) else []
        for some in (found, compared):
            if isinstance(some, str):
                why.setdefault(some, []).append(name)
            else:
                rows += some
    return rows, [f"{', '.join(names)}: {reason}" for reason, names in why.items()]


def _kept(sources: Sequence[Source], asked: Collection[str] | None) -> set[str]:
    """Names of the metrics that are looked at.

    Raises:
        InputError: one that no run has.
    """
    known = list(dict.fromkeys(name for card, _ in sources for name in card.metrics))
    if asked is None:
        return set(known)
    kept: set[str] = set()
    for name in asked:
        hits = [metric for metric in known if name in (metric, metric.partition("@")[0])]
        if not hits:
            raise InputError(f"--metrics: no run was scored by {name!r}; known: {', '.join(known) or 'none'}")
        kept.update(hits)
    return kept


def _run(card: Scorecard) -> dict[str, Any]:
    spec = card.run.get("spec") or {}
    return {
        "model": card.model,
        "about": card.about,
        "title": card.run.get("title"),
        "prompts": card.run.get("prompts"),
        "fingerprint": spec.get("fingerprint"),
    }
