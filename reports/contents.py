"""What a report is about, as plain data: all numbers are computed elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    """A model by the label that rows and images have.

    Attributes:
        label: unique within the report.
        about: one line.
        planned: images that should be there.
        scored: of them, those that were scored.
    """

    label: str
    about: str
    planned: int
    scored: int


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called, and which direction is better; None where neither is."""

    name: str
    title: str
    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the gallery.

    Attributes:
        model: its label.
        prompt_id: of its prompt.
        text: of its prompt.
        tags: of its prompt.
        aspect: such as ``16:9``; empty when it was never seen.
        width: pixels; None when it was never seen.
        height: likewise.
        index: which of the images of this prompt and size.
        seed: of its noise; None when unknown.
        status: ``ok``, or what is odd about it.
        scores: metric to its own value.
        webp: the picture; None where it cannot be shown.
        reason: why it cannot.
    """

    model: str
    prompt_id: str
    text: str
    tags: tuple[str, ...]
    aspect: str
    width: int | None
    height: int | None
    index: int
    seed: int | None
    status: str
    scores: Mapping[str, float]
    webp: bytes | None = None
    reason: str = ""

    @property
    def group(self) -> tuple[str, int, int, int]:
        """What the images of several models share to stand side by side: prompt, index and size."""
        return self.prompt_id, self.index, self.width or 0, self.height or 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What images of one model and size took: seconds of computing, all of them together."""

    model: str
    width: int
    height: int
    images: int
    seconds: float
    batch: int
    device: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How some models' images and numbers were made.

    Attributes:
        models: their labels.
        source: name of the run's folder.
        settings: every setting by name.
        versions: package to version.
        command: a line that repeats it.
        sha256: of the run's scores, in hex.
    """

    models: tuple[str, ...]
    source: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """A report.

    Attributes:
        title: of the page.
        models: in their order.
        metrics: in their order.
        rows: the scores in long form, see `reports.write_all`; ``model`` is a label.
        comparison: what ``evalsuite compare --format json`` prints; None for one model.
        images: those to show.
        planned: images of all models, shown or not.
        curves: points with model, series, t and value.
        costs: by model and size, where known.
        recipes: a run each.
        notes: sentences.
    """

    title: str
    models: Sequence[Model]
    metrics: Sequence[Metric]
    rows: Sequence[Mapping[str, Any]]
    comparison: Mapping[str, Any] | None = None
    images: Sequence[Image] = ()
    planned: int = 0
    curves: Sequence[Mapping[str, Any]] = ()
    costs: Sequence[Cost] = ()
    recipes: Sequence[Recipe] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the models."""
        return tuple(model.label for model in self.models)
