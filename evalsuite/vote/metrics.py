"""Which metric says of two images what people say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from evalsuite import sources
from evalsuite.errors import InputError
from evalsuite.pairing import clash
from evalsuite.scorecard import MetricScores, Scorecard
from evalsuite.vote.agreement import Share, share
from evalsuite.vote.ballots import Ballot
from evalsuite.vote.study import Side, Study


class MetricAgreement(NamedTuple):
    """How often a metric prefers the image that a person preferred.

    Attributes:
        metric: name in full.
        higher_is_better: None where it has no direction; then it is read as if higher were better.
        share: of the decided votes; equal scores count as one half.
    """

    metric: str
    higher_is_better: bool | None
    share: Share


def metric_agreement(
    ballots: Sequence[Ballot], study: Study, runs: Sequence[str]
) -> tuple[list[MetricAgreement], list[str]]:
    """Agreement of decided votes with every metric that single images have, the best first.

    Args:
        ballots: votes that count.
        study: what was voted on.
        runs: where the two runs are now; empty means where they were.

    Returns:
        The metrics, and why others are not among them.
    """
    try:
        a, b = _cards(study, runs)
    except InputError as error:
        if runs:
            raise
        return [], [f"metrics are not compared: {error}; name the two runs behind the votes"]
    notes = [f"{name} is not compared: only one run has it" for name in sorted(a.metrics.keys() ^ b.metrics.keys())]
    found = []
    for name in (name for name in a.metrics if name in b.metrics):
        one, other = a.metrics[name], b.metrics[name]
        if not one.values or not other.values:
            continue
        if why := clash(one.protocol, other.protocol):
            notes.append(f"{name} is not compared: {why}")
            continue
        lines = list(_agreements(ballots, one, other))
        if lines:
            values, clusters = zip(*lines, strict=True)
            found.append(MetricAgreement(name, one.higher_is_better, share(values, clusters)))
    return sorted(found, key=lambda one: (-(one.share.value or 0.0), one.metric)), notes


def _agreements(ballots: Sequence[Ballot], a: MetricScores, b: MetricScores) -> Iterator[tuple[float, str]]:
    sign = -1 if a.higher_is_better is False else 1
    for ballot in ballots:
        one, other = a.values.get(ballot.pair.a.id), b.values.get(ballot.pair.b.id)
        if ballot.winner is None or one is None or other is None:
            continue
        better = sign * (one - other) * (1 if ballot.winner == "a" else -1)
        yield (1.0 if better > 0 else 0.5 if better == 0 else 0.0), ballot.pair.cluster


def _cards(study: Study, runs: Sequence[str]) -> tuple[Scorecard, Scorecard]:
    """The two scorecards, and proof that they are of the images that were voted on."""
    if runs:
        read = sources.read_all(runs)
        if len(read) != 2:
            raise InputError(f"{len(read)} models are named, the vote was between two: name two, as FOLDER:MODEL")
        cards = [source.card for source in read]
    else:
        cards = [_card(side) for side in (study.a, study.b)]
    for card, side in zip(cards, ("a", "b"), strict=True):
        pixels: Mapping[str, str | None] = {image.id: image.pixel_sha256 for image in card.images}
        for pair in study.pairs:
            picture = getattr(pair, side)
            if pixels.get(picture.id) != picture.pixel_sha256:
                raise InputError(f"the scores of {card.model} are of other images than the vote: {picture.id}")
    return cards[0], cards[1]


def _card(side: Side) -> Scorecard:
    return next(source.card for source in sources.read(f"{Path(side.folder)}:{side.model}"))
