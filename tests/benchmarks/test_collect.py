from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from collect import collect, judged, verdict_of

Make = Callable[..., dict[str, Any]]


def test_a_quiet_machine_quotes_both_clocks(document: Make, contenders: list[Any], quiet: Mapping[str, Any]):
    found = collect({"frechet": document(contenders, run=quiet)})
    ours, slow, fast, other, absent = found["rows"]
    assert [row["source"] for row in found["rows"]] == ["frechet"] * 5
    assert (ours["ratio"], ours["verdict"]) == (None, None)
    assert (slow["ratio"]["value"], slow["ratio_wall"]["value"], slow["verdict"]) == (8.0, 8.0, "met")
    assert (fast["ratio"]["value"], fast["verdict"]) == (0.5, "missed")  # losing rows stay
    assert (other["ratio"], absent["cpu_s"]) == (None, None)
    assert [one["arm"] for one in judged(found)] == ["slow | peer", "quick peer"]


def test_a_busy_machine_quotes_cpu_times_alone(document: Make, contenders: list[Any], quiet: Mapping[str, Any]):
    busy = {**quiet, "contended": True, "others": 1.2}
    wall = {"benchmark": "scaling", "name": "start", "value": 2.0, "unit": "s", "clock": "wall_s"}
    wall |= {"low": None, "high": None, "rounds": None, "goal": 3.0, "sense": "most"}
    curve = {"benchmark": "scaling", "panel": "p", "name": "n", "axes": ["x", "s"], "clock": "wall_s", "points": []}
    found = collect({"frechet": document(contenders, [wall, wall | {"clock": "cpu_s"}], [curve], run=busy)})
    assert found["rows"][1]["ratio"]["value"] == 8.0
    assert found["rows"][1]["ratio_wall"] is None
    assert [(one["quoted"], one["verdict"]) for one in found["figures"]] == [(False, None), (True, "met")]
    assert found["figures"][0]["value"] == 2.0  # kept, not quoted
    assert found["curves"][0]["clock"] == "cpu_s"


def test_work_on_a_gpu_is_judged_by_the_wall_and_not_at_all_when_busy(document: Make, contenders: list[Any]):
    rows = [row | {"clock": "wall_s"} for row in contenders]
    quiet, busy = (collect({"xl2": document(rows, load_before=load)})["rows"][1] for load in (0.5, 0.51))
    assert (quiet["ratio"]["value"], quiet["verdict"]) == (8.0, "met")
    assert (busy["ratio"], busy["ratio_wall"], busy["verdict"]) == (None, None, None)


def test_a_machine_of_many_cpus_is_busy_later(document: Make):
    loads = {"few": (2, 2.0), "many": (32, 2.0), "full": (32, 8.1)}
    found = collect({name: document(cpus=cpus, load_before=load) for name, (cpus, load) in loads.items()})
    assert {name: about["contended"] for name, about in found["conditions"].items()} == {
        "few": True, "many": False, "full": True,
    }  # fmt: skip


def test_what_publishing_saw_of_the_machine_wins_over_the_load_that_earlier_benchmarks_left(
    document: Make, quiet: Mapping[str, Any]
):
    conditions = collect({"frechet": document(run=quiet), "alone": document()})["conditions"]
    assert (conditions["frechet"]["contended"], conditions["frechet"]["load_before"]) == (False, 0.1)
    assert (conditions["alone"]["contended"], conditions["alone"]["load_before"]) == (True, 3.0)
    assert conditions["alone"]["others"] is None


def test_a_measurement_of_another_version_is_refused(document: Make):
    with pytest.raises(ValueError, match="frechet has schema 0, not 1: measure it again"):
        collect({"frechet": document() | {"schema": 0}})


@pytest.mark.parametrize(
    ("low", "value", "high", "goal", "sense", "verdict"),
    [
        (2.0, 2.5, 3.0, 2.0, "least", "met"),
        (1.9, 2.5, 3.0, 2.0, "least", "undecided"),
        (1.0, 1.5, 1.9, 2.0, "least", "missed"),
        (None, 2.0, None, 2.0, "least", "met"),
        (1.0, 1.5, 1.9, 2.0, "most", "met"),
        (None, 2.1, None, 2.0, "most", "missed"),
        (1.0, 1.5, 1.9, None, "", None),
        (None, None, None, 2.0, "least", None),
    ],
)
def test_a_goal_is_met_by_the_whole_interval(
    low: float | None, value: float | None, high: float | None, goal: float | None, sense: str, verdict: str | None
):
    assert verdict_of({"low": low, "value": value, "high": high}, goal, sense) == verdict
