"""Whose images metrics are examined on: a finished run's, a folder's, or the real ones of the package."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalsuite.digest import digest
from evalsuite.doctor import versions
from evalsuite.elsewhere import Made, image_set_of, settings_of
from evalsuite.errors import InputError
from evalsuite.folder import read_folder
from evalsuite.image_set import ImageSet, of_run
from evalsuite.metrics.base import cluster_of
from evalsuite.prepare import LONGEST_NAME, prompt_set, with_metrics
from evalsuite.progress import Progress
from evalsuite.reference_images import PICTURES
from evalsuite.samples import Sample
from evalsuite.scoring import Scoring
from evalsuite.settle import settled
from evalsuite.sources import split
from evalsuite.spec import RunSpec
from evalsuite.verification.still import StillStore
from prompts import Prompt, load

CAPTIONS = PICTURES / "captions.jsonl"
BUNDLED_METRICS = tuple(f"{family}@scenes" for family in ("hps", "clip_score", "fid", "kid", "cmmd"))
EVERY = 3
"""Of the package's real pictures one in so many is an image, and the others are what it is compared with."""
IMAGES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the user named.

    Attributes:
        source: a run folder, ``RUN:MODEL``, a folder of images, or None for the package's own.
        prompts: of a folder of images: a set's name or a file.
        scoring: how.
        images: at most so many, spread over the prompts.
        output_dir: for the report; None means one named after what is examined under ``outputs``.
    """

    source: str | None = None
    prompts: str | None = None
    scoring: Scoring = field(default_factory=Scoring)
    images: int = IMAGES
    output_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """Images of one model, and how they are scored.

    Attributes:
        title: the images, in words.
        prompts: name of their prompt set; empty without one.
        images: those to look at; features are kept under their folder.
        pool: texts of the whole prompt set.
        spec: metrics in full, reference and weights.
        others: real images that the set is compared with in place of the spec's reference; empty where it is.
        threads: as the run had it, or None.
        notes: what a reader must know.
        command: that makes the examination again.
        real: whether the images are no model's.
    """

    title: str
    prompts: str
    images: ImageSet
    pool: tuple[str, ...]
    spec: RunSpec
    others: tuple[Sample, ...] = ()
    threads: int | None = None
    notes: tuple[str, ...] = ()
    command: str = ""
    real: bool = False


def subject_of(asked: Asked, progress: Progress) -> Subject:
    """Find the images, and settle the metrics; nothing is written.

    Raises:
        InputError: no images or too few, a prompt set that does not fit, unknown metrics, missing weights.
    """
    if asked.source is None:
        if asked.prompts is not None:
            raise InputError("--prompts goes with a folder of images: name it, as in `evalsuite doctor --metrics DIR`")
        found = _of_package(asked, progress)
    else:
        path, model = split(asked.source)
        if (path / "run.json").is_file():
            found = _of_run(asked, path, model)
        elif path.is_dir() and not model:
            found = _of_folder(asked, path, progress)
        else:
            raise InputError(f"{asked.source} is no folder: name a run folder, RUN:MODEL, or a folder of images")
    if len({cluster_of(sample) for sample in found.images.samples}) < 2:
        raise InputError(f"{found.title}: images of fewer than 2 prompts can be scored: nothing can be tested on them")
    return replace(found, command=_command(asked))


def _of_run(asked: Asked, folder: Path, model: str) -> Subject:
    if asked.prompts is not None:
        raise InputError(f"{folder} is a run folder, which knows its prompts and images: leave out --prompts")
    store = StillStore.open(folder)
    store.manifest = with_metrics(store.manifest, asked.scoring.settings())
    spec, models = store.manifest.spec, store.manifest.spec.models
    if model and model not in models:
        raise InputError(f"{folder} has no model {model!r}; it has {', '.join(models)}")
    chosen = model or models[0]
    whole = of_run(store, store.images())
    samples = [sample for sample in whole.samples if sample.model == chosen]
    images = ImageSet((chosen,), (), _output(asked, f"{chosen} {store.manifest.prompts_name}"), whole.circumstances)
    notes = []
    if len(models) > 1 and not model:
        notes.append(f"the run has {len(models)} models, these are images of {chosen}: name another one as RUN:MODEL")
    planned = sum(image.model == chosen for image in whole.expected)
    if len(samples) < planned:
        notes.append(f"{planned - len(samples)} of {planned} images are not there")
    found = Subject(
        title=f"{chosen} on {store.manifest.prompts_name}",
        prompts=store.manifest.prompts_name,
        images=images,
        pool=_texts(store.manifest.prompts),
        spec=spec,
        threads=spec.threads,
    )
    return _limited(found, samples, asked.images, notes)


def _of_folder(asked: Asked, folder: Path, progress: Progress) -> Subject:
    known = prompt_set(asked.prompts, progress) if asked.prompts else None
    made = Made(folder=folder, prompts=asked.prompts)
    spec = settings_of(made, asked.scoring, known)
    read = read_folder(folder, known.prompts if known else None, progress=progress)
    name = folder.resolve().name
    images = image_set_of(name, read, _output(asked, name))
    notes = []
    if lost := len(images.expected) - len(images.samples):
        notes.append(f"{lost} of {len(images.expected)} images are missing or corrupt")
    if read.strangers:
        notes.append(f"{len(read.strangers)} files match no prompt and are left out")
    of = known.name if known else "its own prompts" if images.has_prompts else ""
    title = f"{name} on {of}" if of else f"{name}, no prompts"
    return _limited(Subject(title, of, images, _texts(read.prompts), spec), images.samples, asked.images, notes)


def _of_package(asked: Asked, progress: Progress) -> Subject:
    captions = load(str(CAPTIONS)).prompts if CAPTIONS.is_file() else None
    names = asked.scoring.metrics or (BUNDLED_METRICS if captions else BUNDLED_METRICS[2:])
    settings = asked.scoring.settings() | {"metrics": names}
    spec = settled(RunSpec(**{key: value for key, value in settings.items() if value is not None}).validate())
    read = read_folder(PICTURES, captions, progress=progress)
    whole = image_set_of("real", read, _output(asked, "real images"))
    samples = sorted(whole.samples, key=lambda sample: (sample.aspect, sample.file.name))
    chosen, others = samples, list[Sample]()
    if asked.scoring.reference is None:
        chosen, others = samples[::EVERY], [s for place, s in enumerate(samples) if place % EVERY]
    compared = f"; {len(others)} others are what they are compared with" if others else ""
    notes = [f"the images are held-out renders of the package, not a model's{compared}"]
    if captions is None:
        notes.append("this package has no captions of its pictures: metrics that read prompts need a run")
    found = Subject(
        "real images of the package", "their captions", whole, _texts(read.prompts), spec, tuple(others), real=True
    )
    return _limited(found, chosen, asked.images, notes)


def _limited(found: Subject, samples: Sequence[Sample], most: int, notes: Sequence[str]) -> Subject:
    """At most so many images, of whole prompt families, which are taken at equal distances."""
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(cluster_of(sample), []).append(sample)
    groups = list(families.values())
    count = min(len(groups), max(2, most))
    while count > 2 and sum(len(groups[place]) for place in _spaced(count, len(groups))) > most:
        count -= 1
    kept = [sample for place in _spaced(count, len(groups)) for sample in groups[place]]
    said = f"{len(kept)} of {len(samples)} images are looked at: --max-images N for more"
    notes = [*notes, *([said] if len(kept) < len(samples) else [])]
    return replace(found, images=versions.of(kept, found.images), notes=tuple(notes))


def _spaced(count: int, among: int) -> list[int]:
    return [place * among // count for place in range(count)]


def _texts(prompts: Sequence[Prompt]) -> tuple[str, ...]:
    return tuple(prompt.text for prompt in prompts)


def _output(asked: Asked, name: str) -> Path:
    """As asked for, or named after what is examined, so that the same command finds it again."""
    if asked.output_dir:
        return Path(asked.output_dir)
    source = str(Path(asked.source).resolve()) if asked.source else None
    key = digest([source, asked.prompts, asked.scoring.settings(), asked.images])
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: LONGEST_NAME - 16].strip("-")
    return Path("outputs") / f"doctor-{slug or 'images'}-{key[:8]}"


def _command(asked: Asked) -> str:
    words = ["evalsuite", "doctor", "--metrics", *([asked.source] if asked.source else [])]
    scoring = asked.scoring
    options = {
        "--prompts": asked.prompts,
        "--only": ",".join(scoring.metrics) if scoring.metrics else None,
        "--reference": scoring.reference,
        "--max-images": str(asked.images) if asked.images != IMAGES else None,
    }
    return shlex.join([*words, *(word for key, value in options.items() if value is not None for word in (key, value))])
