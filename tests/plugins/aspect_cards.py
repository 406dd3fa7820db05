"""Scorecards over several aspect ratios, made of given values, for tests of what follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard, ScoredImage

SIZES = {"9:16": (48, 80), "2:3": (52, 76), "1:1": (64, 64), "3:2": (76, 52), "16:9": (80, 48)}
PROTOCOL = "0123abcd v1; made"
Table = Mapping[str, Sequence[float]]
"""Aspect ratio to one value for each prompt."""


def identity(aspect: str, prompt: int, index: int = 0) -> str:
    return f"m|p{prompt:03}|{aspect}|{index}"


def images(aspects: Sequence[str], prompts: int, per_prompt: int = 1) -> tuple[ScoredImage, ...]:
    return tuple(
        ScoredImage(
            id=identity(aspect, prompt, index),
            prompt_id=f"p{prompt:03}",
            text=f"prompt number {prompt}",
            base=None,
            tags=(),
            aspect=aspect,
            width=SIZES[aspect][0],
            height=SIZES[aspect][1],
            index=index,
            seed=prompt,
            status="ok",
            pixel_sha256=f"{prompt:064x}",
        )
        for aspect in aspects
        for prompt in range(prompts)
        for index in range(per_prompt)
    )


def metric(
    table: Table, better: bool | None = True, weights: Table | None = None, name: str = "hps@made"
) -> MetricScores:
    """A mean of one value for each prompt at each ratio, with weights where they are given."""
    values = {identity(a, p): x for a, column in table.items() for p, x in enumerate(column)}
    heavy = {identity(a, p): w for a, column in (weights or {}).items() for p, w in enumerate(column)}
    rows = []
    for aspect, column in table.items():
        own = weights[aspect] if weights else [1.0] * len(column)
        mean = math.fsum(w * x for w, x in zip(own, column, strict=True)) / math.fsum(own)
        rows.append(_row(name, aspect, mean, len(column), better))
    return MetricScores(name, name, "points", better, PROTOCOL, tuple(rows), values, heavy)


def by_influences(table: Table, better: bool | None = False, name: str = "fid@made") -> MetricScores:
    """The same means, told by influences as a distance would be."""
    rows, influences = [], {}
    for aspect, column in table.items():
        mean = math.fsum(column) / len(column)
        rows.append(_row(name, aspect, mean, len(column), better))
        influences[f"aspect={aspect}"] = {identity(aspect, p): (x - mean) / len(column) for p, x in enumerate(column)}
    return MetricScores(name, name, "points", better, PROTOCOL, tuple(rows), influences=influences)


def card(*metrics: MetricScores, aspects: Sequence[str], prompts: int) -> Scorecard:
    found = {one.name: one for one in metrics}
    run = {"spec": {"models": ["m"], "metrics": list(found)}, "prompts": {"name": "made"}, "title": "m on made"}
    return Scorecard("m", "made", run, images(aspects, prompts), found)


def _row(name: str, aspect: str, value: float, n: int, better: bool | None) -> Row:
    return Row("m", name, f"aspect={aspect}", value, None, None, n, "points", better, PROTOCOL, "none")
