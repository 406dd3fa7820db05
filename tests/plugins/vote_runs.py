"""Scored folders of two models, without any network: noise for images, and numbers for scores."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from evalsuite import scorecard
from evalsuite.records import pixel_sha256
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard, ScoredImage

SIZES = {"1:1": (64, 64), "3:2": (96, 64)}
PROMPTS = ("a red ball", "a cat on a mat", "two dogs", "a very small house")


def card(folder: Path, model: str, texts: Sequence[str], offset: float = 0.0, sizes: Mapping = SIZES) -> Scorecard:
    """A model's images, written into the folder, with three metrics."""
    images = []
    for number, text in enumerate(texts):
        for aspect, (width, height) in sizes.items():
            id = f"{model}|p{number}|{width}x{height}|0"
            draw = np.random.default_rng(list(f"{model} {number} {aspect}".encode()))
            rgb = draw.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            file = f"images/{pixel_sha256(rgb)}.png"
            (folder / "images").mkdir(parents=True, exist_ok=True)
            told = PngInfo()
            told.add_text("parameters", f"made by {model}")
            Image.fromarray(rgb).save(folder / file, pnginfo=told)
            about = (id, f"p{number}", text, None, ("odd",) if number % 2 else ("even",), aspect, width, height, 0, 7)
            images.append(ScoredImage(*about, "ok", file, pixel_sha256(rgb)))
    good = {image.id: offset + random.Random(image.prompt_id + image.aspect).random() for image in images}
    metrics = {
        "hps@scenes": metric(model, "hps@scenes", True, good),
        "bad@scenes": metric(model, "bad@scenes", False, good),
        "odd@scenes": metric(model, "odd@scenes", None, good, f"of {model}"),
    }
    return Scorecard(model, model, {"spec": {}}, tuple(images), metrics)


def metric(
    model: str, name: str, higher: bool | None, values: Mapping[str, float], protocol: str = "same"
) -> MetricScores:
    row = Row(model, name, "all", 0.5, None, None, len(values), "", higher, protocol, "none")
    return MetricScores(name, name, "", higher, f"12345678 v1; {protocol}", (row,), values)


def write_runs(place: Path, texts: Sequence[str] = PROMPTS, sizes: Mapping = SIZES) -> list[str]:
    """Two folders, better and worse, as a command line names them."""
    found = []
    for model, offset in (("better", 1.0), ("worse", 0.0)):
        folder = place / model
        folder.mkdir(parents=True)
        scorecard.write(folder, [card(folder, model, texts, offset, sizes)])
        found.append(str(folder))
    return found
