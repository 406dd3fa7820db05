from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite.doctor.subject import Subject
from evalsuite.image_set import Expected, ImageSet
from evalsuite.images import Pixels
from evalsuite.records import pixel_sha256
from evalsuite.samples import Sample
from evalsuite.spec import RunSpec

COLOURS = {"red": 0, "green": 1, "blue": 2}


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


def texture(seed: int, colour: str, side: int = 64) -> Pixels:
    """Fine noise, the same everywhere, on a ground that is brighter than grey, and most so in one colour."""
    random = np.random.default_rng(seed)
    ground = random.uniform(150, 180) + random.uniform(-12, 12, 3)
    ground[COLOURS[colour]] += 30
    return np.rint(ground + random.uniform(-30, 30, (side, side, 1))).astype(np.uint8)


def make_sample(number: int, file: Path, pixels: Pixels, text: str, base: str | None = None) -> Sample:
    height, width, _ = pixels.shape
    name = f"p{number:03}"
    sha = pixel_sha256(pixels)
    return Sample(f"m|{name}", "m", name, text, base, (), "1:1", width, height, 0, 0, sha, file)


@pytest.fixture
def subject(tmp_path: Path) -> Callable[..., Subject]:
    """Images of coloured noise with their prompts, and the metrics to examine."""

    def make(metrics: Sequence[str], count: int = 12, prompts: bool = True) -> Subject:
        out = tmp_path / "out"
        out.mkdir()
        samples = []
        for number in range(count):
            colour = list(COLOURS)[number % 3]
            pixels, file = texture(number, colour), tmp_path / f"{number}.png"
            Image.fromarray(pixels).save(file)
            samples.append(make_sample(number, file, pixels, f"a {colour} wall"))
        expected = tuple(Expected({"id": s.id, "model": "m", "aspect": "1:1", "tags": ()}, "ok", s) for s in samples)
        images = ImageSet(("m",), expected, out, {}, prompts)
        return Subject("walls", "mine", images, tuple(s.text for s in samples), RunSpec(metrics=tuple(metrics)))

    return make
