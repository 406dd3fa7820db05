from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalsuite.doctor.copies import with_copies
from evalsuite.metrics.frechet import frechet_distance_of
from evalsuite.metrics.kid import kernel_distance
from evalsuite.moments import Moments
from evalsuite.samples import Sample


def samples(count: int, aspect: str = "1:1") -> list[Sample]:
    return [
        Sample(f"{aspect}|{n}", "m", f"p{n}", "", None, (), aspect, 8, 8, 0, 0, f"{aspect}{n:063}", Path(str(n)))
        for n in range(count)
    ]


@pytest.mark.parametrize(("share", "distinct"), [(0.0, 40), (0.25, 30), (0.5, 20), (0.75, 10)])
def test_a_share_of_the_images_is_copied_and_everything_else_stays(share: float, distinct: int):
    own = samples(40)
    found = with_copies(own, share)
    assert len({sample.pixel_sha256 for sample in found.samples}) == distinct
    assert [sample.id for sample in found.samples] == [sample.id for sample in own]
    for sample, source in zip(found.samples, found.sources, strict=True):
        assert (sample.pixel_sha256, sample.file) == (source.pixel_sha256, source.file)
    counts = Counter(sample.pixel_sha256 for sample in found.samples)
    assert max(counts.values()) - min(counts.values()) <= 1 or share < 0.5


def test_a_larger_share_replaces_the_same_images_and_more_and_another_draw_others():
    own = samples(40)

    def replaced(share: float, draw: int = 0) -> set[str]:
        found = with_copies(own, share, draw)
        return {s.id for s, source in zip(found.samples, found.sources, strict=True) if s.id != source.id}

    assert replaced(0.25) < replaced(0.5) < replaced(0.75)
    assert replaced(0.25) == replaced(0.25)
    assert replaced(0.25) != replaced(0.25, draw=1)


def test_copies_are_of_the_same_size_and_one_image_of_each_always_stays():
    own = [*samples(4), *samples(1, "3:2"), replace(samples(1)[0], id="odd", width=16)]
    found = with_copies(own, 0.9)
    for sample, source in zip(found.samples, found.sources, strict=True):
        assert (sample.aspect, sample.width) == (source.aspect, source.width)
    assert len({sample.pixel_sha256 for sample in found.samples if sample.width == 8}) == 2
    with pytest.raises(ValueError, match=r"use 0 to 0\.9"):
        with_copies(own, 0.95)


def test_copies_raise_the_distances_of_a_known_mixture_as_its_closed_form_says():
    """Of k distinct rows of a standard Gaussian the mean adds d / k, the covariance about d (d + 1) / (4 k)."""
    d, n, repeats = 4, 240, 12
    reference = Moments(np.zeros(d), np.eye(d), 0)
    real = np.random.default_rng(99).standard_normal((1000, d)).astype(np.float32)
    own = samples(n)
    places = {sample.id: place for place, sample in enumerate(own)}
    found: dict[float, list[tuple[float, float]]] = {}
    for draw in range(repeats):
        rows = np.random.default_rng(draw).standard_normal((n, d)).astype(np.float32)
        for share in (0.0, 0.5, 0.75):
            some = rows[[places[source.id] for source in with_copies(own, share, draw).sources]]
            pair = (frechet_distance_of(some, reference), kernel_distance(some, real))
            found.setdefault(share, []).append(pair)
    frechet, kernel = (np.array([[pair[k] for pair in found[share]] for share in found]) for k in (0, 1))
    assert (np.diff(frechet, axis=0) > 0).mean() > 0.9
    expected = [(d + d * (d + 1) / 4) / (n * (1 - share)) for share in found]
    assert frechet.mean(axis=1) == pytest.approx(expected, rel=0.2)
    assert kernel.mean(axis=1)[2] > kernel.mean(axis=1)[0]
