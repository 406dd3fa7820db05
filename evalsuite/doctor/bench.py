"""Scores of many versions of one set of images, each network loaded once and every version looked at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from evalsuite.encoders.scorer import Scorer
from evalsuite.image_set import ImageSet
from evalsuite.progress import Progress
from evalsuite.score import score
from evalsuite.scorecard import MetricScores
from evalsuite.scorers import ScorerName

Load = Callable[[ScorerName, Collection[str]], Scorer]


class Kept:
    """Networks that stay loaded.

    Args:
        load: a network by name, with what metrics use of it.
        uses: of all metrics, by network: what is asked for at any time.
    """

    def __init__(self, load: Load, uses: dict[ScorerName, frozenset[str]]) -> None:
        self._load, self._uses = load, uses
        self._known: dict[ScorerName, Scorer] = {}

    def whole(self, name: ScorerName) -> Scorer:
        """The network with all that any metric uses of it; raises InputError as loading does."""
        if name not in self._known:
            self._known[name] = self._load(name, self._uses[name])
        return self._known[name]

    def __call__(self, name: ScorerName, uses: Collection[str]) -> Scorer:
        """The network with what some of the metrics use of it."""
        scorer = self.whole(name)
        head = scorer.head if "preference" in uses else None
        reference = scorer.reference if "reference" in uses else None
        return replace(scorer, head=head, head_sha256=scorer.head_sha256 if head else "", reference=reference)


class Steps:
    """One stage for many: what stages inside it do is counted, what they are called is not said."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def start(self, stage: str, total: int) -> None:
        """Nothing: it is part of the stage that is under way."""

    def advance(self, steps: int = 1) -> None:
        """Some steps are done."""
        self._progress.advance(steps)

    def note(self, text: str) -> None:
        """Something the user should know now."""
        self._progress.note(text)


def scores_of(images: ImageSet, metrics: Sequence[str], load: Load, progress: Progress) -> dict[str, MetricScores]:
    """Scores of the one model of a set, by the full name of each number; see `evalsuite.score.score`."""
    (model,) = images.models
    return score(images, metrics, load, progress=progress).metrics[model]
