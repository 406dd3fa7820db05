"""Compare scored runs: every metric over every slice, from their scorecards alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, NamedTuple, TypeAlias

from evalsuite import verdicts
from evalsuite.contrasts import contrast, pairs_with_values
from evalsuite.difference import Difference, difference, with_holm
from evalsuite.errors import InputError
from evalsuite.pairing import KINDS, Key, Matched, Seeds, Unpaired, clash, match, settings, slices
from evalsuite.ranking import Place, Ranking, in_order, letters
from evalsuite.scorecard import Scorecard

Matches: TypeAlias = dict[tuple[int, int], Matched]
"""Places of two models to their images, paired."""


class Refusal(NamedTuple):
    """A number that two models' scorecards do not let us compare, and why."""

    first: str
    second: str
    metric: str
    slice: str
    why: str


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images of one prompt, index and size, and by how much the first scores above the second."""

    prompt_id: str
    text: str
    index: int
    width: int | None
    height: int | None
    aspect: str
    tags: tuple[str, ...]
    first: str
    second: str
    same_seed: bool | None
    differences: dict[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found.

    Attributes:
        labels: of the models, in the order given.
        about: one line on each.
        differences: by pair of models, metric and slice; ``value`` is the first minus the second.
        rankings: of three or more models, by metric and slice.
        refused: numbers that were not compared.
        unpaired: images of the first two models without a partner (of all pairs of models, where there are more).
        images: pairs of images with their own differences; of two models only.
        seeds: image pairs by whether they share their noise.
        settings: in which two runs differ: name, the first's, the second's.
        headline: the verdict in a sentence.
        notes: what a reader must know to judge it.
    """

    labels: tuple[str, ...]
    about: tuple[str, ...]
    differences: tuple[Difference, ...]
    rankings: tuple[Ranking, ...]
    refused: tuple[Refusal, ...]
    unpaired: tuple[Unpaired, ...]
    images: tuple[ImagePair, ...]
    seeds: Seeds
    settings: tuple[tuple[str, Any, Any], ...]
    headline: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data of all of it."""
        return {
            "labels": list(self.labels),
            "about": list(self.about),
            "headline": self.headline,
            "differences": [d.to_json() | {"sentence": verdicts.sentence(d)} for d in self.differences],
            "rankings": [
                _plain(ranking) | {"places": [_plain(p) for p in ranking.places]} for ranking in self.rankings
            ],
            "refused": [refusal._asdict() for refusal in self.refused],
            "unpaired": [_plain(image) for image in self.unpaired],
            "images": [_plain(pair) for pair in self.images],
            "seeds": self.seeds._asdict(),
            "settings": [{"name": name, "first": one, "second": other} for name, one, other in self.settings],
            "notes": list(self.notes),
        }


def compare(
    cards: Sequence[Scorecard],
    *,
    by: Iterable[str] = KINDS,
    metrics: Iterable[str] | None = None,
    labels: Sequence[str] | None = None,
) -> Comparison:
    """Compare two models on every metric and slice, or rank three and more.

    Differences are of the images that pair by prompt, index and size. Holm's family is all metrics on ``all``, and for
    two models all metrics and parts of each further kind of slice; for more it is the pairs of models on one metric and
    slice.

    Args:
        cards: of at least two models.
        by: kinds of slices besides ``all``: ``aspect``, ``tag``.
        metrics: names in full, or families; None means all.
        labels: of the models; None means their names.

    Raises:
        InputError: fewer than two models, a metric that none has, or nothing in common.
    """
    by = tuple(by)
    if len(cards) < 2:
        raise InputError("one model cannot be compared: name two runs, or a run of several models")
    names = tuple(labels) if labels is not None else tuple(card.model for card in cards)
    wanted = chosen_metrics(cards, metrics)
    matches = {(i, j): match(cards[i], cards[j], (names[i], names[j])) for i, j in combinations(range(len(cards)), 2)}
    found, refused = _all_differences(matches, wanted, names, by)
    if not found or not any(matched.pairs for matched in matches.values()):
        raise InputError(f"{', '.join(names)}: nothing to compare: {_why_nothing(refused, matches)}")
    first = matches[0, 1]
    whole = Comparison(
        labels=names,
        about=tuple(card.about for card in cards),
        differences=tuple(found),
        rankings=tuple(_rankings(found, names)) if len(cards) > 2 else (),
        refused=tuple(refused),
        unpaired=tuple(dict.fromkeys(image for matched in matches.values() for image in matched.unpaired)),
        images=tuple(_images(first, wanted)) if len(cards) == 2 else (),
        seeds=Seeds(*map(sum, zip(*(matched.seeds for matched in matches.values()), strict=True))),
        settings=tuple(settings(cards[0], cards[1])) if len(cards) == 2 else (),
    )
    return replace(whole, headline=verdicts.headline(whole), notes=tuple(verdicts.notes(whole)))


def common(matches: Iterable[Matched], name: str) -> frozenset[Key]:
    """Pairs for which every model has a value of a metric."""
    having = [m for m in matches if name in m.a.metrics and name in m.b.metrics]
    keys = [frozenset(one.pair.key for one in pairs_with_values(m, name)) for m in having]
    return frozenset.intersection(*keys) if keys else frozenset()


def _all_differences(
    matches: Matches, metrics: Sequence[str], labels: Sequence[str], by: tuple[str, ...]
) -> tuple[list[Difference], list[Refusal]]:
    """Of every pair of models and metric, with Holm; of three models and more over the images that all have."""
    found: list[Difference] = []
    refused: list[Refusal] = []
    two = len(matches) == 1
    shared = {name: None if two else common(matches.values(), name) for name in metrics}
    for (i, j), matched in matches.items():
        for name in metrics:
            for d in _differences(matched, name, (labels[i], labels[j]), by, shared[name]):
                if isinstance(d, Refusal):
                    refused.append(d)
                else:
                    found.append(d)
    return with_holm(found, by_kind=two), refused


def _differences(
    matched: Matched, name: str, labels: tuple[str, str], by: tuple[str, ...], among: frozenset[Key] | None
) -> Iterable[Difference | Refusal]:
    lacking = [label for label, card in zip(labels, (matched.a, matched.b), strict=True) if name not in card.metrics]
    if lacking:
        if len(lacking) == 1:
            yield Refusal(*labels, name, "all", f"{lacking[0]} was not scored by it")
        return
    if why := clash(matched.a.metrics[name].protocol, matched.b.metrics[name].protocol):
        yield Refusal(*labels, name, "all", why)
        return
    for part in slices(matched.a, matched.b, name, by):
        found = difference(matched, name, part, labels, contrast(matched, name, part, among))
        if found.p is None and found.value is None:
            yield Refusal(*labels, name, part, found.note)
        else:
            yield found


def chosen_metrics(cards: Sequence[Scorecard], asked: Iterable[str] | None) -> list[str]:
    """Names in full, in the order of the cards, restricted to names or families that are asked for.

    Raises:
        InputError: none of the cards has one.
    """
    known = list(dict.fromkeys(name for card in cards for name in card.metrics))
    if asked is None:
        return known
    chosen: list[str] = []
    for name in asked:
        hits = [metric for metric in known if name in (metric, metric.partition("@")[0])]
        if not hits:
            raise InputError(f"--metrics: no run was scored by {name!r}; known: {', '.join(known) or 'none'}")
        chosen += hits
    return list(dict.fromkeys(chosen))


def _rankings(found: Sequence[Difference], labels: Sequence[str]) -> Iterable[Ranking]:
    """One for each metric and slice on which all models were compared with each other."""
    groups: dict[tuple[str, str], list[Difference]] = {}
    for d in found:
        groups.setdefault((d.metric, d.slice), []).append(d)
    pairs = len(labels) * (len(labels) - 1) // 2
    for (metric, part), tests in groups.items():
        if len(tests) < pairs or any(d.p is None or d.a is None or d.b is None for d in tests):
            continue
        values = {d.first: d.a for d in tests} | {d.second: d.b for d in tests}
        order = in_order([values[label] or 0.0 for label in labels], tests[0].higher_is_better)
        place = {labels[i]: rank for rank, i in enumerate(order)}
        apart = {(place[d.first], place[d.second]) for d in tests if d.verdict != "none"}
        shown = letters(len(labels), apart)
        places = tuple(Place(labels[i], values[labels[i]] or 0.0, shown[rank]) for rank, i in enumerate(order))
        yield Ranking(metric, part, tests[0].higher_is_better, places, len(tests), tests[0].n)


def _images(matched: Matched, metrics: Sequence[str]) -> Iterable[ImagePair]:
    """Every pair, with the differences of metrics that single images have."""
    values: dict[Key, dict[str, float]] = {}
    for name in metrics:
        if all(name in card.metrics for card in (matched.a, matched.b)):
            one, other = (card.metrics[name] for card in (matched.a, matched.b))
            if one.protocol == other.protocol:
                for scored in pairs_with_values(matched, name):
                    values.setdefault(scored.pair.key, {})[name] = scored.a - scored.b
    for a, b in matched.pairs:
        same = None if None in (a.seed, b.seed) else a.seed == b.seed
        shared = (a.prompt_id, a.text or b.text, a.index, a.width, a.height, a.aspect, a.tags)
        yield ImagePair(*shared, a.id, b.id, same, values.get(a.pair, {}))


def _why_nothing(refused: Sequence[Refusal], matches: Matches) -> str:
    if refused and any(matched.pairs for matched in matches.values()):
        return "; ".join(dict.fromkeys(f"{r.metric}: {r.why}" for r in refused[:3]))
    reasons = list(dict.fromkeys(image.why for matched in matches.values() for image in matched.unpaired))
    return f"no image of one has a partner of the same prompt, index and size ({'; '.join(reasons[:3]) or 'no images'})"


def _plain(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}
