"""What each of several models scores on the images that all of them have, and what each prompt adds to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from evalsuite.contrasts import alone
from evalsuite.errors import InputError
from evalsuite.paired import Contrast
from evalsuite.pairing import Key, Unpaired, belongs, clash, match, slices
from evalsuite.scorecard import Scorecard, ScoredImage


class Estimates(NamedTuple):
    """A metric of every model on one slice.

    Attributes:
        models: each one's value with its influences by prompt family; without any where they are not known.
        prompts: different prompts that it rests on; 0 where that is not known.
    """

    models: tuple[Contrast, ...]
    prompts: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Models' scorecards, and the images that all have.

    Attributes:
        cards: at least two.
        labels: of the models.
        keys: prompt, index and size of the images.
        unpaired: images that another lacks.
    """

    cards: tuple[Scorecard, ...]
    labels: tuple[str, ...]
    keys: frozenset[Key]
    unpaired: tuple[Unpaired, ...]

    def unlike(self, metric: str) -> str:
        """Why the models' numbers cannot be compared; empty where they can."""
        lacking = [name for name, card in zip(self.labels, self.cards, strict=True) if metric not in card.metrics]
        if lacking:
            return f"{', '.join(lacking)} {'was' if len(lacking) == 1 else 'were'} not scored by it"
        protocols = [card.metrics[metric].protocol for card in self.cards]
        return next((why for other in protocols[1:] if (why := clash(protocols[0], other))), "")

    def parts(self, metric: str, by: tuple[str, ...]) -> list[str]:
        """Slices on which all have a row of a metric."""
        found = [slices(self.cards[0], other, metric, by) for other in self.cards[1:]]
        return [part for part in found[0] if all(part in parts for parts in found[1:])]

    def estimates(self, metric: str, part: str) -> Estimates | str:
        """Each model's value on the images that all have; or why there is none."""
        scores = [card.metrics[metric] for card in self.cards]
        influenced = [part in one.influences for one in scores]
        if any(influenced) or not any(one.values for one in scores):
            if self.unpaired:
                return "some model lacks images: such numbers can be compared over the same images only"
            return self._of_influences(metric, part) if all(influenced) else self._of_rows(metric, part)
        keys = self.keys.intersection(
            *({i.pair for i in card.images if i.id in card.metrics[metric].values} for card in self.cards)
        )
        cards = [replace(card, images=tuple(i for i in card.images if i.pair in keys)) for card in self.cards]
        return _alone(cards, metric, part, [image for image in cards[0].images if belongs(image, part)])

    def refuse_copies(self, places: Iterable[int]) -> None:
        """Refuse one training counted twice, whose seeds would seem to agree: the same scores on every image.

        Raises:
            InputError: two of the models at these places have them.
        """
        for i, j in combinations(places, 2):
            one, other = (list(_scores(self.cards[place])) for place in (i, j))
            if one and one == other:
                raise InputError(
                    f"{self.labels[i]} and {self.labels[j]} have the same scores on every image: they are one model, "
                    "not two training seeds; name each once"
                )

    def _of_influences(self, metric: str, part: str) -> Estimates | str:
        inside = [[i for i in c.images if i.id in c.metrics[metric].influences[part]] for c in self.cards]
        first = {image.pair for image in inside[0]}
        if any({image.pair for image in images} != first for images in inside[1:]):
            return "it does not rest on the same images in all models"
        return _alone(self.cards, metric, part, inside[0])

    def _of_rows(self, metric: str, part: str) -> Estimates | str:
        rows = [card.metrics[metric].row(part) for card in self.cards]
        known = [(row.value, row.n) for row in rows if row is not None and row.value is not None]
        if len(known) < len(rows) or not all(math.isfinite(value) for value, _ in known):
            notes = [row.note for row in rows if row is not None and row.value is None and row.note]
            return notes[0] if notes else "not all models have a value of it"
        if len({n for _, n in known}) > 1:
            return "it does not rest on as many images in all models"
        return Estimates(tuple(Contrast(value, 0.0, value, np.empty(0), n) for value, n in known), 0)


def shared(cards: Sequence[Scorecard], labels: Sequence[str]) -> Shared:
    """Models, image by image.

    Raises:
        InputError: they have no image in common.
    """
    matches = [match(cards[0], other, (labels[0], name)) for other, name in zip(cards[1:], labels[1:], strict=True)]
    keys = frozenset.intersection(*(frozenset(pair.key for pair in matched.pairs) for matched in matches))
    if not keys:
        raise InputError(
            f"{', '.join(labels)}: nothing to compare: no image is of the same prompt, index and size in all; "
            "make them with the same --prompts, --num-images, --aspects and --pixels"
        )
    unpaired = dict.fromkeys(image for matched in matches for image in matched.unpaired)
    return Shared(tuple(cards), tuple(labels), keys, tuple(unpaired))


def _scores(card: Scorecard) -> Iterator[tuple[Key, str, float]]:
    for image in card.images:
        for name, metric in card.metrics.items():
            if image.id in metric.values:
                yield image.pair, name, metric.values[image.id]


def _alone(cards: Iterable[Scorecard], metric: str, part: str, images: Sequence[ScoredImage]) -> Estimates | str:
    found = [alone(card, metric, part) for card in cards]
    if reasons := [one for one in found if isinstance(one, str)]:
        return reasons[0]
    models = tuple(one for one in found if isinstance(one, Contrast))
    return Estimates(models, len({image.prompt_id for image in images}))
