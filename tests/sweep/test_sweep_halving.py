"""The schedule of successive halving, with a laboratory that only counts."""

from __future__ import annotations

import math
import random

import pytest
from sweep_parts import Clock

from evalsuite.sweep.bench import Made
from evalsuite.sweep.budget import Budget
from evalsuite.sweep.front import Place
from evalsuite.sweep.halving import MARGIN, Race, chain, counts, firsts, halve, turns


class Fake:
    """Points by name: what a unit takes, and what the metric is; a unit takes up to ``noise`` times what was said."""

    def __init__(self, points: dict[str, tuple[float, float]], budget: float | None, noise: float = 1.0) -> None:
        self.points, self.noise = points, noise
        self.clock = Clock()
        self.budget = Budget(budget, now=self.clock)
        self.made = dict.fromkeys(points, 0)
        self.measured: list[tuple[str, int]] = []
        self.longest = 0.0
        self.broken: set[str] = set()
        self._random = random.Random(0)

    def left(self) -> float:
        return self.budget.left

    def price(self, point: str, start: int, stop: int) -> float:
        return self.points[point][0] * max(0, stop - max(start, self.made[point]))

    def make(self, point: str, count: int) -> Made:
        if point in self.broken:
            return "failed"
        while self.made[point] < count:
            if self.left() <= 0:
                return "short"
            with self.budget.spending():
                took = self.points[point][0] * self._random.uniform(1.0, self.noise)
                self.clock.now += took
            self.longest = max(self.longest, took)
            self.made[point] += 1
        return "all"

    def measure(self, point: str, count: int) -> Place | None:
        self.measured.append((point, count))
        cost, value = self.points[point]
        return None if math.isnan(value) else Place(cost, cost, cost, value)


def race(lab: Fake, units: int, higher: bool = True, model: str = "m", **more: object) -> Race:
    cheapest = sorted(lab.points, key=lambda name: lab.points[name][0])
    return Race(model, cheapest, units, higher, lab, lambda p: f"{p.value:g} at {p.cost:g}", **more)


GRID = {f"p{n:02}": (1.0 + n, float(10 - (n - 7) ** 2)) for n in range(12)}


def test_a_rung_has_twice_the_units_of_the_one_before():
    assert counts(2, 16) == [2, 4, 8, 16]
    assert counts(2, 9) == [2, 3, 5, 9]
    assert counts(9, 9) == [9]
    assert counts(1, 1) == [1]
    for units in range(1, 70):
        for first in firsts(12, units):
            found = counts(first, units)
            assert (found[0], found[-1]) == (first, units)
            assert all(after == math.ceil(units / 2**k) for k, after in enumerate(reversed(found)))


def test_the_first_rung_is_never_so_small_that_no_halving_leads_to_one_point():
    assert firsts(12, 64) == [64, 32, 16, 8, 4]
    assert firsts(2, 64) == [64, 32]
    assert firsts(1, 64) == [64]
    assert firsts(1000, 3) == [3, 2]


def test_without_a_limit_every_point_gets_everything_in_one_rung():
    lab = Fake(GRID, None)
    one, saved = race(lab, 9), []
    assert halve([one], lambda: saved.append(1))
    assert set(lab.made.values()) == {9}
    assert [len(rung.kept) for rung in one.rungs] == [12]
    assert not any(rung.dropped for rung in one.rungs)
    assert (one.first, len(saved)) == (9, 2)


def test_without_a_limit_points_take_turns_and_with_one_each_is_finished_first():
    assert turns(0, 9, 4) == [3, 5, 7, 9]
    assert turns(0, 2, 4) == [1, 2]
    assert turns(4, 8, 1) == [8]
    for budget, most in ((None, 3), (10_000.0, 9 - firsts(12, 9)[-1])):
        lab = Fake(GRID, budget)
        at_once: list[int] = []
        make = lab.make

        def noted(point: str, count: int, lab: Fake = lab, make=make, at_once: list[int] = at_once) -> Made:
            before = lab.made[point]
            made = make(point, count)
            at_once.append(lab.made[point] - before)
            return made

        lab.make = noted
        halve([race(lab, 9)], lambda: None)
        assert max(at_once) == most


def test_the_expected_cost_is_the_sum_over_rungs_of_which_each_halves_the_points():
    lab = Fake(dict.fromkeys("abcdefgh", (2.0, 0.0)), 100)
    one = race(lab, 8)
    # 8 points to 1 unit, 4 from 1 to 2, 2 from 2 to 4, 1 from 4 to 8
    assert chain(one, list("abcdefgh"), 0, counts(1, 8)) == 2.0 * (8 * 1 + 4 * 1 + 2 * 2 + 1 * 4)
    lab.made["a"] = 8  # what is there costs nothing
    assert chain(one, list("abcdefgh"), 0, counts(1, 8)) == 2.0 * (7 * 1 + 4 * 1 + 2 * 2 + 1 * 4)


def test_the_first_rung_is_the_largest_whose_race_there_is_time_for():
    for budget, first in ((2.0 * 64 * MARGIN + 2.1, 8), (2.0 * (32 + 16) * MARGIN + 2.1, 4), (60, 1), (3, 0)):
        lab = Fake({name: (2.0, float(ord(name))) for name in "abcdefgh"}, budget)
        one = race(lab, 8)
        halve([one], lambda: None)
        assert one.first == first, budget


@pytest.mark.parametrize("noise", [1.0, 1.05, 3.0])
@pytest.mark.parametrize("budget", [0.5, 5, 40, 75, 150, 300, 700, 2000])
def test_the_budget_is_never_exceeded_by_more_than_a_unit(budget: float, noise: float):
    lab = Fake(GRID, budget, noise)
    one = race(lab, 9)
    over = halve([one], lambda: None)
    assert lab.budget.spent <= budget + lab.longest
    assert over or lab.left() <= 0
    for rung in one.rungs:
        assert {point for point, count in lab.measured if count == rung.units} >= set(rung.kept)
    least = sum(cost for cost, _ in GRID.values()) + 9 * max(cost for cost, _ in GRID.values())
    if noise <= 1.05 and budget >= least * MARGIN**2:
        assert over
        assert any(made == 9 for made in lab.made.values())
        assert one.reached == 9


def test_points_of_a_rung_are_measured_on_the_same_units_and_the_best_survive():
    lab = Fake(GRID, 400)
    one = race(lab, 16)
    assert halve([one], lambda: None)
    assert len(one.rungs) > 2
    for before, rung in zip([None, *one.rungs], one.rungs, strict=False):
        alive = set(GRID) if before is None else set(before.kept)
        assert alive == set(rung.kept) | {drop.point for drop in rung.dropped}
        assert {p for p, count in lab.measured if count == rung.units} >= alive
        assert len(rung.kept) <= max(1, len(alive))
    assert one.alive[0] == "p07"  # the best value
    assert all(lab.made[point] == 16 for point in one.alive)
    assert all(drop.why for rung in one.rungs for drop in rung.dropped)


def test_dominated_points_go_first_and_are_told_by_whom():
    lab = Fake({"a": (1, 5.0), "b": (2, 4.0), "c": (3, 9.0), "d": (4, 8.0)}, 23)
    one = race(lab, 4)
    assert halve([one], lambda: None)
    dropped = {drop.point: drop.why for rung in one.rungs for drop in rung.dropped}
    assert dropped["b"] == "a costs no more and scores better: 5 at 1 against 4 at 2"
    assert dropped["d"] == "c costs no more and scores better: 9 at 3 against 8 at 4"
    assert "c" in one.alive


def test_where_a_lower_value_is_better_the_lowest_survives():
    lab = Fake({name: (cost, -value) for name, (cost, value) in GRID.items()}, 400)
    one = race(lab, 16, higher=False)
    assert halve([one], lambda: None)
    assert one.alive[0] == "p07"


def test_time_that_is_there_keeps_more_than_half():
    lab = Fake({name: (1.0, float(ord(name))) for name in "abcdefgh"}, 1.0 * 8 * 8 * MARGIN + 1.2)
    lab.points = {name: (1.0, value) for name, (_, value) in lab.points.items()}
    one = race(lab, 8)
    assert halve([one], lambda: None)
    assert len(one.alive) == 8
    tight = Fake({name: (1.0, float(ord(name))) for name in "abcdefgh"}, 34)
    two = race(tight, 8)
    assert halve([two], lambda: None)
    kept = [len(rung.kept) for rung in two.rungs]
    assert two.first < 8
    assert kept[-1] > 1
    assert tight.budget.spent > 0.75 * 34


def test_a_race_goes_on_from_what_was_settled():
    whole = Fake(GRID, 400)
    straight = race(whole, 16)
    halve([straight], lambda: None)
    lab = Fake(GRID, 400)
    first = race(lab, 16)

    class StopError(Exception):
        pass

    def stop() -> None:
        if len(first.rungs) == 2:
            raise StopError

    with pytest.raises(StopError):
        halve([first], stop)
    second = race(lab, 16, first=first.first, rungs=list(first.rungs))
    assert second.alive == list(first.rungs[-1].kept)
    halve([second], lambda: None)
    assert second.rungs == straight.rungs
    assert lab.made == whole.made


def test_two_models_race_side_by_side_and_each_keeps_a_point():
    lab = Fake(GRID, 700)
    worse = Fake({f"q{name}": (cost, value - 50) for name, (cost, value) in GRID.items()}, 700)
    worse.budget, worse.clock = lab.budget, lab.clock
    one, two = race(lab, 16), race(worse, 12, model="n")
    halve([one, two], lambda: None)
    assert lab.budget.spent <= 700 + max(lab.longest, worse.longest)
    assert one.rungs
    assert two.rungs
    assert one.alive
    assert two.alive


def test_a_point_that_cannot_be_made_is_out_and_the_others_go_on():
    lab = Fake(GRID, 400)
    lab.broken = {"p00", "p07"}
    one = race(lab, 9)
    assert halve([one], lambda: None)
    assert one.failed == lab.broken
    assert not lab.broken & set(one.alive)
    assert one.alive[0] in ("p06", "p08")


def test_a_metric_that_is_not_defined_yet_ranks_last():
    points = dict(GRID) | {"p07": (8.0, math.nan)}
    lab = Fake(points, 250)
    one = race(lab, 9)
    halve([one], lambda: None)
    dropped = {drop.point: drop.why for rung in one.rungs for drop in rung.dropped}
    assert dropped["p07"] == "its metric is not defined on so few images"
