from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from evalsuite.aspects.control import controlled, suited
from evalsuite.aspects.letterbox import Padding, letterboxed, padding_of
from evalsuite.encoders.scorer import Scorer
from evalsuite.errors import InputError
from evalsuite.image_set import ABOUT, Expected, ImageSet
from evalsuite.images import encode_png
from evalsuite.progress import Silent
from evalsuite.records import pixel_sha256
from evalsuite.rows import Row
from evalsuite.samples import Sample
from evalsuite.score import score
from evalsuite.scorecard import Scorecard
from evalsuite.scorers import ScorerName

SIZES = {"2:3": (48, 72), "1:1": (64, 64), "3:2": (72, 48)}
METRIC = "clip_score@scenes"
PROMPTS = 12


class Look:
    """An encoder whose cosine of image and text is the red of the middle pixel times what a size is worth to it."""

    id, width, preprocessing, batch = "look", 2, "the middle pixel", 8

    def __init__(self, worth: Callable[[int, int], float], fingerprint: str = "f" * 64) -> None:
        self.worth, self.fingerprint = worth, fingerprint

    def images(self, images: Tensor) -> np.ndarray:
        height, width = images.shape[-2:]
        cosine = images[:, 0, height // 2, width // 2].double() / 255 * self.worth(width, height)
        return torch.stack([cosine, (1 - cosine**2).sqrt()], dim=1).float().numpy()

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.tile(np.array([[1, 0]], np.float32), (len(texts), 1))

    def truncated(self, text: str) -> bool:
        return False


def loader(encoder: Look) -> Callable[[ScorerName, Collection[str]], Scorer]:
    return lambda name, uses: Scorer(encoder)


def blind(width: int, height: int) -> float:
    return 1.0


def small(width: int, height: int) -> float:
    """The share that a letterboxed picture keeps of its longer side."""
    return min(width, height) / max(width, height)


def scored(
    folder: Path, encoder: Look, level: Callable[[str, int], int], sizes: dict[str, tuple[int, int]]
) -> Scorecard:
    """A run of pictures on a green ground with a red middle, scored by an encoder."""
    samples = []
    for aspect, (width, height) in sizes.items():
        for prompt in range(PROMPTS):
            pixels = np.full((height, width, 3), (0, 120, 10), np.uint8)
            pixels[height // 4 : -height // 4, width // 4 : -width // 4] = (level(aspect, prompt), 0, 0)
            sha = pixel_sha256(pixels)
            (folder / f"{sha}.png").write_bytes(encode_png(pixels))
            about = (f"p{prompt:02}", "a red box on a green background", None, (), aspect, width, height, 0, 7)
            samples.append(Sample(f"m|{prompt:02}|{aspect}", "m", *about, sha, folder / f"{sha}.png"))
    samples.sort(key=lambda sample: sample.id)
    expected = tuple(Expected({name: getattr(s, name) for name in ABOUT}, "ok", s) for s in samples)
    images = ImageSet(("m",), expected, folder, {})
    found = score(images, [METRIC], loader(encoder))
    return Scorecard("m", "made", {"spec": {"metrics": [METRIC]}}, images.scored("m"), found.metrics["m"])


def bias_of(tmp_path: Path, encoder: Look, level: Callable[[str, int], int]) -> dict[str, Row]:
    (tmp_path / "run").mkdir()
    card = scored(tmp_path / "run", encoder, level, SIZES)
    found = controlled(card, [METRIC], tmp_path / "run", tmp_path / "out", loader(encoder), Padding.border, Silent())
    assert found.notes == ()
    return {row.slice: row for row in found.rows}


def falling(aspect: str, prompt: int) -> int:
    """The picture itself is 20 levels worse off the square."""
    return 120 + 5 * prompt - 20 * (aspect != "1:1")


def test_a_scorer_that_is_blind_to_padding_has_no_bias_at_all(tmp_path: Path):
    found = bias_of(tmp_path, Look(blind), falling)
    for aspect in ("2:3", "3:2"):
        assert found[f"bias={aspect}/1:1"].value == 0.0
        assert found[f"bias={aspect}/1:1"].low is None
        assert "no pair of images differs" in found[f"bias={aspect}/1:1"].note
        assert found[f"corrected={aspect}/1:1"].value == pytest.approx(-100 * 20 / 255)
    assert found["drop-corrected=2:3/1:1"].value == pytest.approx(100 * 20 / 255)


def test_the_bias_of_a_scorer_that_shrinks_is_found_exactly_and_taken_out(tmp_path: Path):
    """At 3:2 it keeps two thirds of every score. The pictures are equally good at all ratios: nothing is left over."""
    found = bias_of(tmp_path, Look(small), lambda aspect, prompt: 120 + 5 * prompt)
    mean = 100 * np.mean([120 + 5 * prompt for prompt in range(PROMPTS)]) / 255
    for aspect in ("2:3", "3:2"):
        row = found[f"bias={aspect}/1:1"]
        assert row.value == pytest.approx(-mean / 3, abs=1e-5)
        assert row.low < row.value < row.high < 0  # type: ignore[operator]
        assert found[f"letterboxed={aspect}"].value == pytest.approx(mean * 2 / 3, abs=1e-5)
        assert found[f"letterboxed={aspect}"].n == PROMPTS
        assert found[f"corrected={aspect}/1:1"].value == pytest.approx(0, abs=1e-9)


def test_what_is_left_over_is_the_models_own_change(tmp_path: Path):
    found = bias_of(tmp_path, Look(small), falling)
    assert found["corrected=3:2/1:1"].value == pytest.approx(-100 * 20 / 255 * 2 / 3, abs=1e-5)


def test_other_networks_than_the_runs_own_are_told_apart(tmp_path: Path):
    card = scored(tmp_path, Look(blind), falling, SIZES)
    other = loader(Look(blind, "e" * 64))
    found = controlled(card, [METRIC], tmp_path, tmp_path / "out", other, Padding.border, Silent())
    assert found.rows == ()
    assert "scored by other networks" in found.notes[0]


def test_without_squares_or_their_files_there_is_no_control(tmp_path: Path):
    sizes = {aspect: size for aspect, size in SIZES.items() if aspect != "1:1"}
    card = scored(tmp_path, Look(blind), falling, sizes)
    arguments = ([METRIC], tmp_path, tmp_path / "out", loader(Look(blind)), Padding.border, Silent())
    assert "no image at 1:1" in controlled(card, *arguments).notes[0]
    card = scored(tmp_path, Look(blind), falling, SIZES)
    gone = replace(card, images=tuple(replace(image, file=None) for image in card.images))
    assert "no image file here" in controlled(gone, *arguments).notes[0]
    outside = replace(card, images=tuple(replace(i, file=f"../{tmp_path.name}/{i.file}") for i in card.images))
    assert "no image file here" in controlled(outside, *arguments).notes[0]


def test_only_metrics_of_single_pictures_have_a_control(tmp_path: Path):
    card = scored(tmp_path, Look(blind), falling, SIZES)
    asked = ["hps@scenes", "fid@scenes", "kid@scenes", "v_variance", "clip_direction@scenes", METRIC]
    kept = {"hps@scenes", "fid@scenes", "kid@scenes", "v_variance@trajectory", "clip_image_similarity@scenes", METRIC}
    found = suited(replace(card, run={"spec": {"metrics": asked}}), kept)
    assert found == ["hps@scenes", "clip_direction@scenes", METRIC]


@pytest.mark.parametrize("size", [(72, 48), (48, 72), (64, 32), (100, 64)])
def test_a_letterbox_holds_the_whole_picture_in_its_middle(size: tuple[int, int]):
    width, height = size
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:] = (10, 200, 30)
    picture[16:48, 16:48] = (250, 0, 0)
    found = letterboxed(picture, width, height)
    assert found.shape == (height, width, 3)
    assert (found[0, 0] == (10, 200, 30)).all()
    assert np.abs(found.astype(int) - found[::-1, ::-1]).max() <= 1
    red = (found[..., 0] > 128).sum()
    assert red == pytest.approx((min(size) / 2) ** 2, rel=0.15)


def test_the_padding_is_what_was_asked_for():
    picture = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    assert (letterboxed(picture, 96, 64, Padding.black)[:, :16] == 0).all()
    assert (letterboxed(picture, 96, 64, Padding.grey)[:, -16:] == 128).all()
    assert np.array_equal(letterboxed(picture, 96, 64)[:, 16:80], picture)
    assert letterboxed(picture, 64, 64) is picture
    assert padding_of("grey") is Padding.grey
    with pytest.raises(InputError, match="use border, black, grey"):
        padding_of("white")
