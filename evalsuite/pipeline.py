"""The whole flow: spec -> plan -> images -> rows -> report. Every stage starts again from the run folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shutil import disk_usage
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evalsuite.errors import Incomplete
from evalsuite.machine import use_gpu
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, folder_of, prepare, with_metrics
from evalsuite.progress import Progress, Silent
from evalsuite.records import largest_bytes
from evalsuite.scoring import Scoring
from evalsuite.share import Share, share_of
from evalsuite.spec import RunSpec
from evalsuite.store import Finished, RunStore
from evalsuite.team import is_last

if TYPE_CHECKING:
    import pandas as pd

    from evalsuite.encoders.protocol import ImageEncoder
    from evalsuite.generate import Choose, Failure
    from evalsuite.scorers import ScorerName


@dataclass(frozen=True)
class Outcome:
    """What a command has to show.

    Attributes:
        folder: with the report, and the images of a run.
        title: of the report.
        models: names, in the order of the report.
        rows: the scores, or None when none were asked for.
        notes: what a reader must know besides.
        planned: images that should be there.
        missing: of them, those that are not.
        reasons: why, where it is known.
        manifest: what the run is; None for images that were made elsewhere.
        told: what the report says besides the rows; empty without scores. See `reports.write_all`.
        speaks: whether this process has something to say; of a team, only the first one does.
    """

    folder: Path
    title: str
    models: Sequence[str]
    rows: pd.DataFrame | None
    notes: Sequence[str]
    planned: int
    missing: int
    reasons: Sequence[str] = ()
    manifest: Manifest | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    speaks: bool = True

    def check(self) -> None:
        """Raise Incomplete unless every image that should be there is."""
        if self.missing:
            why = f" ({'; '.join(self.reasons)})" if self.reasons else ""
            told = "keeps the others" if self.manifest else "has the scores of the others"
            what = "not made" if self.manifest else "missing or corrupt"
            raise Incomplete(f"{self.missing} of {self.planned} images are {what}{why}; {self.folder} {told}")


def run(spec: RunSpec, *, progress: Progress | None = None) -> pd.DataFrame:
    """Generate, score and report; a repeated call goes on where the last one stopped.

    Returns:
        The scores in long form, one column per field of `evalsuite.Row`.

    Raises:
        InputError: the caller can fix it.
        Incomplete: some images could not be made, or the disk is full; the run folder has the rest.
    """
    outcome = make(spec, scored=True, progress=progress)
    outcome.check()
    assert outcome.rows is not None
    return outcome.rows


def generate_images(spec: RunSpec, *, progress: Progress | None = None) -> Path:
    """Generate only; raises as `run` does.

    Returns:
        The run folder.
    """
    outcome = make(spec, scored=False, progress=progress)
    outcome.check()
    return outcome.folder


def score_folder(
    folder: str | Path, *, metrics: Sequence[str] | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Score the images of a run folder and report, without their models; raises as `run` does.

    Args:
        folder: an existing run folder, made here or elsewhere.
        metrics: names, or None for those the run was made with.
        progress: told of the stages.

    Returns:
        The scores in long form.
    """
    scoring = Scoring(metrics=None if metrics is None else tuple(metrics))
    outcome = rescore(Path(folder), scoring, progress=progress)
    outcome.check()
    assert outcome.rows is not None
    return outcome.rows


def make(
    spec: RunSpec,
    *,
    scored: bool,
    progress: Progress | None = None,
    choose: Choose | None = None,
    share: Share | None = None,
) -> Outcome:
    """Make the images that are missing, and score all of them when asked to. Unlike `run`, it returns either way.

    Args:
        spec: what to make.
        scored: whether to score and report.
        progress: told of the stages.
        choose: see `evalsuite.generate.generate`; None means everything.
        share: of this process; None means what the launcher of this process says (`evalsuite.share`).
    """
    from evalsuite.ahead import Ahead, encoders_of
    from evalsuite.batch_size import with_batch_size
    from evalsuite.generate import generate, reproducible
    from evalsuite.memory import reclaim

    share = share_of(os.environ) if share is None else share
    if not share.alone:
        use_gpu(share.local)
    shelf, progress = Shelf(), progress or Silent()
    manifest = with_batch_size(prepare(spec, shelf, progress), spec, shelf, progress, share)
    encoders = encoders_of(manifest.spec) if scored else {}
    team, threads = not share.alone, manifest.spec.threads or 1
    with RunStore.create(folder_of(manifest), manifest, team=team) as store, reproducible(threads):
        _warn_of_a_full_disk(store, progress)
        viewer = Ahead(encoders, store, share.world, progress) if encoders else None
        take = partial(shelf.take, spec=manifest.spec)
        failures = generate(store, take, progress, choose or tuple, share, viewer)
        if not share.leads and not (share.shard and is_last(store)):
            return _part(store, share, failures, progress)
        if scored:
            reclaim()
            return _score(store, progress, failures, loaded=encoders)
        return _outcome(store, store.images(), None, failures)


def rescore(folder: Path, scoring: Scoring, *, progress: Progress | None = None) -> Outcome:
    """Score what is in a run folder, whether or not it is complete.

    Args:
        folder: an existing run folder.
        scoring: how; what it leaves open is as the run had it.
        progress: told of the stages.

    Raises:
        InputError: an option is wrong, weights are missing, or the device is not here.
    """
    from evalsuite.generate import reproducible

    with RunStore.open(folder) as store:
        store.manifest = with_metrics(store.manifest, scoring.settings())
        device, threads = scoring.place(store.manifest.spec.threads)
        with reproducible(threads):
            return _score(store, progress or Silent(), (), device)


def _warn_of_a_full_disk(store: RunStore, progress: Progress) -> None:
    needed, free = largest_bytes(store.pending(), store.manifest.spec.steps), disk_usage(store.folder).free
    if needed > free:
        progress.note(f"up to {needed / 1e6:.0f} MB to write, {free / 1e6:.0f} MB free in {store.folder}")


def _score(
    store: RunStore,
    progress: Progress,
    failures: Sequence[Failure],
    device: str | None = None,
    loaded: Mapping[ScorerName, ImageEncoder] = MappingProxyType({}),
) -> Outcome:
    from evalsuite.image_set import of_run
    from evalsuite.networks import Networks
    from evalsuite.publish import by_plan, context, keep_scorecards, publish
    from evalsuite.rows import to_frame
    from evalsuite.score import score

    images, spec = store.images(), store.manifest.spec
    found = of_run(store, images)
    cache = store.folder / "features"
    networks = Networks(device or spec.device, spec.weights, spec.reference, cache, progress, loaded)
    result = score(found, spec.metrics, networks, progress=progress)
    rows = to_frame(result.rows)
    outcome = _outcome(store, images, rows, failures)
    lines = sorted(result.per_image, key=by_plan(store.manifest))
    told = context(store.manifest, found.samples, outcome.notes)
    keep_scorecards(found, result, told, store.folder)
    publish(rows, lines, told, store.folder)
    return replace(outcome, told=told)


def _part(store: RunStore, share: Share, failures: Sequence[Failure], progress: Progress) -> Outcome:
    """What a process that does not score has to say: what it could not make."""
    if share.shard:
        planned = len(store.manifest.jobs)
        made = sum(len(unit.jobs) for unit in store.manifest.units if store.has(unit))
        progress.note(
            f"{share.words} is done, {made} of {planned} images are here; the shard that makes the last one"
            " scores them; where one cannot be made, or shards have folders of their own (put these together first),"
            " the same command without --shard does"
        )
    missing = sum(len(failure.unit.jobs) for failure in failures) if share.shard else 0
    return replace(_outcome(store, (), None, failures), missing=missing, speaks=share.shard)


def _outcome(
    store: RunStore, images: Sequence[Finished], rows: pd.DataFrame | None, failures: Sequence[Failure]
) -> Outcome:
    from evalsuite.publish import notes_of, title

    manifest = store.manifest
    planned = len(manifest.jobs)
    return Outcome(
        folder=store.folder,
        title=title(manifest),
        models=manifest.spec.models,
        rows=rows,
        notes=notes_of(manifest, [image for _, image in images], rows),
        planned=planned,
        missing=planned - len(images),
        reasons=sorted({f"{f.unit.model} {f.unit.width}x{f.unit.height}: {f.reason}" for f in failures}),
        manifest=manifest,
    )
