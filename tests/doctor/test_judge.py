from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import seeing

from evalsuite.doctor.draws import Draw, mean_of
from evalsuite.doctor.effects import effect, p_value, spread
from evalsuite.doctor.interventions import TABLE
from evalsuite.doctor.judge import Known, Looked, reports
from evalsuite.paired import Contrast, of_means
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores

NAME = seeing.CHANCE.card.name


def scores(
    values: Mapping[str, float], influences: Mapping[str, float] | None = None, value: float = 0.0
) -> MetricScores:
    mean = math.fsum(values.values()) / len(values) if values else value
    n = len(values) or len(influences or ())
    row = Row("m", NAME, "all", mean, None, None, n, "", True, "p", "")
    return MetricScores(NAME, "", "", True, "p", (row,), values, influences={"all": influences} if influences else {})


def table_of(random: np.random.Generator, clusters: int, per_cluster: int, drift: float = 0.0) -> bool:
    """Whether a table of one metric that answers by chance sees anything, or anything the wrong way."""
    ids = {f"{c}|{i}": str(c) for c in range(clusters) for i in range(per_cluster)}
    before = scores({name: float(random.normal()) for name in ids})
    looked = []
    for intervention in (one for one in TABLE if one.kind == "pixels"):
        for number, level in enumerate(intervention.levels):
            shared = {c: random.normal() for c in set(ids.values())}
            after = {name: before.values[name] + shared[c] + random.normal() for name, c in ids.items()}
            moved = {name: value - drift * (number + 1) for name, value in after.items()}
            looked.append(Looked(intervention, level, {NAME: scores(moved)}))
    judged = reports([seeing.CHANCE], {NAME: before}, looked, Known(ids, {}, {}))
    assert (len(judged.metrics), judged.tests, judged.by_t) == (1, 18, False)
    (metric,) = judged.metrics
    found = [f.sight for ladder in metric.ladders.values() for f in ladder.findings]
    return any(sight in ("seen", "wrong") for sight in found)


def test_a_metric_that_answers_by_chance_sees_anything_in_at_most_one_table_of_twenty():
    random = np.random.default_rng(0)
    alarms = [table_of(random, clusters=8, per_cluster=3) for _ in range(120)]
    assert sum(alarms) <= 11  # 0.05 x 120 and two standard errors
    assert table_of(random, clusters=8, per_cluster=3, drift=4.0)


def test_an_effect_is_the_paired_difference_by_cluster():
    before, after = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.0, "b": 1.5, "d": 9.0}
    found = effect(scores(before), scores(after), {"a": "x", "b": "y", "c": "z"})
    assert isinstance(found, Contrast)
    assert (found.value, found.n, found.clusters) == (-0.75, 2, 2)
    assert effect(scores(before), scores({"d": 1.0}), {}) == "single images say nothing of it"
    assert effect(scores(before), scores({"a": math.nan}), {"a": "x"}) == "a value is not a finite number"


def test_the_scatter_of_a_reference_widens_a_distance_as_that_of_the_images_does():
    before = scores({}, {"a": -0.1, "b": 0.1}, 1.0)
    after = scores({}, {"a": 0.3, "b": -0.3}, 3.0)
    clusters = {"a": "x", "b": "y"}
    alone, same = effect(before, after, clusters), effect(before, after, clusters, references=2)
    assert isinstance(alone, Contrast)
    assert isinstance(same, Contrast)
    assert alone.value == same.value == 2.0
    assert same.error == pytest.approx(math.sqrt(2) * alone.error)  # type: ignore[operator]
    # A copy of b in the place of a depends on b's prompt: nothing is left of a but what was.
    copied = effect(before, after, clusters, {"a": "y", "b": "y"})
    assert isinstance(copied, Contrast)
    assert sorted(copied.influences) == pytest.approx([-0.1, 0.1])


def test_p_is_by_sign_flips_where_they_reach_the_level_and_else_by_students_t():
    found = of_means([1.0, 1.1, 0.9, 1.05, 0.95, 1.0], None, range(6))
    assert p_value(found, 1) == found.p() == 2 / 64
    by_t = p_value(found, 40)
    assert by_t is not None
    assert by_t < 1e-5
    assert p_value(of_means([1.0], None, ["only"]), 5) is None
    assert p_value(of_means([0.0, 0.0], None, [0, 1]), 50) == 1.0


def test_the_spread_is_the_standard_deviation_of_single_images():
    assert spread(scores({"a": 1.0, "b": 3.0})) == pytest.approx(math.sqrt(2))
    assert spread(scores({"a": 1.0, "b": 1.0})) is None
    assert spread(scores({"a": 1.0})) is None


def test_the_mean_of_draws_has_the_error_of_a_mean():
    """Two draws in which images move by opposite amounts: nothing is left of the choice in their mean."""
    draws = [
        Draw({NAME: scores({}, {"a": sign, "b": -sign}, value)}, {"a": "x", "b": "y"})
        for sign, value in ((1.0, 2.0), (-1.0, 4.0))
    ]
    found, sources = mean_of(draws)
    row = found[NAME].row()
    assert row is not None
    assert (row.value, row.method) == (3.0, "mean over 2 draws")
    before = scores({}, {"a": 0.5, "b": -0.5}, 1.0)
    change = effect(before, found[NAME], {"a": "x", "b": "y"}, sources)
    assert isinstance(change, Contrast)
    assert change.value == 2.0
    assert sorted(change.influences) == pytest.approx([-0.5, 0.5])
    without = replace(draws[0].scores[NAME], rows=(replace(row, value=None),))
    assert mean_of([Draw({NAME: without}, {}), draws[1]]).scores[NAME] is without
