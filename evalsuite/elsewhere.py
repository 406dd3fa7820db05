"""Scores of images that another tool made: a folder and its prompts -> an image set -> rows -> a report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.files import disk_errors
from evalsuite.folder import FolderImage, FolderImages, read_folder
from evalsuite.image_set import Expected, ImageSet
from evalsuite.lock import FolderLock
from evalsuite.machine import versions
from evalsuite.metrics.families import FAMILIES, Family
from evalsuite.networks import Networks
from evalsuite.pipeline import Outcome
from evalsuite.prepare import LONGEST_NAME, prompt_set
from evalsuite.progress import Progress, Silent
from evalsuite.samples import Sample
from evalsuite.scoring import Scoring
from evalsuite.settle import settled
from evalsuite.sizes import aspect_of
from evalsuite.spec import RunSpec
from prompts import PromptSet

LISTED = 3
"""Names of images in a note; all of them are in scores.csv."""
PROTOCOLS = {"hpdv2": ("hpdv2", "hps")}
"""Name of a benchmark's protocol to its metrics."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """Images that another tool made.

    Attributes:
        folder: with the images.
        prompts: a set's name or a file; None where the folder says them itself, or nothing compares with them.
        name: of the model that made them; None means the folder's name.
        num_images: of each prompt; None means as many as most prompts have.
        protocol: of a benchmark, or None.
        output_dir: for the report; None means one named after the folder under ``outputs``.
    """

    folder: Path
    prompts: str | None = None
    name: str | None = None
    num_images: int | None = None
    protocol: str | None = None
    output_dir: str | None = None


def score_made(made: Made, scoring: Scoring, *, progress: Progress | None = None) -> Outcome:
    """Score images that another tool made, and report; the folder itself is only read.

    Raises:
        InputError: no images, no prompt matches, weights or a reference are missing, or an option is wrong.
        Incomplete: the disk is full or refuses.
    """
    from evalsuite.generate import reproducible
    from evalsuite.score import check_prompts
    from evalsuite.wanted import wanted

    progress = progress or Silent()
    found = prompt_set(made.prompts, progress) if made.prompts else None
    device, threads = scoring.place()
    spec = settings_of(made, scoring, found)
    folder = read_folder(made.folder, found.prompts if found else None, num_images=made.num_images, progress=progress)
    name = made.name or made.folder.resolve().name
    out = _output(made, name, found)
    images = image_set_of(name, folder, out)
    check_prompts(map(wanted, spec.metrics), images)
    with disk_errors(f"make {out}"):
        out.mkdir(parents=True, exist_ok=True)
    with FolderLock(out), reproducible(threads):
        networks = Networks(device, spec.weights, spec.reference, out / "features", progress)
        return _score(made, images, folder, spec, networks, found, progress)


def _score(
    made: Made,
    images: ImageSet,
    folder: FolderImages,
    spec: RunSpec,
    networks: Networks,
    found: PromptSet | None,
    progress: Progress,
) -> Outcome:
    import pandas as pd

    from evalsuite.publish import bundled_note, keep_scorecards, pictured, publish
    from evalsuite.rows import to_frame
    from evalsuite.score import score

    result = score(images, spec.metrics, networks, progress=progress)
    rows: pd.DataFrame = to_frame(result.rows)
    notes = [*_notes(images, folder), *bundled_note(rows)]
    (name,) = images.models
    of = found.name if found else "its own prompts" if images.has_prompts else "no prompts"
    context: dict[str, Any] = {
        "title": f"{name} on {of}",
        "models": {name: f"{len(folder.entries)} images made elsewhere, layout {folder.layout}"},
        "prompts": {"name": of, "count": len(folder.prompts), "sha256": found.sha256 if found else None},
        "spec": {"folder": str(made.folder), "metrics": list(spec.metrics), "reference": spec.reference},
        "versions": versions(),
        "notes": notes,
        "command": _command(made, spec),
        "gallery": [pictured(sample) for sample in images.samples],
    }
    lines = [line | {"reason": image.reason} for line, image in zip(result.per_image, images.expected, strict=True)]
    keep_scorecards(images, result, context, images.folder)
    publish(rows, lines, context, images.folder)
    lost = sum(image.sample is None for image in images.expected)
    count = len(images.expected)
    return Outcome(images.folder, context["title"], images.models, rows, notes, count, lost, told=context)


def settings_of(made: Made, scoring: Scoring, found: PromptSet | None) -> RunSpec:
    """What to compute. The bundled scorer says little about pictures of another world: it must be named.

    Raises:
        InputError: nothing to score against, an unknown metric, or weights or a reference that are not here.
    """
    names = scoring.metrics or _default(made, scoring, found)
    if scoring.reference is None and (lacking := [name for name in names if _family(name).compares]):
        raise InputError(f"{lacking[0]} compares with real images: name them with --reference DIR or FILE.npz")
    statistics = scoring.reference is not None and not Path(scoring.reference).is_dir()
    full = [
        f"{name}@{family.published}"
        if "@" not in name and (family := _family(name)).published and not (family.compares and statistics)
        else name
        for name in names
    ]
    settings = scoring.settings() | {"metrics": tuple(full)}
    try:
        return settled(RunSpec(**{key: value for key, value in settings.items() if value is not None}).validate())
    except InputError as error:
        plain = [name for name in names if "@" not in name and _family(name).kinds]
        if plain and "are not here" in str(error):
            bundled = ",".join(f"{name}@scenes" for name in plain)
            raise InputError(f"{error}; or say --metrics {bundled} for the bundled scorer of emoji scenes") from error
        raise


def _default(made: Made, scoring: Scoring, found: PromptSet | None) -> tuple[str, ...]:
    if made.protocol is not None:
        return PROTOCOLS[made.protocol]
    edits = found is not None and any(prompt.base is not None for prompt in found.prompts)
    texts = (
        ("hps", "clip_score", *(("clip_direction",) if edits else ())) if found or _says_prompts(made.folder) else ()
    )
    compared = ("fid", "kid") if scoring.reference is not None else ()
    if not texts + compared:
        raise InputError(f"{made.folder}: nothing to score against: name --prompts FILE, --reference DIR, or both")
    return texts + compared


def _family(metric: str) -> Family:
    return FAMILIES.get(metric.partition("@")[0], Family(""))


def _says_prompts(folder: Path) -> bool:
    """GenEval's layout has a prompt beside its images."""
    return any(folder.glob("*/metadata.jsonl"))


def image_set_of(name: str, folder: FolderImages, out: Path) -> ImageSet:
    """The images of a folder as those of a model of this name; features go to ``out``."""
    expected = sorted((_expected(name, image) for image in folder.entries), key=lambda image: str(image.about["id"]))
    has_prompts = all(image.prompt is not None for image in folder.entries)
    return ImageSet((name,), tuple(expected), out, {}, has_prompts)


def _expected(model: str, image: FolderImage) -> Expected:
    prompt, file = image.prompt, image.file
    seen = image.width > 0
    prompt_id = prompt.id if prompt else str(file)
    # Two damaged files may claim one prompt and index: only their names tell them apart.
    size = f"{image.width}x{image.height}" if seen else str(file) if file else "unknown"
    about: dict[str, Any] = {
        "id": f"{model}|{prompt_id}|{size}|{image.index}",
        "model": model,
        "prompt_id": prompt_id,
        "text": prompt.text if prompt else "",
        "base": prompt.base if prompt else None,
        "tags": prompt.tags if prompt else (),
        "aspect": aspect_of(image.width, image.height) if seen else "",
        "width": image.width if seen else None,
        "height": image.height if seen else None,
        "index": image.index,
    }
    if file is None or image.pixel_sha256 is None:
        return Expected(about | {"seed": None}, image.status, None, image.reason)
    sample = Sample(**about, seed=0, pixel_sha256=image.pixel_sha256, file=file)
    return Expected(about | {"seed": None}, image.status, sample, image.reason)


def _notes(images: ImageSet, folder: FolderImages) -> list[str]:
    said = []
    for status in ("missing", "corrupt"):
        names = [_called(image) for image in images.expected if image.status == status]
        if names:
            said.append(f"{len(names)} of {len(images.expected)} images are {status}: {_some(names)}; see scores.csv")
    if folder.strangers:
        said.append(f"{len(folder.strangers)} files match no prompt and are left out: {_some(folder.strangers)}")
    return said


def _called(image: Expected) -> str:
    index = image.about["index"]
    return f"{image.about['prompt_id']} {index}" + (f" ({image.reason})" if image.status == "corrupt" else "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def _output(made: Made, name: str, found: PromptSet | None) -> Path:
    """As asked for, or named after the folder, so that the same command finds it again."""
    if made.output_dir:
        return Path(made.output_dir)
    key = digest([str(made.folder.resolve()), name, found.sha256 if found else None, made.protocol])
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: LONGEST_NAME - 9].strip("-")
    return Path("outputs") / f"{slug or 'images'}-{key[:8]}"


def _command(made: Made, spec: RunSpec) -> str:
    words = ["evalsuite", "score", str(made.folder), "--metrics", ",".join(spec.metrics)]
    options: Mapping[str, object] = {
        "--prompts": made.prompts,
        "--reference": spec.reference,
        "--name": made.name,
        "--num-images": made.num_images,
        "--protocol": made.protocol,
    }
    return shlex.join([*words, *(str(w) for key, value in options.items() if value is not None for w in (key, value))])
