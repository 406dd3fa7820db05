from __future__ import annotations

import json
from pathlib import Path

import pytest
import results
from pairing import Timing
from results import Comparison, Limit

ABOUT = Comparison("frechet", "full rank", "ours", "image", 4, "relative", 1e-5, variants=("ours, cached",))
TIMES = [
    Timing(arm, number, 3 * seconds, seconds)
    for arm, seconds in (("ours", 2.0), ("ours, cached", 1.0), ("peer", 6.0), ("wrong", 1.0))
    for number in range(3)
]
OFF = {"ours": 0.0, "ours, cached": 0.0, "peer": 1e-6, "wrong": 1e-3}


def test_times_are_per_unit_and_ratios_over_ours():
    ours, cached, peer, _ = results.rows(ABOUT, TIMES, OFF, {"peer": 2.0})
    assert (ours["cpu_s"], ours["wall_s"], ours["ratio"]) == (0.5, 1.5, None)
    assert peer["ratio"]["cpu_s"]["value"] == pytest.approx(3)
    assert (peer["goal"], peer["rounds"], peer["peer"]) == (2.0, 3, True)
    assert (cached["peer"], cached["ratio"]["wall_s"]["value"]) == (False, pytest.approx(0.5))


def test_different_work_has_no_ratio_and_says_so():
    wrong = results.rows(ABOUT, TIMES, OFF, notes={"wrong": "batch 8"})[-1]
    assert wrong["ratio"] is None
    assert wrong["note"] == "batch 8; different work"
    untimed = results.rows(ABOUT, [timing for timing in TIMES if timing.arm != "wrong"], OFF)[-1]
    assert (untimed["arm"], untimed["cpu_s"], untimed["rounds"]) == ("wrong", None, 0)


def test_the_share_of_the_limit_is_work_over_time_over_peak():
    ours = results.rows(ABOUT, TIMES, OFF, limit=Limit(flops=50e9, peak=400.0, threads=2))[0]
    assert ours["share"] == pytest.approx(50 * 2 / 0.5 / 400)  # CPU time of two threads
    on_gpu = Comparison("sampling", "case", "ours", "image", 4, clock="wall_s")
    assert results.rows(on_gpu, TIMES, limit=Limit(50e9, 400.0, 2))[0]["share"] == pytest.approx(50 / 1.5 / 400)


def test_an_arm_whose_package_is_not_here_is_a_row():
    row = results.not_run(ABOUT, "hpsv2.score", "hpsv2")
    assert row.keys() == results.rows(ABOUT, TIMES)[0].keys()
    assert (row["cpu_s"], row["ratio"], row["note"]) == (None, None, "not run: hpsv2 is not installed")
    assert results.installed("json")
    assert not results.installed("no_such_package")


def test_a_file_has_no_places_of_this_machine_and_no_number_that_is_none(tmp_path: Path):
    file, figures = tmp_path / "out.json", [results.figure("frechet", "a", 1.0, "s", "cpu_s", most=2.0)]
    settings = {"json": file, "folder": None, "rounds": 3}
    results.write(file, "frechet", {"cpu": "x"}, settings, results.rows(ABOUT, TIMES), figures, timings=TIMES)
    found = json.loads(file.read_text())
    assert found["settings"] == {"rounds": 3}
    assert (found["figures"][0]["goal"], found["figures"][0]["sense"]) == (2.0, "most")
    assert len(found["timings"]) == len(TIMES)
    with pytest.raises(ValueError, match="JSON compliant"):
        results.write(file, "frechet", {}, {}, (), [results.figure("frechet", "a", float("nan"), "s")])
