"""Whether a run folder is what it says: every hash again, some scores from pixels, some images from their seeds.

Nothing in the folder changes. On the kind of machine that made the run every bit must be the same; elsewhere numbers
and pixels may differ within a stated tolerance, since kernels round differently.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from evalsuite.errors import Incomplete
from evalsuite.image_set import of_run
from evalsuite.progress import Progress, Silent
from evalsuite.sections import Section
from evalsuite.verification.files import check_files
from evalsuite.verification.findings import Check, Finding, findings_of
from evalsuite.verification.repaint import PSNR, Place, check_pixels, place_of
from evalsuite.verification.scores import Rescoring, check_numbers, check_scores, read_cards
from evalsuite.verification.still import StillStore

SCORES, IMAGES = 16, 4
LISTED = 20
"""Findings that a table shows; JSON has all of them."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Depth:
    """How much is checked.

    Attributes:
        scores: images to score again from their pixels; with 0, no number is computed again.
        images: images to make again, with the others of their units.
        seed: of which images these are.
        psnr: smallest peak signal-to-noise ratio, in dB, of an image made again on another kind of machine.
    """

    scores: int = SCORES
    images: int = IMAGES
    seed: int = 0
    psnr: float = PSNR


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked and found.

    Attributes:
        folder: the run folder.
        fingerprint: of the run, from its run.json.
        made_on: the kind of machine that made its images.
        checked_on: the kind of machine that made them again.
        seed: of which images were drawn.
        planned: images of the plan.
        missing: of them, those that were never made.
        checks: in the order they were made.
    """

    folder: str
    fingerprint: str
    made_on: str
    checked_on: str
    seed: int
    planned: int
    missing: int
    checks: tuple[Check, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that differs."""
        return findings_of(self.checks)

    def check(self) -> None:
        """Raise Incomplete where nothing differs but images are missing."""
        if self.missing and not self.findings:
            what = f"{self.missing} of {self.planned} images were never made"
            raise Incomplete(f"{what}; what is there is as recorded; repeat `evalsuite run` to go on")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        data = asdict(self)
        for check, line in zip(self.checks, data["checks"], strict=True):
            line["verdict"] = check.verdict
        return data | {"equal": not self.findings, "differing": len(self.findings)}

    def sections(self) -> list[Section]:
        """For people."""
        header = ("check", "looked at", "result", "largest difference", "counts as equal")
        lines = [(c.name, f"{c.looked_at} of {c.total}", c.verdict, c.largest, c.rule) for c in self.checks]
        notes = [f"{check.name}: {check.note}" for check in self.checks if check.note]
        where = [f"made on {self.made_on}", f"checked on {self.checked_on}", f"seed {self.seed}"]
        found = [Section(self.folder, header, lines, [*notes, *where])]
        if self.findings:
            shown = [(f.check, f.id, f.what) for f in self.findings[:LISTED]]
            left = len(self.findings) - len(shown)
            more = [f"and {left} more: --format json lists all"] if left else []
            found.append(Section(f"{len(self.findings)} differences", ("check", "what", "difference"), shown, more))
        return found


def verify(
    folder: Path,
    depth: Depth,
    *,
    device: str | None = None,
    weights: Sequence[str] = (),
    progress: Progress | None = None,
) -> Verification:
    """Check a run folder.

    Args:
        folder: of a run; only read.
        depth: how much to check.
        device: for networks and models; None means as the run had it where that is here, else the best one.
        weights: ``NAME=PATH`` pairs.
        progress: told of the stages.

    Raises:
        InputError: not a run folder, or a model, weights or the device are not here.
        Incomplete: there is not enough memory to make an image again.
    """
    from evalsuite.generate import reproducible

    progress = progress or Silent()
    store = StillStore.open(folder)
    place = place_of(store.manifest, device)
    files = check_files(store, progress)
    planned, sound = of_run(store, files.finished), of_run(store, files.sound)
    cards, first = read_cards(planned)
    checks = [files.records, files.images, first]
    draw = random.Random(depth.seed)
    if depth.scores:
        how = Rescoring(place.device, tuple(weights), place.same, progress)
        drawn = _draw(draw, [sample.id for sample in sound.samples], depth.scores)
        with reproducible(place.threads):
            checks += [check_numbers(planned, cards, how), *check_scores(sound, cards, drawn, how)]
    chosen = _draw(draw, files.sound, depth.images)
    checks.append(check_pixels(store, files.sound, chosen, place, progress, depth.psnr))
    return _verification(store, depth, files.missing, checks, place)


def _verification(store: StillStore, depth: Depth, missing: int, checks: Sequence[Check], place: Place) -> Verification:
    made = store.manifest.machine
    return Verification(
        folder=str(store.folder),
        fingerprint=store.manifest.fingerprint,
        made_on=f"{made.device_class}, torch {made.torch}",
        checked_on=place.here,
        seed=depth.seed,
        planned=len(store.manifest.jobs),
        missing=missing,
        checks=tuple(checks),
    )


def _draw(draw: random.Random, among: Sequence[T], count: int) -> list[T]:
    return draw.sample(list(among), min(count, len(among)))
