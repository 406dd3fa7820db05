"""Every model at every size: counted, and measured where asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evalsuite import machine
from evalsuite.cost import contrast, rows
from evalsuite.cost.count import Counts
from evalsuite.cost.curves import Curves
from evalsuite.cost.find import find
from evalsuite.cost.limit import limit_of
from evalsuite.cost.observe import Bench, observe
from evalsuite.cost.plan import Plan
from evalsuite.cost.size import Size
from evalsuite.cost.subject import Subject
from evalsuite.errors import InputError
from evalsuite.generate import reproducible
from evalsuite.model_source import labels
from evalsuite.models import TORCH_DTYPES
from evalsuite.progress import Progress
from evalsuite.rows import Row
from evalsuite.spec import DEVICE, WHOLE

LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Measuring:
    """Where and how long to measure.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        seconds: for the passes of one network at one size.
        threads: of a CPU; None means the physical cores.
    """

    device: str = "auto"
    seconds: float = 10.0
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Attributes:
        models: in the order in which they were named.
        rows: by model and size.
        notes: for people.
        plan: what was asked.
        device: where it was measured; empty where it was not.
    """

    models: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    plan: Plan
    device: str = ""


def survey(
    models: Sequence[str], plan: Plan, measuring: Measuring | None, progress: Progress, args: Sequence[str] = ()
) -> Survey:
    """Count models, and measure them.

    Args:
        models: names, see `evalsuite.cost.find`.
        plan: what is asked.
        measuring: None measures nothing; the same models and plan then give the same rows.
        progress: told of every model.
        args: ``key=value`` for models that must be loaded.

    Raises:
        InputError: an unknown model, one that cannot be followed or sampled so, a device that is not here.
    """
    names = tuple(dict.fromkeys(models))
    bench = None if measuring is None else _device(measuring)
    subjects = [find(name, args) for name in names]
    for subject in subjects:
        plan.check(subject)
    found: list[Row] = []
    notes: list[str] = []
    progress.start("cost", len(subjects))
    threads = (None if measuring is None else measuring.threads) or machine.cores()
    with reproducible(threads):
        made = None if bench is None or measuring is None else _bench(bench, measuring, plan, threads)
        for subject in subjects:
            counted, said = _of(subject, plan, made)
            found += counted
            notes += [f"{subject.name}: {note}" for note in (*subject.notes, *said)]
            progress.advance()
    return Survey(names, tuple(found), tuple(notes), plan, "" if made is None else made.words)


def place(models: Sequence[str], given: str | None) -> Path:
    """The folder for files: as asked for, or named after the models.

    Raises:
        InputError: something that is no folder is there.
    """
    words = "-".join(labels(models).values())
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower().replace("shape:", "")).strip("-")[:LONGEST_NAME].strip("-")
    folder = Path("outputs") / f"cost-{slug or 'models'}" if given is None else Path(given).expanduser()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output-dir {folder}: a file is there: name a folder")
    return folder


def _of(subject: Subject, plan: Plan, bench: Bench | None) -> tuple[list[Row], list[str]]:
    counts, notes = Counts(subject, TORCH_DTYPES[plan.dtype]), []
    curves, sizes = Curves(counts), list[Size]()
    for asked in plan.sizes:
        size = asked.fitting(subject.stride)
        if refused := subject.refuses(size):
            notes.append(f"{asked} is left out: {refused}")
            continue
        if size != asked:
            notes.append(f"{asked} became {size}: sides must divide by {subject.stride} pixels")
        if size not in sizes:
            sizes.append(size)
    found = [*rows.whole(counts, plan), *contrast.crossings(counts, curves)]
    for size in sizes:
        found += rows.at(counts, curves, plan, size)
        found += contrast.kinds(counts, curves, size)
        found += contrast.doubled(counts, curves, size)
        found += contrast.in_pixels(counts, plan, size)
    if bench is not None:
        found += observe(counts, plan, sizes, bench)
    return found, notes


def _device(measuring: Measuring) -> torch.device:
    if not DEVICE.fullmatch(measuring.device):
        raise InputError(f"--device {measuring.device!r}: use auto, cpu, cuda or cuda:1")
    name = machine.best_device() if measuring.device == "auto" else measuring.device
    machine.check_device(name)
    least, most = WHOLE["threads"]
    if measuring.threads is not None and not least <= measuring.threads <= most:
        raise InputError(f"--threads {measuring.threads}: must be from {least} to {most}")
    if measuring.seconds <= 0:
        raise InputError(f"--measure-seconds {measuring.seconds:g}: must be above 0; --no-measure measures nothing")
    return torch.device(name)


def _bench(device: torch.device, measuring: Measuring, plan: Plan, threads: int) -> Bench:
    words = machine.describe(str(device)).device_class
    words = f"{words}, {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else words
    return Bench(device, words, limit_of(device, TORCH_DTYPES[plan.dtype]), measuring.seconds)
