"""What a vote says: which model wins, by how much, for whom, and whether the votes can be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from evalsuite.sections import Section
from evalsuite.sizes import parse_aspect
from evalsuite.vote.agreement import METHOD, Share, krippendorff_alpha, same_winner, share
from evalsuite.vote.ballots import Ballot
from evalsuite.vote.database import VoteBook
from evalsuite.vote.metrics import MetricAgreement, metric_agreement

ALPHA = "Krippendorff's alpha, interval: first wins 1, tie 1/2, second wins 0"


@dataclass(frozen=True, slots=True)
class Tally:
    """Votes of one rater, or on one part of the images.

    Attributes:
        name: whose, or of what.
        a: votes for the first model.
        b: for the second.
        ties: undecided.
        skips: pairs that were not judged; they count nowhere.
        rate: of the first model, a tie for one half.
        left: of decided votes, those for the image on the left.
        seconds: median of a vote.
    """

    name: str
    a: int
    b: int
    ties: int
    skips: int
    rate: Share
    left: Share
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """All that is known of a vote.

    Attributes:
        labels: of the first and the second model.
        question: that was asked.
        pairs: that could be voted on.
        left_out: images that were not shown, by reason.
        total: over all votes.
        raters: each of them.
        parts: by ratio and by tag.
        alpha: agreement of raters beyond chance, or None where no two judged the same pairs.
        same: how often two of them who decided chose the same image.
        metrics: how often each metric prefers the image that people chose.
        notes: what a reader must know besides.
    """

    labels: tuple[str, str]
    question: str
    pairs: int
    left_out: dict[str, int]
    total: Tally
    raters: tuple[Tally, ...]
    parts: tuple[Tally, ...]
    alpha: float | None
    same: Share
    metrics: tuple[MetricAgreement, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {name: _plain(value) for name, value in asdict(self).items()} | {"method": METHOD, "alpha_is": ALPHA}

    def sections(self) -> list[Section]:
        """For people."""
        first, second = self.labels
        header = ("", "A wins", "A", "B", "tie", "skip", "left", "s/vote")
        lines = [_line(tally) for tally in (self.total, *self.raters)]
        found = [Section(f"A = {first}, B = {second}: {self.question}", header, lines, self._said())]
        if self.parts:
            found.append(Section("by part", header, [_line(tally) for tally in self.parts]))
        if self.metrics:
            lines = [(m.metric, _share(m.share), str(m.share.n), _better(m.higher_is_better)) for m in self.metrics]
            head = ("metric", "agrees with a vote", "votes", "better")
            found.append(Section("which metric predicts these people", head, lines, [self._ceiling()]))
        return found

    def _said(self) -> list[str]:
        first, second = self.labels
        rate = self.total.rate
        winner = first if (rate.value or 0.0) > 0.5 else second
        if rate.value is None:
            return ["Nobody has voted yet.", *self.notes]
        told = [f"{winner} is preferred." if rate.decided else "Neither is shown to be preferred; more votes may."]
        if rate.low is None:
            told = ["Votes on one prompt alone have no interval: vote on more."]
        if self.alpha is not None:
            told.append(f"Agreement of raters: alpha {self.alpha:.2f} ({ALPHA}); same winner in {_share(self.same)}.")
        left = self.total.left
        if left.decided and left.value is not None:
            told.append(f"Side bias: {_share(left)} of decided votes are for the left image. Sides are balanced.")
        return [*told, f"Intervals: {METHOD}; for these raters.", *self.notes]

    def _ceiling(self) -> str:
        if self.same.value is None:
            return "One person's votes: with a second rater, their agreement would say what a metric can reach."
        return f"Two people agree in {_share(self.same)}: a metric can hardly do better."


def results(book: VoteBook, runs: Sequence[str] = ()) -> Results:
    """Count a vote.

    Args:
        book: of votes.
        runs: where the two runs are now; empty means where they were.

    Raises:
        InputError: a run that is named is not the one that was voted on.
    """
    ballots, study = book.ballots(), book.study
    metrics, notes = metric_agreement(ballots, study, runs)
    judged: dict[int, list[Ballot]] = defaultdict(list)
    for ballot in ballots:
        if ballot.score is not None:
            judged[ballot.pair.number].append(ballot)
    winners = [(some[0].pair.cluster, [b.winner for b in some if b.winner is not None]) for some in judged.values()]
    return Results(
        labels=(study.a.label, study.b.label),
        question=study.question,
        pairs=len(study.pairs),
        left_out=dict(study.left_out),
        total=tally("all", ballots),
        raters=tuple(tally(name, [b for b in ballots if b.rater == name]) for name in book.raters()),
        parts=tuple(_parts(ballots)),
        alpha=krippendorff_alpha([[b.score for b in some if b.score is not None] for some in judged.values()]),
        same=same_winner(winners),
        metrics=tuple(metrics),
        notes=tuple(notes),
    )


def tally(name: str, ballots: Sequence[Ballot]) -> Tally:
    """Count some votes."""
    scored = [(ballot.score, ballot.pair.cluster) for ballot in ballots if ballot.score is not None]
    decided = [ballot for ballot in ballots if ballot.winner is not None]
    winners = [ballot.winner for ballot in decided]
    choices = [ballot.choice for ballot in ballots]
    return Tally(
        name=name,
        a=winners.count("a"),
        b=winners.count("b"),
        ties=choices.count("tie"),
        skips=choices.count("skip"),
        rate=share([score for score, _ in scored], [cluster for _, cluster in scored]),
        left=share([float(b.choice == "left") for b in decided], [b.pair.cluster for b in decided]),
        seconds=median(ballot.milliseconds for ballot in ballots) / 1000 if ballots else None,
    )


def _parts(ballots: Sequence[Ballot]) -> Iterator[Tally]:
    aspects = sorted({b.pair.aspect for b in ballots if b.pair.aspect}, key=parse_aspect)
    tags = sorted({tag for ballot in ballots for tag in ballot.pair.tags})
    for aspect in aspects if len(aspects) > 1 else ():
        yield tally(f"aspect={aspect}", [ballot for ballot in ballots if ballot.pair.aspect == aspect])
    for tag in tags:
        yield tally(f"tag={tag}", [ballot for ballot in ballots if tag in ballot.pair.tags])


def _line(found: Tally) -> tuple[str, ...]:
    seconds = "" if found.seconds is None else f"{found.seconds:.1f}"
    counts = (str(count) for count in (found.a, found.b, found.ties, found.skips))
    return (found.name, _share(found.rate), *counts, _percent(found.left.value), seconds)


def _share(found: Share) -> str:
    if found.low is None or found.high is None:
        return _percent(found.value)
    return f"{_percent(found.value)} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _better(higher: bool | None) -> str:
    return {True: "higher", False: "lower", None: "no direction: read as higher"}[higher]


def _plain(value: Any) -> Any:
    """Named tuples as objects, not lists."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
