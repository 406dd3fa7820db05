"""The whole flow: spec -> plan -> images -> rows -> report. Every stage starts again from the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

from evalsuite.errors import Incomplete
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, folder_of, prepare, with_metrics
from evalsuite.progress import Progress, Silent
from evalsuite.records import largest_bytes
from evalsuite.spec import RunSpec
from evalsuite.store import Finished, RunStore

if TYPE_CHECKING:
    import pandas as pd

    from evalsuite.generate import Failure


@dataclass(frozen=True)
class Outcome:
    """What a command has to show.

    Attributes:
        folder: the run folder.
        manifest: what the run is.
        rows: the scores, or None when none were asked for.
        notes: what a reader must know besides.
        missing: images of the plan that are not made.
        reasons: why, where it is known.
    """

    folder: Path
    manifest: Manifest
    rows: pd.DataFrame | None
    notes: Sequence[str]
    missing: int
    reasons: Sequence[str] = ()

    def check(self) -> None:
        """Raise Incomplete unless every image of the plan is there."""
        if self.missing:
            why = f" ({'; '.join(self.reasons)})" if self.reasons else ""
            total = len(self.manifest.jobs)
            raise Incomplete(f"{self.missing} of {total} images are not made{why}; {self.folder} keeps the others")


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
    outcome = rescore(Path(folder), metrics=None if metrics is None else tuple(metrics), progress=progress)
    outcome.check()
    assert outcome.rows is not None
    return outcome.rows


def make(spec: RunSpec, *, scored: bool, progress: Progress | None = None) -> Outcome:
    """Make the images that are missing, and score all of them when asked to. Unlike `run`, it returns either way."""
    from evalsuite.generate import generate, reproducible

    shelf, progress = Shelf(), progress or Silent()
    manifest = prepare(spec, shelf)
    with RunStore.create(folder_of(manifest), manifest) as store, reproducible(manifest.spec.threads or 1):
        _warn_of_a_full_disk(store, progress)
        failures = generate(store, lambda name: shelf.take(name, manifest.spec), progress)
        if scored:
            return _score(store, progress, failures)
        return _outcome(store, store.images(), None, failures)


def rescore(
    folder: Path,
    *,
    metrics: tuple[str, ...] | None = None,
    device: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Score what is in a run folder, whether or not it is complete.

    Args:
        folder: an existing run folder.
        metrics: names, or None for those of the run.
        device: for the scorers; None means the best one here.
        threads: for the scorers; None means those of the run.
        progress: told of the stages.

    Raises:
        InputError: an option is wrong, or the device is not here.
    """
    from evalsuite import machine
    from evalsuite.generate import reproducible

    with RunStore.open(folder) as store:
        manifest = with_metrics(store.manifest, metrics)
        threads = manifest.spec.threads if threads is None else threads
        spec = replace(manifest.spec, device="auto" if device is None else device, threads=threads).validate_values()
        if spec.device == "auto":
            spec = replace(spec, device=machine.best_device())
        machine.check_device(spec.device)
        store.manifest = manifest
        with reproducible(spec.threads or 1):
            return _score(store, progress or Silent(), (), spec)


def _warn_of_a_full_disk(store: RunStore, progress: Progress) -> None:
    needed, free = largest_bytes(store.pending(), store.manifest.spec.steps), disk_usage(store.folder).free
    if needed > free:
        progress.note(f"up to {needed / 1e6:.0f} MB to write, {free / 1e6:.0f} MB free in {store.folder}")


def _score(store: RunStore, progress: Progress, failures: Sequence[Failure], spec: RunSpec | None = None) -> Outcome:
    import pandas as pd

    from evalsuite.publish import publish
    from evalsuite.rows import to_frame
    from evalsuite.score import score

    images = store.images()
    samples = store.samples(images)
    result = score(store, spec or store.manifest.spec, images, progress=progress)
    rows = to_frame(result.rows)
    outcome = _outcome(store, images, rows, failures)
    publish(store.manifest, samples, rows, pd.DataFrame(result.per_image), outcome.notes, store.folder)
    return outcome


def _outcome(
    store: RunStore, images: Sequence[Finished], rows: pd.DataFrame | None, failures: Sequence[Failure]
) -> Outcome:
    from evalsuite.publish import notes_of

    notes = notes_of(store.manifest, [image for _, image in images], rows)
    reasons = sorted({f"{f.unit.model} {f.unit.width}x{f.unit.height}: {f.reason}" for f in failures})
    missing = len(store.manifest.jobs) - len(images)
    return Outcome(store.folder, store.manifest, rows, notes, missing, reasons)
