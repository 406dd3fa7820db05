from __future__ import annotations

import math

import pytest
import torch
from pairing import Timing, gemm_peak, median, of_rounds, paired, ratio


def timings(slow: list[float], fast: list[float]) -> list[Timing]:
    return [
        Timing(arm, number, 2 * seconds, seconds)
        for arm, times in (("slow", slow), ("fast", fast))
        for number, seconds in enumerate(times)
    ]


def test_a_constant_quotient_is_the_ratio_with_no_width():
    found = ratio(timings([3.0, 6.0, 1.5], [1.0, 2.0, 0.5]), "slow", "fast")
    assert (found.value, found.low, found.high, found.rounds) == pytest.approx((3, 3, 3, 3))


def test_what_slows_down_both_arms_of_a_round_falls_out():
    steady = ratio(timings([3.0, 3.3, 2.7], [1.0, 1.0, 1.0]), "slow", "fast")
    drifting = ratio(timings([3.0, 33.0, 270.0], [1.0, 10.0, 100.0]), "slow", "fast")
    assert drifting.value == pytest.approx(steady.value)
    assert (drifting.low, drifting.high) == pytest.approx((steady.low, steady.high))


def test_turning_the_ratio_round_inverts_it():
    times = timings([2.0, 5.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0])
    there, back = ratio(times, "slow", "fast"), ratio(times, "fast", "slow")
    assert there.value * back.value == pytest.approx(1)
    assert there.value == pytest.approx(math.sqrt(12))  # of an even number, the middle two in logarithms


def test_three_rounds_give_the_whole_range_as_interval():
    """Two of three draws are the smallest in 7 of 27 resamples, more than 2.5 %."""
    found = of_rounds([4.0, 2.0, 3.0])
    assert (found.low, found.value, found.high) == pytest.approx((2, 3, 4))


def test_two_rounds_have_no_interval():
    found = of_rounds([2.0, 8.0])
    assert found.value == pytest.approx(4)
    assert (found.low, found.high) == (None, None)
    assert "no interval" in str(found)


def test_each_clock_is_read_by_itself():
    times = [Timing("slow", 0, 9.0, 4.0), Timing("fast", 0, 3.0, 2.0)]
    assert ratio(times, "slow", "fast").value == pytest.approx(2)
    assert ratio(times, "slow", "fast", "wall_s").value == pytest.approx(3)
    assert median(times, "slow", "wall_s") == 9


def test_arms_of_other_rounds_are_not_compared():
    with pytest.raises(ValueError, match=r"slow has rounds \[0, 1\], fast has \[0\]"):
        ratio(timings([1.0, 2.0], [1.0]), "slow", "fast")


def test_arms_alternate_and_are_warmed_up_first():
    called: list[str] = []
    found = paired({name: lambda name=name: called.append(name) for name in "ab"}, rounds=3)
    assert "".join(called) == "ab" + "ab" + "ba" + "ab"
    assert [(timing.arm, timing.round) for timing in found] == [
        ("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2),
    ]  # fmt: skip


def test_the_limit_is_a_number_however_short_the_time():
    threads = torch.get_num_threads()
    assert 0 < gemm_peak(torch.float32, 1, seconds=0.0, n=64) < math.inf
    assert torch.get_num_threads() == threads
