from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from evalsuite.doctor.examine import examine
from evalsuite.doctor.findings import Examination, MetricReport
from evalsuite.doctor.subject import Subject
from evalsuite.encoders.scorer import Scorer
from evalsuite.errors import InputError
from evalsuite.metrics.base import Array
from evalsuite.moments import moments
from evalsuite.progress import Silent
from evalsuite.reference import ANY, Reference
from evalsuite.scorers import ScorerName

COLOURS = ("red", "green", "blue")


class ColourEncoder:
    """Sees which colour is strongest, and nothing else: of an image by its mean, of a text by its word."""

    id = "scenes"
    fingerprint = "0" * 64
    preprocessing = "mean colour"
    width = 3

    def __init__(self) -> None:
        self.seen = 0

    def images(self, images: Tensor) -> np.ndarray:
        self.seen += len(images)
        means = images.double().mean(dim=(2, 3))  # (B, 3)
        away = means - means.mean(dim=1, keepdim=True) + 1e-3
        return torch.nn.functional.normalize(away, dim=1).float().numpy()

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = [[float(colour in text) for colour in COLOURS] for text in texts]
        away = np.array(rows, np.float32) - np.mean(rows, axis=1, keepdims=True).astype(np.float32)
        return away / np.linalg.norm(away, axis=1, keepdims=True)

    def truncated(self, text: str) -> bool:
        return False


def no_network(name: ScorerName, uses: Collection[str]) -> Scorer:
    raise AssertionError(f"{name} was asked for")


def only(found: Examination) -> MetricReport:
    (metric,) = found.metrics
    return metric


def words(metric: MetricReport) -> dict[str, str]:
    return {key: ladder.verdict.word for key, ladder in metric.ladders.items()}


def test_a_metric_of_brightness_is_blind_to_blur_and_sees_empty_images(subject: Callable[..., Subject]):
    found = examine(subject(["seeing:BRIGHTNESS"]), no_network, Silent())
    metric = only(found)
    assert metric.role == "picture"
    assert "shuffled" not in metric.ladders
    assert "copies" not in metric.ladders
    assert metric.row.value is not None
    assert metric.row.value > 150
    assert words(metric)["grey"] == "sees"
    assert metric.ladders["grey"].findings[0].difference == pytest.approx(128 - metric.row.value)
    assert words(metric)["blur"] == "blind"
    assert words(metric)["mirror"] == "unmoved"
    assert metric.ladders["mirror"].findings[0].difference == 0
    assert not found.failed


def test_a_metric_of_sharpness_sees_every_level_and_one_of_blurriness_goes_the_wrong_way(
    subject: Callable[..., Subject],
):
    found = examine(subject(["seeing:SHARPNESS", "seeing:BLURRINESS", "seeing:NEUTRAL"]), no_network, Silent())
    sharp, blurry, neutral = found.metrics
    ladder = sharp.ladders["blur"]
    assert (ladder.verdict.word, ladder.verdict.first, ladder.verdict.shape) == ("sees", 0, "monotone")
    assert [f.sight for f in ladder.findings] == ["seen"] * 4
    assert words(sharp)["noise"] == "wrong way"  # noise is sharp
    assert words(blurry)["blur"] == words(blurry)["resize"] == "wrong way"
    assert words(blurry)["noise"] == "sees"
    assert {ladder.title for ladder in blurry.failures} >= {"blur", "resize", "empty images"}
    assert words(neutral)["blur"] == "moves"
    assert words(neutral)["mirror"] == "unmoved"
    assert not neutral.failures
    assert found.failed
    for a, b in zip(sharp.ladders["blur"].findings, blurry.ladders["blur"].findings, strict=True):
        assert a.difference == pytest.approx(-b.difference)  # type: ignore[operator]
        assert a.effect == pytest.approx(-b.effect)  # type: ignore[operator]


def test_a_metric_that_knows_colours_sees_shuffled_prompts_and_nothing_but_colour(subject: Callable[..., Subject]):
    encoder, one = ColourEncoder(), subject(["clip_score@scenes"])
    found = examine(one, lambda name, uses: Scorer(encoder), Silent())
    metric = only(found)
    assert (metric.role, words(metric)["shuffled"], words(metric)["grey"]) == ("alignment", "sees", "sees")
    assert words(metric)["blur"] == words(metric)["resize"] == "blind"  # JPEG changes colours
    assert words(metric)["mirror"] == "unmoved"
    word = metric.ladders["word"].findings[0]
    assert word.n == 12  # red, green and blue stand between the same words
    assert metric.ladders["word"].verdict.word == "sees"
    assert not found.failed
    assert (found.images, found.texts, found.families) == (12, 3, 12)


def test_a_metric_that_reads_no_prompt_fails_shuffled_prompts(subject: Callable[..., Subject]):
    class Deaf(ColourEncoder):
        def texts(self, texts: Sequence[str]) -> np.ndarray:
            return super().texts(["red"] * len(texts))

    found = examine(subject(["clip_score@scenes"]), lambda name, uses: Scorer(Deaf()), Silent())
    metric = only(found)
    assert metric.ladders["shuffled"].findings[0].difference == 0
    assert words(metric)["shuffled"] == "blind"
    assert [ladder.key for ladder in metric.failures] == ["shuffled"]


def reference_of(encoder: ColourEncoder, rows: Array) -> Reference:
    parts = {ANY: rows}
    return Reference({ANY: moments(rows)}, encoder.id, encoder.fingerprint, encoder.preprocessing, "r", parts)


def test_distances_have_a_floor_and_see_copies_and_empty_images(subject: Callable[..., Subject]):
    encoder = ColourEncoder()
    chance = np.random.default_rng(0)
    own = np.eye(3, dtype=np.float32)[np.arange(60) % 3] - 1 / 3
    rows = own + chance.normal(0, 0.02, own.shape).astype(np.float32)
    reference = reference_of(encoder, rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def load(name: ScorerName, uses: Collection[str]) -> Scorer:
        assert "rows" in uses  # the floor needs single images
        return Scorer(encoder, reference=reference)

    found = examine(subject(["fid@scenes", "kid@scenes"], count=24, prompts=False), load, Silent())
    fid, kid = (metric for metric in found.metrics if metric.name in ("fid@scenes", "kid@scenes"))
    assert fid.role == "distance"
    assert set(fid.ladders) == {"grey", "blur", "noise", "jpeg", "resize", "copies", "mirror"}
    assert fid.floor is not None
    assert (fid.floor.n, fid.floor.references, fid.floor.draws) == (24, 36, 40)
    assert 0 <= fid.floor.low <= fid.floor.value <= fid.floor.high
    assert fid.floor.itself == pytest.approx(0, abs=1e-6)
    assert kid.floor is not None
    assert kid.floor.itself is not None
    assert kid.floor.itself < 0  # no bias elsewhere, so that a set is nearer than near to itself
    assert words(fid)["grey"] == words(kid)["grey"] == "sees"
    assert found.texts == 0


def test_networks_look_at_each_version_once_and_a_repeat_looks_at_none(subject: Callable[..., Subject]):
    encoder, one = ColourEncoder(), subject(["clip_score@scenes"], count=6)
    first = examine(one, lambda name, uses: Scorer(encoder), Silent())
    levels = 1 + 1 + 1 + 4 * 4  # as they are, empty (one image), mirrored, four ladders
    assert encoder.seen <= 6 * levels
    before = encoder.seen
    again = examine(one, lambda name, uses: Scorer(encoder), Silent())
    assert encoder.seen == before
    assert again == first
    assert [path.name for path in one.images.folder.iterdir()] == ["features"]


def test_numbers_without_a_value_are_left_out_with_the_reason(subject: Callable[..., Subject]):
    encoder = ColourEncoder()
    found = examine(
        subject(["clip_score@scenes", "clip_direction@scenes", "v_variance"]),
        lambda name, uses: Scorer(encoder),
        Silent(),
    )
    assert [metric.name for metric in found.metrics] == ["clip_score@scenes"]
    assert found.left_out["v_variance"] == "it looks at no image"
    assert "no edited prompt" in found.left_out["clip_direction@scenes"]


def test_prompts_and_images_that_are_lacking_are_said(subject: Callable[..., Subject]):
    one = subject(["v_variance"])
    with pytest.raises(InputError, match="no metric that looks at images; name some with --only"):
        examine(one, no_network, Silent())
    texts = replace(one, spec=replace(one.spec, metrics=("clip_score@scenes",)))
    with pytest.raises(InputError, match="--prompts FILE"):
        examine(replace(texts, images=replace(one.images, has_prompts=False)), no_network, Silent())
