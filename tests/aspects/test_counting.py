from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aspect_cards import card, images, metric

from evalsuite.aspects.counting import ERROR, EXCESS, WRONG, counted
from evalsuite.errors import InputError
from evalsuite.images import encode_png
from evalsuite.progress import Silent
from evalsuite.records import pixel_sha256
from evalsuite.scorecard import Scorecard

ASPECTS = ("1:1", "3:2")


def boxes(width: int, height: int, number: int) -> np.ndarray:
    """Red boxes side by side on white."""
    picture = np.full((height, width, 3), 250, np.uint8)
    for place in range(number):
        left, side = round(width * (place + 0.5) / number) - 10, 20
        picture[height // 2 - 10 : height // 2 + 10, left : left + side] = (220, 0, 0)
    return picture


def run_of(folder: Path, numbers: dict[str, list[int]], texts: list[str]) -> Scorecard:
    """Pictures of so many boxes at each ratio, one for each text."""
    own = []
    for image in images(ASPECTS, len(texts)):
        place = int(image.prompt_id[1:])
        pixels = boxes(image.width or 0, image.height or 0, numbers[image.aspect][place])
        sha = pixel_sha256(pixels)
        (folder / f"{sha}.png").write_bytes(encode_png(pixels))
        own.append(replace(image, text=texts[place], file=f"{sha}.png", pixel_sha256=sha))
    made = card(metric({aspect: [1.0] * len(texts) for aspect in ASPECTS}), aspects=ASPECTS, prompts=len(texts))
    return replace(made, images=tuple(own))


def test_counts_are_held_against_captions_at_each_ratio(tmp_path: Path):
    texts = [f"{word} red gift{'s' * (word != 'a')} on a white background" for word in ("a", "two", "two", "a")]
    made = run_of(tmp_path, {"1:1": [1, 2, 2, 1], "3:2": [2, 1, 2, 2]}, texts)
    found = counted(made, tmp_path, Silent())
    expected = {WRONG: (0.0, 75.0), EXCESS: (0.0, 50.0), ERROR: (0.0, 0.25)}
    for name, values in expected.items():
        own = found.card.metrics[name]
        assert tuple(own.row(f"aspect={aspect}").value for aspect in ASPECTS) == values  # type: ignore[union-attr]
        assert own.row("all").n == 8  # type: ignore[union-attr]
        assert own.row("aspect=1:1").high > 0  # type: ignore[union-attr, operator]
    assert set(found.card.metrics) == {"hps@made", WRONG, EXCESS, ERROR}
    assert "64x64 was counted, the counter was measured at 256x256" in found.notes


def test_what_cannot_be_counted_is_told_apart(tmp_path: Path):
    made = run_of(
        tmp_path, {"1:1": [1, 1, 1], "3:2": [1, 1, 1]}, ["a red gift on a white background", "tench", "a boat"]
    )
    found = counted(made, tmp_path, Silent())
    assert "4 of 6 images have a caption of no known number of objects and are not counted" in found.notes
    absent = replace(made, images=tuple(replace(image, file=None) for image in made.images))
    assert counted(absent, tmp_path, Silent()).card.metrics.keys() == {"hps@made"}
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    sha = pixel_sha256(noise)
    (tmp_path / f"{sha}.png").write_bytes(encode_png(noise))
    first = replace(made.images[0], file=f"{sha}.png", pixel_sha256=sha)
    rough = counted(replace(made, images=(first, *made.images[1:])), tmp_path, Silent())
    assert "1 of 6 images have no plain border and are not counted" in rough.notes
    assert rough.card.metrics[WRONG].row("all").n == 1  # type: ignore[union-attr]


def test_a_picture_that_changed_since_it_was_scored_is_refused(tmp_path: Path):
    made = run_of(tmp_path, {"1:1": [1], "3:2": [1]}, ["a red gift on a white background"])
    (tmp_path / str(made.images[0].file)).write_bytes(encode_png(boxes(64, 64, 2)))
    with pytest.raises(InputError, match="other pixels than its record says"):
        counted(made, tmp_path, Silent())
