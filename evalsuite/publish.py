"""From rows to a report: what the reader must know besides the numbers."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import reports
from evalsuite import scorecard
from evalsuite.errors import Incomplete
from evalsuite.image_set import ImageSet
from evalsuite.manifest import ELSEWHERE, Manifest
from evalsuite.records import ImageRecord
from evalsuite.samples import Sample
from evalsuite.scorecard import Scorecard

if TYPE_CHECKING:
    from evalsuite.score import Scores

SERIES = (("guided", "variance"), ("conditional", "variance"), ("guided", "deviation"), ("conditional", "deviation"))
BUNDLED_NOTE = (
    "metrics marked @scenes come from the bundled scorer: they compare runs of this tool, "
    "and are not the published metrics of the same name"
)


def publish(
    rows: pd.DataFrame, per_image: Sequence[Mapping[str, Any]], context: Mapping[str, Any], folder: Path
) -> None:
    """Write the report's files into a folder.

    Args:
        rows: the scores in long form.
        per_image: a line per image, in the order of the table.
        context: what a report says besides; see `reports.write_all`.
        folder: that exists.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    try:
        # Whole numbers stay whole beside what is not there.
        reports.write_all(rows, pd.DataFrame(per_image, dtype=object), context, folder)
    except OSError as error:
        place = error.filename or folder
        raise Incomplete(f"cannot write the report: {place}: {error.strerror}; repeat the command") from error


def keep_scorecards(images: ImageSet, scores: Scores, context: Mapping[str, Any], folder: Path) -> None:
    """Write ``scores.json``, from which runs are compared.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    run = {name: context[name] for name in ("title", "prompts", "spec", "versions", "command")}
    about = context["models"]
    scorecard.write(
        folder,
        [Scorecard(name, about[name], run, images.scored(name), scores.metrics[name]) for name in images.models],
    )


def context(manifest: Manifest, samples: Sequence[Sample], notes: Sequence[str]) -> dict[str, Any]:
    """What a run's report says besides rows; see `reports.write_all`."""
    spec = {key: value for key, value in manifest.spec.to_json().items() if key not in ELSEWHERE}
    return {
        "title": title(manifest),
        "models": {name: _describe(manifest, name) for name in manifest.spec.models},
        "prompts": {
            "name": manifest.prompts_name,
            "count": len(manifest.prompts),
            "sha256": manifest.prompts_sha256,
        },
        "spec": spec | {"fingerprint": manifest.fingerprint, "machine": manifest.machine.device_class},
        "versions": dict(manifest.versions),
        "notes": list(notes),
        "command": command(manifest),
        "gallery": sorted(map(pictured, samples), key=by_plan(manifest)),
        "curves": curves(samples),
    }


def by_plan(manifest: Manifest) -> Callable[[Mapping[Any, Any]], tuple[int, ...]]:
    """A key that sorts images by prompt and aspect ratio, in the order asked for, then by index and model."""
    prompts = {prompt.id: place for place, prompt in enumerate(manifest.prompts)}
    spec = manifest.spec

    def place(image: Mapping[Any, Any]) -> tuple[int, ...]:
        aspect, model = spec.aspects.index(image["aspect"]), spec.models.index(image["model"])
        return prompts[image["prompt_id"]], aspect, image["index"], model

    return place


def title(manifest: Manifest) -> str:
    """``dit, unet on smoke``."""
    return f"{', '.join(manifest.spec.models)} on {manifest.prompts_name}"


def command(manifest: Manifest) -> str:
    """A command line that makes the same run on this kind of machine."""
    words = ["evalsuite", "run"]
    for key, value in manifest.spec.to_json().items():
        if key == "models":
            words += [word for name in value for word in ("--model", name)]
        elif value not in (None, "", []) and key not in ELSEWHERE:
            text = ",".join(value) if isinstance(value, list) else str(value)
            words += [f"--{key.replace('_', '-')}", text]
    return shlex.join(words)


def notes_of(manifest: Manifest, images: Iterable[ImageRecord], rows: pd.DataFrame | None) -> list[str]:
    """Sentences on what is missing, odd or not to be compared, the worst first."""
    statuses = [image["status"] for image in images]
    planned = len(manifest.jobs)
    said = []
    if len(statuses) < planned:
        said.append(f"{planned - len(statuses)} of {planned} images are not made; every number is over the others")
    if count := statuses.count("nonfinite"):
        said.append(f"{count} of {planned} images are not finite numbers and are left out of every score")
    if (count := statuses.count("constant")) and rows is None:  # every row says it too
        said.append(f"{count} of {planned} images are one flat colour; they are scored like any other")
    for name, facts in manifest.models.items():
        if facts.unknown_words:
            said.append(_unknown(name, facts.unknown_words))
        said += [f"{name}: {note}" for note in facts.notes]
    return [*said, *bundled_note(rows)]


def bundled_note(rows: pd.DataFrame | None) -> list[str]:
    """What is said wherever a number of the bundled scorer is shown."""
    return [BUNDLED_NOTE] if rows is not None and any("@scenes" in metric for metric in rows["metric"]) else []


def curves(samples: Iterable[Sample]) -> pd.DataFrame:
    """Mean over images of variance and deviation at each time: columns model, series, t and value."""
    found: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for sample in samples:
        if sample.trace is None:
            continue
        for path, name in SERIES:
            statistics = sample.trace[path]  # type: ignore[literal-required]
            for t, value in zip(sample.trace["t"], statistics[name], strict=True) if statistics else ():
                found[sample.model, f"{path} {name}", t].append(value)
    lines = [(*key, math.fsum(values) / len(values)) for key, values in found.items()]
    return pd.DataFrame(lines, columns=["model", "series", "t", "value"])


def _describe(manifest: Manifest, name: str) -> str:
    facts = manifest.models[name]
    size = f"{facts.parameters / 1e6:.1f} M parameters, " if facts.parameters else ""
    carried = "" if facts.guided is None else f", guidance {facts.guided:g}, distilled"
    return f"{size}fingerprint {facts.fingerprint[:12]}{carried}"


def pictured(sample: Sample) -> dict[str, Any]:
    """A sample for the contact sheet."""
    names = ("model", "prompt_id", "text", "aspect", "width", "height", "index", "tags")
    return {name: getattr(sample, name) for name in names} | {"file": str(sample.file)}


def _unknown(model: str, words: Mapping[str, Sequence[str]]) -> str:
    distinct = sorted({word for found in words.values() for word in found})
    shown = ", ".join(distinct[:8]) + (", ..." if len(distinct) > 8 else "")
    return f"{model} does not know {len(distinct)} words, in {len(words)} prompts: {shown}"
