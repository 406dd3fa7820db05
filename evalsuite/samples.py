"""One finite image as the metrics see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict


class PathStatistics(TypedDict):
    """How one velocity changes along a sampling path of K steps; D dimensions per image, sums in float64.

    ``straightness`` is sum_k w_k |v_k - vbar|^2 / D with vbar = sum_k w_k v_k (the S of arXiv:2209.03003).
    """

    mean: list[float]
    """(K) mean of v_k over the D dimensions."""
    variance: list[float]
    """(K) variance of v_k over the D dimensions, divided by D."""
    power: list[float]
    """(K) |v_k|^2 / D."""
    deviation: list[float]
    """(K) |v_k - vbar|^2 / D."""
    cosine: list[float]
    """(K-1) cosine of v_k and v_{k+1}; 0 where one of them is zero."""
    change: list[float]
    """(K-1) |v_{k+1} - v_k|^2 / D."""
    straightness: float
    mean_power: float
    """|vbar|^2 / D."""


class Trace(TypedDict):
    """The prediction along one image's sampling path, from t=1 (noise) to t=0."""

    t: list[float]
    """(K) time in (0, 1] that each prediction stands for: the start of the step, or its middle for Heun and midpoint.

    K counts the steps that tell a velocity: a noise prediction near t=1 does not (`backbones.native`)."""
    weight: list[float]
    """(K) dt_k / sum dt; they sum to 1."""
    guided: PathStatistics
    """The velocity that moved the sample."""
    conditional: PathStatistics | None
    """The prediction without guidance, at the same points; None of a model whose predictions carry guidance."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A generated image with what it was asked to show.

    Attributes:
        id: the job's id, unique within a run.
        model: name of the model that made it.
        prompt_id: id of its prompt.
        text: the prompt.
        base: id of the prompt that this one edits, or None.
        tags: the prompt's tags.
        aspect: aspect ratio as asked for, such as ``16:9``.
        width: pixels.
        height: pixels.
        index: which of the images of this prompt and size, from 0.
        seed: of its noise; an edit shares its base's.
        pixel_sha256: of size and RGB bytes; the image's identity.
        file: a lossless PNG.
        trace: the prediction along the path, or None for images that were not made here.
    """

    id: str
    model: str
    prompt_id: str
    text: str
    base: str | None
    tags: tuple[str, ...]
    aspect: str
    width: int
    height: int
    index: int
    seed: int
    pixel_sha256: str
    file: Path
    trace: Trace | None = None
