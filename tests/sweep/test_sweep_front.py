"""Fronts and knees against brute force, on scores made by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from made_cards import card, mean_metric, with_metric

from evalsuite.scorecard import Scorecard
from evalsuite.sweep.duels import CardDuels, Matches
from evalsuite.sweep.front import Duel, Place, beats, front, layers, ranked
from evalsuite.sweep.knee import bend, knee


def places(costs, values) -> list[Place]:
    return [Place(float(c), float(c), float(c), float(v)) for c, v in zip(costs, values, strict=True)]


def nothing(i: int, j: int) -> None:
    return None


def exact(found: list[Place], error: float):
    """Duels whose intervals are known: the difference of values, give or take ``error``."""

    def duel(i: int, j: int) -> Duel:
        value = found[i].value - found[j].value
        return Duel(value, value - error, value + error, 0.001 if abs(value) > error else 0.5, 9)

    return duel


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_the_measured_front_is_that_of_brute_force(seed: int, higher: bool):
    generator = np.random.default_rng(seed)
    found = places(generator.integers(1, 8, 12), generator.integers(0, 8, 12))
    own = found if higher else [place._replace(value=-place.value) for place in found]
    naive = [
        not any((a.cost <= b.cost and a.value >= b.value) and (a.cost < b.cost or a.value > b.value) for a in found)
        for b in found
    ]
    assert [one.measured for one in front(own, nothing, higher)] == naive
    layer = layers(own, higher)
    assert [number == 0 for number in layer] == naive
    for number in range(1, max(layer) + 1):
        rest = [i for i in range(12) if layer[i] >= number]
        for i in rest:
            beaten = any(beats(own[j], own[i], higher) for j in rest)
            assert beaten == (layer[i] > number)
    order = ranked(own, higher)
    assert [layer[i] for i in order] == sorted(layer)


def test_a_difference_beyond_doubt_makes_a_standing_sure():
    found = places([1, 2, 3, 4], [10, 20, 12, 21])
    sure = front(found, exact(found, 0.5), True)
    assert [one.standing for one in sure] == ["surely", "surely", "no", "surely"]
    assert [one.behind for one in sure] == [None, None, 1, None]
    unsure = front(found, exact(found, 5.0), True)
    assert [one.standing for one in unsure] == ["surely", "surely", "no", "possibly"]
    blind = front(found, exact(found, 50.0), True)
    assert [one.standing for one in blind] == ["surely", "possibly", "possibly", "possibly"]
    assert [one.measured for one in blind] == [True, True, False, True]
    assert blind[2].behind == 1
    assert front(found, nothing, True) == front(found, exact(found, 50.0), True)


def test_costs_that_cannot_be_told_apart_leave_the_front_open():
    found = [Place(1.0, 0.9, 1.3, 10.0), Place(1.2, 1.1, 1.4, 20.0)]
    assert [one.standing for one in front(found, exact(found, 1.0), True)] == ["possibly", "surely"]
    apart = [Place(1.0, 0.9, 1.05, 10.0), found[1]]
    assert [one.standing for one in front(apart, exact(apart, 1.0), True)] == ["surely", "surely"]


def test_points_of_one_cost_stand_against_each_other():
    found = places([2, 2, 2], [5, 9, 7])
    assert [one.standing for one in front(found, exact(found, 1.0), True)] == ["no", "surely", "no"]
    assert [one.behind for one in front(found, exact(found, 1.0), True)] == [1, None, 1]


def test_holm_counts_every_point_that_could_beat_one():
    found = places([1, 1, 1, 1, 2], [5, 5, 5, 9, 4])

    def weak(i: int, j: int) -> Duel:
        value = found[i].value - found[j].value
        return Duel(value, value - 0.5, value + 0.5, 0.02 if {i, j} == {3, 4} else 0.9, 9)

    assert front(found, weak, True)[4].standing == "possibly"
    assert front(found[3:], lambda i, j: weak(i + 3, j + 3), True)[1].standing == "no"


def test_the_knee_is_the_cheapest_point_that_is_not_seen_to_be_worse():
    found = places([1, 2, 4, 8], [5.0, 9.2, 9.8, 10.0])
    for error, place in ((0.1, 3), (0.5, 2), (1.0, 1), (9.0, 0)):
        assert knee(found, exact(found, error), True).place == place
    whole = knee(found, exact(found, 1.0), True)
    assert (whole.best, whole.family, whole.worse, whole.untested) == (3, 3, 1, 0)
    assert whole.duel is not None
    assert whole.duel.value == pytest.approx(-0.8)
    down = [place._replace(value=-place.value) for place in found]
    assert [knee(down, exact(down, e), False).place for e in (0.1, 0.5, 1.0, 9.0)] == [3, 2, 1, 0]


def test_a_point_that_cannot_be_tested_is_not_recommended():
    found = places([1, 2, 3], [1.0, 5.0, 6.0])
    alone = knee(found, nothing, True)
    assert (alone.place, alone.best, alone.duel, alone.untested) == (2, 2, None, 2)
    assert knee(found[:1], nothing, True).place == 0


def test_of_two_points_of_one_cost_the_better_is_recommended():
    found = places([1, 1, 3], [4.0, 5.0, 6.0])
    assert knee(found, exact(found, 9.0), True).place == 1


def test_the_bend_is_farthest_above_the_line_between_the_ends():
    costs = [1, 2, 4, 8, 16]
    values = [1 - 4.0**-k for k in range(5)]  # against log cost the line from end to end rises by 0.249 a doubling
    gaps = [values[k] / values[-1] - k / 4 for k in range(5)]
    assert bend(places(costs, values), True) == int(np.argmax(gaps)) == 1
    assert bend(places(costs, [-v for v in values]), False) == 1
    assert bend(places([1, 2], [1, 2]), True) is None
    assert bend(places([1, 2, 4], [0, 0.1, 1]), True) is None  # the front bends the other way
    assert bend(places([3, 2, 1], [1, 2, 3]), True) is None  # one point beats the others


def test_duels_are_over_the_images_that_both_have():
    a, b = card("m", shift=3.0), card("m", noise=1)
    duels = CardDuels(Matches([a, b]), "hps@scenes")
    found = duels(0, 1)
    assert found is not None
    assert found.value == pytest.approx(3.0, abs=1e-9)
    assert found.n == len(a.images)
    back = duels(1, 0)
    assert back is not None
    assert (back.value, back.low, back.high, back.p) == (-found.value, -found.high, -found.low, found.p)
    part = half(a)
    fewer = CardDuels(Matches([part, b]), "hps@scenes")(0, 1)
    assert fewer is not None
    assert (fewer.n, round(fewer.value, 9)) == (len(part.images), 3.0)
    ratio = CardDuels(Matches([a, b]), "hps@scenes", "aspect=3:2")(0, 1)
    assert ratio is not None
    assert ratio.n == len(a.images) // 2


def test_numbers_of_other_images_or_another_protocol_are_not_compared():
    a, b = card("m"), card("m", noise=2)
    assert CardDuels(Matches([a, b]), "fid@scenes")(0, 1) is not None
    assert CardDuels(Matches([half(a), b]), "fid@scenes")(0, 1) is None
    assert CardDuels(Matches([a, with_metric(b, "hps@scenes", protocol="other")]), "hps@scenes")(0, 1) is None
    assert CardDuels(Matches([a, b]), "kid@scenes")(0, 1) is None


def test_real_scores_of_a_saturating_metric_lead_to_its_knee():
    """Values rise by 4, 2, 0 and 0 with the cost; each image has noise of its own, so that 0 is never measured."""
    cards = [card("m", 40, shift=shift, noise=noise) for noise, shift in enumerate((0.0, 4.0, 6.0, 6.0, 6.0), 1)]
    found = places([1, 2, 4, 8, 16], [mean(one) for one in cards])
    duels = CardDuels(Matches(cards), "hps@scenes")
    assert knee(found, duels, True).place == 2
    standing = [one.standing for one in front(found, duels, True)]
    assert standing[:3] == ["surely", "surely", "surely"]
    assert set(standing[3:]) == {"possibly"}


def half(one: Scorecard) -> Scorecard:
    """The same without the images of every second prompt."""
    kept = tuple(image for image in one.images if int(image.prompt_id[1:]) % 2)
    metric = one.metrics["hps@scenes"]
    values = {image.id: metric.values[image.id] for image in kept}
    fid = one.metrics["fid@scenes"]
    inside = {part: {id: x for id, x in found.items() if id in values} for part, found in fid.influences.items()}
    cut = Scorecard(one.model, one.about, one.run, kept, {**one.metrics})
    cut = with_metric(cut, "fid@scenes", influences=inside)
    return Scorecard(
        cut.model,
        cut.about,
        cut.run,
        kept,
        {**cut.metrics, "hps@scenes": mean_metric(cut.model, "hps@scenes", kept, values)},
    )


def mean(one: Scorecard) -> float:
    values = one.metrics["hps@scenes"].values
    return math.fsum(values.values()) / len(values)


def test_the_recommendation_does_not_depend_on_the_order_of_points():
    base = places([1, 2, 4, 8], [5.0, 9.2, 9.8, 10.0])
    for order in itertools.permutations(range(4)):
        found = [base[i] for i in order]
        assert found[knee(found, exact(found, 1.0), True).place] == base[1]
