"""Scorecards without images, for tests of what follows from scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard, ScoredImage

SIZES = {"1:1": (64, 64), "3:2": (80, 48)}
PROTOCOL = "0123abcd v1; scenes 5e5e: letterbox 64 px; preference head 6f6f"


def images(model: str, prompts: int, per_prompt: int = 1, seed: int = 0, **changes: Any) -> tuple[ScoredImage, ...]:
    """``prompts`` prompts at both sizes, every third with the tag animal."""
    found = [
        ScoredImage(
            id=f"{model}|p{p:03}|{width}x{height}|{i}",
            prompt_id=f"p{p:03}",
            text=f"prompt number {p}",
            base=None,
            tags=("animal",) if p % 3 == 0 else ("thing",),
            aspect=aspect,
            width=width,
            height=height,
            index=i,
            seed=1000 * seed + 10 * p + i,
            status="ok",
            pixel_sha256=f"{p:032x}{i:032x}",
        )
        for p in range(prompts)
        for aspect, (width, height) in SIZES.items()
        for i in range(per_prompt)
    ]
    return tuple(replace(image, **changes) for image in sorted(found, key=lambda image: image.id))


def slices(own: tuple[ScoredImage, ...]) -> dict[str, list[ScoredImage]]:
    """Every slice with its images."""
    found = {"all": list(own)}
    for aspect in SIZES:
        found[f"aspect={aspect}"] = [image for image in own if image.aspect == aspect]
    for tag in ("animal", "thing"):
        found[f"tag={tag}"] = [image for image in own if tag in image.tags]
    return found


def mean_metric(
    model: str,
    name: str,
    own: tuple[ScoredImage, ...],
    values: Mapping[str, float],
    better: bool | None = True,
    **more: Any,
) -> MetricScores:
    """A metric that is a mean (with ``weights``: a mean with weights) of values by image id."""
    weights = more.get("weights", {})
    rows = []
    for part, inside in slices(own).items():
        ids = [image.id for image in inside if image.id in values]
        if ids:
            total = math.fsum(weights.get(id, 1.0) for id in ids)
            mean = math.fsum(weights.get(id, 1.0) * values[id] for id in ids) / total
            rows.append(Row(model, name, part, mean, None, None, len(ids), "points", better, PROTOCOL, "none"))
    return MetricScores(name, name.title(), "points", better, PROTOCOL, tuple(rows), dict(values), **more)


def distance_metric(
    model: str, name: str, own: tuple[ScoredImage, ...], value: float, spread: np.ndarray
) -> MetricScores:
    """A metric with influences only, lower is better."""
    rows, influences = [], {}
    for part, inside in slices(own).items():
        if part.startswith("tag"):
            continue
        chosen = spread[: len(inside)] - spread[: len(inside)].mean()
        influences[part] = {image.id: float(x) / len(inside) for image, x in zip(inside, chosen, strict=True)}
        rows.append(Row(model, name, part, value, None, None, len(inside), "distance", False, PROTOCOL, "none"))
    return MetricScores(name, "Distance", "distance", False, PROTOCOL, tuple(rows), influences=influences)


def card(
    model: str = "a",
    prompts: int = 20,
    per_prompt: int = 1,
    shift: float = 0.0,
    noise: int = 1,
    seed: int = 0,
    steps: int = 20,
) -> Scorecard:
    """Three metrics: ``hps@scenes`` (higher), ``fid@scenes`` (influences), ``v_variance@trajectory`` (weights).

    Scores have a part of their prompt and one of their own, drawn from ``noise``: cards of one ``noise`` differ by
    ``shift`` alone.
    """
    own = images(model, prompts, per_prompt, seed)
    common, generator = np.random.default_rng(7), np.random.default_rng(noise)
    by_prompt = common.exponential(2, prompts)
    values = {image.id: float(by_prompt[int(image.prompt_id[1:])] + generator.normal() + shift) for image in own}
    weights = {image.id: float(generator.gamma(8)) for image in own}
    ratios = {image.id: float(generator.gamma(4) / 10 + shift / 10) for image in own}
    metrics = {
        "hps@scenes": mean_metric(model, "hps@scenes", own, values),
        "fid@scenes": distance_metric(model, "fid@scenes", own, 2.0 - shift, generator.normal(size=len(own))),
        "v_variance@trajectory": mean_metric(model, "v_variance@trajectory", own, ratios, None, weights=weights),
    }
    run = {"spec": {"models": [model], "steps": steps}, "prompts": {"name": "made", "count": prompts, "sha256": "0"}}
    return Scorecard(model, f"model {model}", run, own, metrics)


def without(one: Scorecard, prompt_id: str, status: str = "missing") -> Scorecard:
    """The same, but the images of one prompt were not scored."""
    gone = {image.id for image in one.images if image.prompt_id == prompt_id}
    kept = tuple(replace(image, status=status) if image.id in gone else image for image in one.images)
    metrics = {
        name: replace(
            metric,
            values={id: value for id, value in metric.values.items() if id not in gone},
            influences={p: {i: x for i, x in v.items() if i not in gone} for p, v in metric.influences.items()},
            rows=tuple(replace(row, n=row.n - sum(1 for i in gone if i.split("|")[0])) for row in metric.rows),
        )
        for name, metric in one.metrics.items()
    }
    return replace(one, images=kept, metrics=metrics)


def with_metric(one: Scorecard, name: str, **changes: Any) -> Scorecard:
    """The same, with one metric changed."""
    return replace(one, metrics={**one.metrics, name: replace(one.metrics[name], **changes)})
