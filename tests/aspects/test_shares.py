from __future__ import annotations

import pytest

from evalsuite.aspects.shares import share
from evalsuite.student_t import quantile


def wilson(hits: float, n: float, z: float) -> tuple[float, float]:
    p = hits / n
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / 4 / n / n) ** 0.5
    return middle - half, middle + half


@pytest.mark.parametrize("hits", [1, 7, 20, 39])
def test_of_one_image_a_prompt_it_is_wilsons_with_one_observation_less(hits: int):
    """The clustered variance of 40 single images is p (1 - p) / 39."""
    found = share([place < hits for place in range(40)], range(40))
    assert found.value == hits / 40
    low, high = wilson(39 * hits / 40, 39, quantile(0.975, 39))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("hit", [False, True])
def test_none_and_all_are_no_certainty(hit: bool):
    """Wilson's far end at 0 of G is t^2 / (G + t^2)."""
    found = share([hit] * 60, [place // 3 for place in range(60)])
    t2 = quantile(0.975, 19) ** 2
    ends = (0.0, t2 / (20 + t2)) if not hit else (20 / (20 + t2), 1.0)
    assert (found.low, found.high) == pytest.approx(ends)


def test_images_that_repeat_their_prompts_first_tell_nothing_new():
    single = [place % 4 == 0 for place in range(24)]
    once, thrice = (
        share(single, range(24)),
        share([hit for hit in single for _ in range(3)], [p // 3 for p in range(72)]),
    )
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high))


def test_one_prompt_has_no_interval():
    assert share([True, False], ["a", "a"]) == (0.5, None, None)
