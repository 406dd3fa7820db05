"""The whole flow: models and pictures -> bank -> numbers -> rows, differences and curves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from backbones.protocol import TextToImage
from evalsuite import machine
from evalsuite.digest import digest
from evalsuite.errors import Incomplete, InputError
from evalsuite.generate import reproducible
from evalsuite.probe import measurement, place, report, subjects
from evalsuite.probe.ask import Questions, ask
from evalsuite.probe.bank import Bank
from evalsuite.probe.measurement import Measurement
from evalsuite.probe.result import Result
from evalsuite.probe.sampling_path import Route
from evalsuite.probe.showing import Showing
from evalsuite.probe.spec import FINE, ProbeSpec
from evalsuite.probe.subjects import Shelf, Subject
from evalsuite.progress import Progress, Silent
from evalsuite.spec import RunSpec

BATCH = {"cpu": 16, "cuda": 64}
LONGEST_NAME = 80


def probe(spec: ProbeSpec, *, progress: Progress | None = None) -> tuple[Result, Path]:
    """Probe models on one bank, and write what was found; a repeated call takes up where the last one stopped.

    Returns:
        What was found, and the folder with the bank, the numbers and the report.

    Raises:
        InputError: the caller can fix it; nothing was written.
        Incomplete: memory or disk ran out; the folder has the numbers of the models that are done.
    """
    progress = progress or Silent()
    showing, run = Showing(spec, progress), _resolved(spec.run)
    shelf, labels = Shelf(run), subjects.every_label(run.models)
    found = []
    for name in run.models:
        model = shelf.look(name)
        found.append(subjects.subject(name, labels[name], model, run, showing.captions))
        showing.check(found[-1], model)
    questions = [_questions(subject, found, showing, spec, run) for subject in found]
    folder = Path(spec.output_dir) if spec.output_dir else _folder(found, showing, questions)
    with place.opened(folder) as there, reproducible(run.threads or 1):
        there.check(showing.recipe)
        said = [_measured(*pair, showing, shelf, there, progress) for pair in zip(found, questions, strict=True)]
        banks = [there.banks[subject.latent_space] for subject in found]
        result = report.result(found, banks, questions, said, showing.times)
        return report.write(result, there.folder), there.folder


def _resolved(run: RunSpec) -> RunSpec:
    device = machine.best_device() if run.device == "auto" else run.device
    machine.check_device(device)
    if run.batch_size == "auto":
        run = replace(run, batch_size=BATCH["cpu" if device == "cpu" else "cuda"])
    if run.sampler == "auto":
        run = replace(run, sampler="midpoint")
    run = replace(run, steps=run.steps or FINE)
    return run.resolved(device=device, cores=machine.cores())


def _questions(
    subject: Subject, everyone: Sequence[Subject], showing: Showing, spec: ProbeSpec, run: RunSpec
) -> Questions:
    """What a model is asked: all that it can tell, at times at which every model of the probe tells a velocity."""
    span = max(other.span[0] for other in everyone), min(other.span[1] for other in everyone)
    times = tuple(t for t in showing.times if span[0] <= t <= span[1])
    if not times or len(Route(run.steps, run.sampler, span, 1, "cpu").times) < 2:
        raise InputError(
            f"between t = {span[0]:.3f} and {span[1]:.3f}, where all models tell a velocity, are {len(times)} times of"
            " the bank: probe these models apart, or take more --times and --steps"
        )
    can = {"conditional": bool(showing.captions), "unconditional": subject.has_null}
    paths = {"conditional": 1.0} if showing.captions else {"unconditional": 1.0}
    if showing.captions and subject.has_null and run.guidance != 1:
        paths = {"guided": run.guidance, **paths}
    fields = tuple(field for field, there in can.items() if there)
    return Questions(fields, paths, times, span, min(spec.paths, showing.images), run)


def _measured(
    subject: Subject, questions: Questions, showing: Showing, shelf: Shelf, there: place.Place, progress: Progress
) -> Measurement:
    """Numbers of a model: those that the folder has, else asked for now."""
    model: TextToImage | None = None
    if showing.is_saved:
        there.add(showing.saved(subject))
    elif subject.latent_space not in there.banks:
        model = shelf.take(subject.name)
        there.add(showing.built(subject, model, questions.run.device))
    bank = there.banks[subject.latent_space]
    path = there.numbers(_key(subject, bank, questions))
    kept = measurement.read(path)
    if kept is not None:
        progress.note(f"{subject.label}: its numbers are kept in {path.parent.parent}")
        return kept
    progress.start(f"probe {subject.label}", questions.predictions(bank))
    try:
        found = ask(model or shelf.take(subject.name), bank, questions, progress)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise Incomplete(
            f"model {subject.name!r}: out of memory at batch {questions.run.batch_size}: use a smaller --batch-size"
        ) from error
    measurement.write(found, path)
    return found


def _key(subject: Subject, bank: Bank, questions: Questions) -> str:
    """From all that can change a number's last bits."""
    run = questions.run
    where = asdict(machine.describe(run.device))
    facts = [subject.fingerprint, bank.sha256, questions.facts(), run.dtype, run.batch_size, run.threads, where]
    return measurement.key_of(facts)


def _folder(found: Sequence[Subject], showing: Showing, questions: Sequence[Questions]) -> Path:
    """Named after the probe, so that the same command finds it again."""
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(subject.label for subject in found).lower()).strip("-")
    asked = [each.facts() for each in questions]
    mark = digest([[subject.fingerprint for subject in found], showing.recipe, asked, questions[0].run.dtype])
    return Path("outputs") / f"probe-{slug[: LONGEST_NAME - 15].strip('-')}-{mark[:8]}"
