from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from evalsuite.encoders.training.frechet_floor import GROUPS, Real, against_floor, as_markdown, compared
from evalsuite.errors import InputError
from evalsuite.samples import Sample


def gaussians(seed: int, shift: float = 0.0, n: int = 2000, d: int = 4) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d)) + shift
    return rows.astype(np.float32)


GROUPED = [row % GROUPS for row in range(2000)]


def test_the_floor_itself_is_one_and_a_shifted_model_is_as_far_as_its_shift():
    first, second = gaussians(1), gaussians(2)
    same = against_floor(second, GROUPED, first, second)
    assert same.ratio == same.low == same.high == 1
    far = against_floor(gaussians(3, shift=1.0), GROUPED, first, second)
    assert far.distance == pytest.approx(4.0, rel=0.1)  # |shift|^2 = d
    assert far.ratio == pytest.approx(far.distance / far.floor)
    assert far.low < far.ratio < far.high
    assert far.n == 2000


def test_intervals_hold_the_true_ratio_of_a_perfect_model_in_most_cases():
    held = 0
    for seed in range(40):
        found = against_floor(
            *(gaussians(10 * seed, n=400), GROUPED[:400]),
            gaussians(10 * seed + 1, n=400),
            gaussians(10 * seed + 2, n=400),
        )
        held += found.low <= 1 <= found.high
    assert held >= 34


class Mean:
    """In place of the scorer: the mean of each channel, and how many pictures it looked at."""

    width = 3

    def __init__(self) -> None:
        self.seen = 0

    def images(self, images):
        self.seen += len(images)
        return images.float().mean((2, 3)).numpy()


def test_sets_of_real_renders_differ_and_are_made_once(sprites):
    encoder = Mean()
    real = Real(encoder, sprites)
    sizes = Counter({(256, 256): 6, (208, 320): 3})
    first, second = real.rows("A", sizes), real.rows("B", sizes)
    assert first.shape == second.shape == (9, 3)
    assert not (first[:, None] == second[None]).all(-1).any()
    np.testing.assert_array_equal(real.rows("A", Counter({(256, 256): 4})), first[3:7])
    assert encoder.seen == 18


def test_too_few_pictures_are_refused_with_what_it_takes(tmp_path, sprites):
    sample = Sample("i", "dit", "p", "t", None, (), "1:1", 256, 256, 0, 0, "", tmp_path / "none.png")
    with pytest.raises(InputError, match="at least 12 of 20"):
        compared([sample], Mean(), Real(Mean(), sprites))


def test_the_table_has_a_row_for_each_model():
    floor = against_floor(gaussians(3, shift=1.0), GROUPED, gaussians(1), gaussians(2))
    (row,) = as_markdown({"dit": floor}).splitlines()[2:]
    ratio = f"{floor.ratio:.2f} [{floor.low:.2f}, {floor.high:.2f}]"
    assert row == f"| dit | 2000 | {floor.distance:.4f} | {floor.floor:.4f} | {ratio} |"
