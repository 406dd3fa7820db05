from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from evalsuite.vote.agreement import krippendorff_alpha, same_winner, share

N = None
CANONICAL = (  # Krippendorff's own example: 4 observers, 12 units, some of them unseen
    (1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3),
    (N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N),
)


def test_alpha_is_that_of_the_published_example():
    units = [[v for v in column if v is not None] for column in zip(*CANONICAL, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.849, abs=5e-4)


def test_alpha_is_one_where_all_agree_zero_by_chance_and_negative_against_each_other():
    assert krippendorff_alpha([[1, 1], [0, 0], [0.5, 0.5]]) == 1
    draw = random.Random(1)
    assert krippendorff_alpha([[draw.choice((0, 0.5, 1)) for _ in range(3)] for _ in range(4000)]) == pytest.approx(
        0, abs=0.03
    )
    assert krippendorff_alpha([[1, 0], [0, 1], [1, 0], [0, 1]]) < -0.5
    assert krippendorff_alpha([[1, 1], [1, 1]]) is None
    assert krippendorff_alpha([[1, 0]]) is None
    assert krippendorff_alpha([[1], [0], []]) is None


def test_alpha_follows_from_its_definition():
    draw = random.Random(3)
    units = [[draw.choice((0, 0.5, 1)) for _ in range(draw.randint(1, 4))] for _ in range(30)]
    paired = [unit for unit in units if len(unit) > 1]
    values = [v for unit in paired for v in unit]
    n = len(values)
    observed = sum(
        (a - b) ** 2 / (len(u) - 1) for u in paired for i, a in enumerate(u) for j, b in enumerate(u) if i != j
    )
    expected = sum((a - b) ** 2 for i, a in enumerate(values) for j, b in enumerate(values) if i != j)
    assert krippendorff_alpha(units) == pytest.approx(1 - (observed / n) / (expected / (n * (n - 1))))


def test_a_share_of_independent_votes_is_near_wilsons_interval():
    n, p, z = 2000, 0.3, 1.959964
    values = [1.0] * 600 + [0.0] * 1400
    found = share(values, range(n))
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (found.value, found.n, found.clusters) == (0.3, n, n)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-4)
    assert found.decided


def test_a_share_is_symmetric_and_stays_within_bounds():
    values, clusters = [1.0, 0.0, 0.5, 1.0, 1.0], [1, 1, 2, 3, 4]
    one, other = share(values, clusters), share([1 - v for v in values], clusters)
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))
    unanimous = share([1.0] * 12, [n // 2 for n in range(12)])
    assert unanimous.value == unanimous.high == 1
    assert 0.3 < unanimous.low < 0.7
    ties = share([0.5] * 10, range(10))
    assert (ties.value, ties.decided) == (0.5, False)
    assert ties.low < 0.5 < ties.high
    assert share([1.0, 0.0], [1, 1])[:3] == (0.5, None, None)
    assert share([], []).value is None
    with pytest.raises(ValueError, match="values in"):
        share([2.0], [1])


def test_votes_that_repeat_inside_prompts_add_nothing():
    draw = random.Random(5)
    values = [float(draw.random() < 0.6) for _ in range(60)]
    once = share(values, range(60))
    thrice = share(values * 3, list(range(60)) * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def clustered(draw: np.random.Generator, prompts: int, rate: float, ties: float) -> tuple[list[float], list[int]]:
    """Votes of two raters on two images of each prompt; a prompt's own rate follows a beta distribution."""
    own = draw.beta(4 * rate, 4 * (1 - rate), prompts)
    votes = (draw.random((prompts, 4)) < own[:, None]).astype(float)
    votes[draw.random((prompts, 4)) < ties] = 0.5
    return votes.reshape(-1).tolist(), np.repeat(np.arange(prompts), 4).tolist()


@pytest.mark.parametrize(("rate", "ties"), [(0.5, 0.0), (0.5, 0.3), (0.75, 0.1), (0.92, 0.0)])
def test_intervals_cover_as_they_say_on_clustered_votes(rate: float, ties: float):
    draw = np.random.default_rng(11)
    truth = rate * (1 - ties) + 0.5 * ties
    found = [share(*clustered(draw, 100, rate, ties)) for _ in range(1500)]
    covered = sum(one.low <= truth <= one.high for one in found) / len(found)
    assert 0.93 <= covered <= 0.97


def test_same_winner_counts_pairs_of_raters():
    found = same_winner([("p", ["a", "a", "b"]), ("q", ["b", "b"]), ("r", ["a"])])
    assert (found.value, found.n, found.clusters) == (0.5, 4, 2)


@pytest.mark.parametrize("function", [krippendorff_alpha, same_winner])
def test_nothing_at_all_is_no_agreement(function: Callable):
    assert getattr(function([]), "value", None) is None
