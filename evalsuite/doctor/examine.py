"""Do to images and prompts what has a known effect, score every version, and judge what each metric saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from evalsuite.doctor import versions
from evalsuite.doctor.bench import Kept, Load, Steps, scores_of
from evalsuite.doctor.draws import Draw, mean_of
from evalsuite.doctor.findings import Examination
from evalsuite.doctor.floor import Floor, floor
from evalsuite.doctor.interventions import TABLE, Intervention
from evalsuite.doctor.judge import Known, Looked, reports
from evalsuite.doctor.real import Real
from evalsuite.doctor.roles import role_of
from evalsuite.doctor.shuffle import one_word_changed, shuffled
from evalsuite.doctor.subject import Subject
from evalsuite.errors import InputError
from evalsuite.image_set import ImageSet
from evalsuite.metrics.base import cluster_of
from evalsuite.moments import Rows
from evalsuite.progress import Progress
from evalsuite.score import check_prompts
from evalsuite.scorecard import MetricScores
from evalsuite.scorers import ScorerName
from evalsuite.wanted import Wanted, by_scorer, wanted

FEW = (
    "so few prompt families are tested by Student's t, which trusts that differences are about symmetric: where they "
    "are very lopsided, false alarms are more than 5 %; with more prompts signs are flipped instead"
)
PATH_ONLY = "it looks at no image"
SIDES = ("left", "right")


SCRATCH = ".scratch-"
"""What folders of changed images begin with; they go when they have been scored."""
COPIED = 8
"""Choices of what is copied; their mean is looked at."""


class Version(NamedTuple):
    """A version of the images at one level; None where there is none, with the reason."""

    images: ImageSet | None
    note: str = ""


@dataclass(frozen=True)
class Examiner:
    """Scores the versions of a subject's images.

    Attributes:
        subject: what is examined.
        metrics: those that look at images.
        networks: loaded once each.
        progress: told of every image.
    """

    subject: Subject
    metrics: tuple[Wanted, ...]
    networks: Kept
    progress: Progress

    def scores(self, images: ImageSet, of: Sequence[Wanted]) -> dict[str, MetricScores]:
        """Scores of a version by some metrics."""
        return scores_of(images, [metric.name for metric in of], self.networks, self.progress)

    def concerned(self, intervention: Intervention) -> list[Wanted]:
        """Metrics that can see it."""
        return [m for m in self.metrics if any(intervention.concerns(role_of(measure)) for measure in m.measures)]

    def look(self, scratch: Path) -> Iterator[Looked]:
        """Every intervention at every level, its files removed before the next one."""
        for intervention in TABLE:
            concerned = self.concerned(intervention)
            for level in intervention.levels if concerned else ():
                if intervention.kind == "set":
                    yield Looked(intervention, level, *mean_of(self._copied(concerned, level.strength)))
                    continue
                with TemporaryDirectory(dir=scratch) as folder:
                    version = self._version(intervention, level.strength, Path(folder))
                    found = self.scores(version.images, concerned) if version.images else {}
                yield Looked(intervention, level, found, note=version.note)

    def _copied(self, metrics: Sequence[Wanted], share: float) -> list[Draw]:
        found = (versions.with_copied(self.subject.images, share, draw) for draw in range(COPIED))
        return [Draw(self.scores(images, metrics), sources) for images, sources in found]

    def _version(self, intervention: Intervention, strength: float, scratch: Path) -> Version:
        images = self.subject.images
        if intervention.kind == "texts":
            return self._reworded(intervention.key)
        assert intervention.apply is not None
        return Version(versions.with_pixels(images, intervention.apply, strength, scratch))

    def _reworded(self, key: str) -> Version:
        samples = {sample.prompt_id: sample for sample in self.subject.images.samples}
        texts = [sample.text for sample in samples.values()]
        if key == "word":
            found: Sequence[str | None] | None = one_word_changed(texts, self.subject.pool or texts)
            why = "no prompt has a word that another has in its place"
        else:
            found = shuffled(texts, [cluster_of(sample) for sample in samples.values()])
            why = "more than half of the prompts have one text"
        if found is None or not any(found):
            return Version(None, why)
        return Version(versions.with_texts(self.subject.images, dict(zip(samples, found, strict=True))))


def check(subject: Subject) -> None:
    """Refuse a subject whose metrics cannot be examined.

    Raises:
        InputError: none of them looks at an image, or one reads prompts where there are none.
    """
    asked = [wanted(name) for name in subject.spec.metrics]
    check_prompts(asked, subject.images)
    if not any(map(_looks, asked)):
        raise InputError(f"{', '.join(subject.spec.metrics)}: no metric that looks at images; name some with --only")


def examine(subject: Subject, load: Load, progress: Progress) -> Examination:
    """Examine a subject's metrics. Features are kept in its folder; other versions of images are not.

    Args:
        subject: the images and how they are scored.
        load: networks, with the reference of the subject's spec.
        progress: told of the stages.

    Raises:
        InputError: as `check` does, or an image file is not what its record says.
        Incomplete: the disk is full or refuses.
    """
    check(subject)
    asked = [wanted(name) for name in subject.spec.metrics]
    looking = tuple(filter(_looks, asked))
    real = Real(load, subject.others, subject.images.folder / "features", progress)
    networks = Kept(real, _uses(looking))
    examiner = Examiner(subject, looking, networks, Steps(progress))
    floors = _floors(subject, looking, networks, real)
    before, looked = _looked(examiner, progress)
    known = Known(
        {sample.id: cluster_of(sample) for sample in subject.images.samples},
        {name: found for name, (found, _) in floors.items()},
        {name: count for name, (_, count) in floors.items()},
    )
    judged = reports([measure for metric in looking for measure in metric.measures], before, looked, known)
    skipped = {metric.name: PATH_ONLY for metric in asked if metric not in looking}
    return Examination(
        title=subject.title,
        prompts=subject.prompts,
        images=len(subject.images.samples),
        texts=len({sample.text for sample in subject.images.samples}) if subject.images.has_prompts else 0,
        families=len(set(known.clusters.values())),
        tests=judged.tests,
        metrics=judged.metrics,
        left_out=skipped | dict(judged.left_out),
        notes=(*subject.notes, *_notes(subject), *([FEW] if judged.by_t else [])),
        command=subject.command,
        real=subject.real,
    )


def _looked(examiner: Examiner, progress: Progress) -> tuple[dict[str, MetricScores], list[Looked]]:
    """Scores of the images as they are, and of every other version."""
    images = examiner.subject.images
    progress.start("examine", _steps(examiner))
    before = examiner.scores(images, examiner.metrics)
    with TemporaryDirectory(prefix=SCRATCH, dir=images.folder) as scratch:
        return before, list(examiner.look(Path(scratch)))


def _looks(metric: Wanted) -> bool:
    return any(role_of(measure) != "path" for measure in metric.measures)


def _uses(metrics: Iterable[Wanted]) -> dict[ScorerName, frozenset[str]]:
    return {
        name: frozenset().union(*(measure.uses for measure in measures))
        for name, measures in by_scorer(metrics).items()
        if name is not None
    }


def _floors(
    subject: Subject, metrics: Iterable[Wanted], networks: Kept, real: Real
) -> dict[str, tuple[Floor | str, int | None]]:
    """Of each distance, by name, its floor, or why there is none, and the number of images it is measured from."""
    found: dict[str, tuple[Floor | str, int | None]] = {}
    rows: dict[ScorerName, tuple[dict[str, Rows], dict[str, Rows]]] = {}
    aspects = Counter(sample.aspect for sample in subject.images.samples)
    for metric in metrics:
        for measure in metric.measures:
            if role_of(measure) != "distance" or metric.scorer is None:
                continue
            scorer = networks.whole(metric.scorer)
            if scorer.encoder is None or scorer.reference is None or scorer.reference.missing(aspects):
                continue  # its row says so
            if metric.scorer not in rows:
                own = real.features(scorer.encoder, subject.images.samples)
                rows[metric.scorer] = real.kept(scorer, own if subject.real and subject.others else {}), own
            at_this = floor(measure, scorer.reference, *rows[metric.scorer])
            if subject.real and isinstance(at_this, Floor):
                at_this = at_this._replace(own=None)
            kept = scorer.reference.rows(aspects) if "rows" in measure.uses else None
            count = scorer.reference.mixture(aspects).n if kept is None else len(kept)
            found[measure.card.name] = at_this, count or None
    return found


def _steps(examiner: Examiner) -> int:
    """Images that networks are asked for, at most."""
    count = len(examiner.subject.images.samples)
    times = {"set": COPIED}
    looks = [
        (examiner.metrics, 1),
        *((examiner.concerned(one), len(one.levels) * times.get(one.kind, 1)) for one in TABLE),
    ]
    return count * sum(levels * len({m.scorer for m in metrics if m.scorer}) for metrics, levels in looks)


def _notes(subject: Subject) -> Iterator[str]:
    texts = {sample.text for sample in subject.images.samples}
    sided = sum(any(side in text.casefold().split() for side in SIDES) for text in texts)
    if sided:
        yield f"{sided} of {len(texts)} prompts say left or right: mirrored images do not show them"
