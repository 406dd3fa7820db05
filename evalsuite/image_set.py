"""The images to score, wherever they come from: a run of ours, or a folder that another tool filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.samples import Sample
from evalsuite.scorecard import ScoredImage, scored_image

if TYPE_CHECKING:
    from evalsuite.manifest import ModelFacts
    from evalsuite.store import Finished, RunStore

ABOUT = ("id", "model", "prompt_id", "text", "base", "tags", "aspect", "width", "height", "index", "seed")
"""What the table of scores per image says first."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An image that should be there.

    Attributes:
        about: its ABOUT; the size and aspect of one that was never seen are None and empty, a seed that is unknown is
            None.
        status: ``ok``, ``constant``, ``nonfinite``, ``corrupt`` or ``missing``.
        sample: what is scored, where it can be.
        reason: why it cannot, where that is known.
    """

    about: Mapping[str, Any]
    status: str
    sample: Sample | None = None
    reason: str = ""

    @property
    def model(self) -> str:
        """Name of the model that made it."""
        return str(self.about["model"])

    @property
    def aspect(self) -> str:
        """Its ratio, or empty."""
        return str(self.about["aspect"])

    @property
    def tags(self) -> tuple[str, ...]:
        """Of its prompt."""
        return tuple(self.about["tags"])


@dataclass(frozen=True)
class ImageSet:
    """Images of some models over some prompts.

    Attributes:
        models: in the order of the report.
        expected: every image, sorted by id, each once.
        folder: features are kept under its ``features``.
        circumstances: model name to what its sampling paths depend on, in words.
        has_prompts: whether there are texts to score against.
    """

    models: tuple[str, ...]
    expected: tuple[Expected, ...]
    folder: Path
    circumstances: Mapping[str, tuple[str, ...]]
    has_prompts: bool = True

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Those that can be scored; constant ones too, because leaving them out would flatter a model."""
        return tuple(image.sample for image in self.expected if image.sample is not None)

    def scored(self, model: str) -> tuple[ScoredImage, ...]:
        """The images of a model, for its scorecard."""
        return tuple(self._scored(image) for image in self.expected if image.model == model)

    def _scored(self, image: Expected) -> ScoredImage:
        sample = image.sample
        if sample is None:
            return scored_image(image.about, image.status, None, None, image.reason)
        inside = sample.file.is_relative_to(self.folder)
        file = sample.file.relative_to(self.folder) if inside else sample.file.absolute()
        return scored_image(image.about, image.status, str(file), sample.pixel_sha256, image.reason)


def of_run(store: RunStore, images: Sequence[Finished]) -> ImageSet:
    """The images of a run: the finished ones, and what of the plan is missing.

    Args:
        store: an open run folder.
        images: what is finished, from ``store.images()``.

    Raises:
        ValueError: an image that is not of the plan, or one twice.
    """
    jobs = {job.id: job for job in store.manifest.jobs}
    done = {finished.job.id: finished.image for finished in images}
    if len(done) < len(images) or not done.keys() <= jobs.keys():
        names = [finished.job.id for finished in images]
        strange = sorted({name for name in names if names.count(name) > 1 or name not in jobs})
        raise ValueError(f"{len(strange)} images are not of the plan or there twice, such as {strange[0]}")
    samples = {sample.id: sample for sample in store.samples(images)}
    expected = tuple(
        Expected(
            {name: getattr(job, name) for name in ABOUT},
            done[key]["status"] if key in done else "missing",
            samples.get(key),
        )
        for key, job in sorted(jobs.items())
    )
    return ImageSet(store.manifest.spec.models, expected, store.folder, _circumstances(store))


def _circumstances(store: RunStore) -> dict[str, tuple[str, ...]]:
    spec = store.manifest.spec
    away = f", away from {spec.negative_prompt!r}" if spec.negative_prompt else ""

    def path(facts: ModelFacts) -> str:
        shift = "" if facts.shift is None else f", shift {facts.shift:g}"
        carried = "" if facts.guided is None else ", distilled"
        return f"{facts.sampler} {spec.steps} steps{shift}, guidance {spec.guidance:g}{carried}{away}"

    return {
        name: (path(facts), f"{spec.dtype}, latents {facts.latent_space or facts.fingerprint[:12]}")
        for name, facts in store.manifest.models.items()
    }
