"""Sweeps from their plan to their files, with a model that counts what it is asked."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import sweep_parts
import tiny_models

from evalsuite import generate as generating
from evalsuite import pipeline
from evalsuite.errors import Incomplete, InputError
from evalsuite.progress import Silent
from evalsuite.sweep import bench
from evalsuite.sweep.budget import Budget
from evalsuite.sweep.plan import Ask, plan
from evalsuite.sweep.publish import publish
from evalsuite.sweep.run import Sweep, sweep

Counting = sweep_parts.Counting


def run(ask: Ask, **more: object) -> Sweep:
    return sweep(plan(ask), **more)


def published(ask: Ask, **more: object) -> Sweep:
    return run(ask, write=lambda found: publish(found, Silent()), **more)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> sweep_parts.Clock:
    """Time passes in the model alone, a hundredth of a second a row."""
    found = Counting.clock
    for module in (generating, bench):
        monkeypatch.setattr(module, "time", found.module)
    monkeypatch.setattr(Counting, "each", 0.01)
    return found


def limited(clock: sweep_parts.Clock) -> Callable[[float | None, float], Budget]:
    return lambda limit, spent: Budget(limit, spent, clock)


def test_a_run_that_was_made_before_is_not_made_again_and_a_sweeps_point_is_that_run(asked: Callable[..., Ask]):
    ask = asked(steps=(2,))
    first = plan(ask).points[0]
    rows = pipeline.run(first.manifest.spec)
    made = Counting.rows
    assert made == first.passes * first.images
    found = published(ask)
    planned = sum(point.passes * point.images for point in found.plan.points)
    assert Counting.rows == planned
    found.check()
    for line in found.lines:
        again = pipeline.run(line.point.manifest.spec)
        row = again[(again["metric"] == "grey") & (again["slice"] == "all")].iloc[0]
        mine = line.row("grey")
        assert mine is not None
        assert (mine.value, mine.low, mine.high, mine.n) == (row["value"], row["low"], row["high"], row["n"])
        assert (line.point.folder / "report.md").is_file()
    assert Counting.rows == planned
    assert rows.equals(pipeline.run(first.manifest.spec))


def test_a_repeated_sweep_makes_nothing_and_writes_the_same_bytes(asked: Callable[..., Ask]):
    found = published(asked(steps=(1,), by=("aspect",)))
    before, made = files(found.plan.folder), Counting.rows
    assert set(before) == {"sweep.json", "sweep.csv", "sweep.md", "front.png", "front.svg"}
    again = published(asked(steps=(1,), by=("aspect",)))
    assert Counting.rows == made
    assert files(again.plan.folder) == before
    other = run(asked(guidance=(2.0, 1.0), steps=(1,)))
    assert other.plan.folder == found.plan.folder
    assert Counting.rows == made


def test_the_files_agree_with_each_other(asked: Callable[..., Ask]):
    found = published(asked(guidance=(2.0,), by=("aspect",)))
    document = json.loads((found.plan.folder / "sweep.json").read_bytes())
    lines = list(csv.DictReader((found.plan.folder / "sweep.csv").read_text(encoding="utf-8").splitlines()))
    assert len(document["points"]) == 3
    assert {line["slice"] for line in lines} >= {"all", "aspect=1:1", "aspect=3:2"}
    whole = [line for line in lines if line["slice"] == "all"]
    assert [float(line["value"]) for line in whole] == [
        row["value"] for point in document["points"] for row in point["rows"] if row["slice"] == "all"
    ]
    costs = [float(line["seconds"]) for line in whole]
    assert costs == sorted(costs)
    assert [front["slice"] for front in document["fronts"]] == ["all", "aspect=1:1", "aspect=3:2"]
    front = document["fronts"][0]
    marked = [int(line["point"]) for line in whole if line["recommended"] == "true"]
    assert marked == [front["recommended"]]
    assert [line["front"] for line in whole] == [point["standing"] for point in front["points"]]
    text = (found.plan.folder / "sweep.md").read_text(encoding="utf-8")
    assert all(str(line.point.folder) in text for line in found.lines)
    assert "front.png" in text


def test_an_interrupted_sweep_goes_on_where_it_stopped(asked: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch):
    ask = asked()
    whole = sum(point.passes * point.images for point in plan(ask).points)
    paint = Counting.decode
    calls: list[int] = []

    def decode(self: Counting, latents):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return paint(self, latents)

    monkeypatch.setattr(Counting, "decode", decode)
    with pytest.raises(KeyboardInterrupt):
        run(ask)
    monkeypatch.setattr(Counting, "decode", paint)
    found = run(ask)
    found.check()
    lost = max(point.passes for point in found.plan.points) * 2 * 4  # units that were made and not yet on disk
    assert whole <= Counting.rows <= whole + lost
    assert [line.images for line in found.lines] == [8] * 6


@pytest.mark.parametrize("budget", [0.05, 0.3, 0.9, 1.6, 2.5, 9.0])
def test_a_budget_is_kept_and_what_it_leaves_is_compared_on_common_images(
    asked: Callable[..., Ask], clock: sweep_parts.Clock, budget: float
):
    found = run(asked(budget=budget), budget=limited(clock))
    dearest = max(point.passes for point in found.plan.points) * 2 * 0.01  # a unit of 2 images
    assert clock.now == pytest.approx(0.01 * Counting.rows)
    assert clock.now <= budget + dearest
    assert found.state.spent == pytest.approx(clock.now)
    everything = sum(0.01 * point.passes * point.images for point in found.plan.points)
    assert everything == pytest.approx(1.44)
    compared = [line for line in found.lines if line.status == "compared"]
    pairs = [frozenset((i.prompt_id, i.aspect) for i in line.card.images if i.status == "ok") for line in compared]
    assert len(set(pairs)) <= 1
    if budget > everything * 1.2:
        assert [line.status for line in found.lines] == ["compared"] * 6
    if budget >= 0.9:
        found.check()
        assert all(line.images == 8 for line in compared)
    if budget == 0.05:
        with pytest.raises(Incomplete, match="repeat the command with a larger --budget"):
            found.check()


@pytest.mark.parametrize("seed", range(3))
def test_a_machine_that_slows_down_does_not_break_the_budget(
    asked: Callable[..., Ask], clock: sweep_parts.Clock, monkeypatch: pytest.MonkeyPatch, seed: int
):
    generator, longest, started = random.Random(seed), [0.0], [0.0]
    velocity, decode = Counting.velocity, Counting.decode

    def slow(self: Counting, x, t, condition):
        Counting.each = 0.01 * 10 ** generator.uniform(0, 2)
        return velocity(self, x, t, condition)

    def timed(self: Counting, latents):
        longest[0] = max(longest[0], clock.now - started[0])
        started[0] = clock.now
        return decode(self, latents)

    monkeypatch.setattr(Counting, "velocity", slow)
    monkeypatch.setattr(Counting, "decode", timed)
    found = run(asked(budget=8.0), budget=limited(clock))
    assert clock.now <= 8.0 + longest[0]
    assert found.state.spent == pytest.approx(clock.now)


def test_a_finished_race_is_replayed_and_a_larger_budget_goes_on(asked: Callable[..., Ask], clock: sweep_parts.Clock):
    found = published(asked(budget=0.9), budget=limited(clock))
    assert any(line.status == "dropped" and line.why for line in found.lines)
    before, made = files(found.plan.folder), Counting.rows
    again = published(asked(budget=0.9), budget=limited(clock))
    assert Counting.rows == made
    assert files(again.plan.folder) == before
    more = run(asked(budget=5.0), budget=limited(clock))
    assert more.state.spent == pytest.approx(clock.now)
    assert [line.status for line in more.lines] == ["compared"] * 6
    assert Counting.rows == sum(point.passes * point.images for point in more.plan.points)


def test_a_budget_that_is_spent_stays_spent_and_is_told_in_the_same_bytes(
    asked: Callable[..., Ask], clock: sweep_parts.Clock
):
    found = published(asked(budget=0.3), budget=limited(clock))
    before, made = files(found.plan.folder), Counting.rows
    with pytest.raises(Incomplete):
        found.check()
    again = published(asked(budget=0.3), budget=limited(clock))
    assert Counting.rows == made
    assert files(again.plan.folder) == before


def test_all_points_that_have_anything_are_compared_on_what_all_of_them_have(
    asked: Callable[..., Ask], clock: sweep_parts.Clock
):
    once = sum(point.passes for point in plan(asked()).points) * 2 * 0.01  # a unit of every point
    found = run(asked(budget=once + 0.05), budget=limited(clock))
    assert [line.status for line in found.lines] == ["compared"] * 6
    assert {line.images for line in found.lines} == {2}
    with pytest.raises(Incomplete, match="before any point of sweep_parts:counting has all its images"):
        found.check()


def test_images_that_are_there_cost_a_budget_nothing(asked: Callable[..., Ask], clock: sweep_parts.Clock):
    run(asked())
    clock.now = 0.0
    found = run(asked(budget=0.01), budget=limited(clock))
    assert clock.now == 0
    found.check()
    assert [line.status for line in found.lines] == ["compared"] * 6


def test_a_lost_image_is_made_again(asked: Callable[..., Ask]):
    found = run(asked())
    made = Counting.rows
    victim = found.lines[0].point
    next(victim.folder.glob("images/*/*.png")).unlink()
    again = run(asked())
    assert Counting.rows == made + victim.passes * 2
    assert [line.images for line in again.lines] == [8] * 6


def test_two_models_have_fronts_of_their_own_in_shared_run_folders(asked: Callable[..., Ask]):
    changes = {"models": ("sweep_parts:counting", "tiny_models:conv")}
    found = run(asked(changes=changes, against="passes", metric="grey"))
    assert len({line.point.folder for line in found.lines}) == 6
    assert [one.model for one in found.fronts] == list(changes["models"])
    assert [line.number for line in found.lines] == list(range(1, 13))
    assert all(place.low == place.high for one in found.fronts for place in one.places)
    # the two have the same weights, so that their fronts are the same
    first, second = found.fronts
    assert first.places == second.places
    assert [one.standing for one in first.found] == [one.standing for one in second.found]


def test_a_metric_of_which_less_is_better_turns_the_front_around(asked: Callable[..., Ask]):
    changes = {"metrics": ("sweep_parts:GREY", "sweep_parts:DARK")}
    up = run(asked(changes=changes, against="passes"))
    down = run(asked(changes=changes, against="passes", metric="dark"))
    assert Counting.rows == sum(point.passes * point.images for point in up.plan.points)
    best = {one.best.point.name: one.places[one.knee.best].value for one in (*up.fronts, *down.fronts)}
    values = [line.row("grey").value for line in up.lines]
    assert sorted(best.values()) == [min(values), max(values)]


def test_a_point_that_does_not_fit_into_memory_is_named_and_the_others_are_compared(
    asked: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tiny_models.Hungry, "starving", True)
    ask = asked(changes={"models": ("tiny_models:hungry", "tiny_models:conv")}, against="passes")
    found = run(ask)
    assert [line.status for line in found.lines] == ["failed"] * 6 + ["compared"] * 6
    with pytest.raises(Incomplete, match=r"6 points could not be made .*out of memory at batch 2"):
        found.check()
    monkeypatch.setattr(tiny_models.Hungry, "starving", False)
    again = run(ask)
    again.check()


def test_a_folder_of_another_sweep_or_of_other_things_is_left_alone(asked: Callable[..., Ask], tmp_path: Path):
    out = {"output_dir": str(tmp_path / "mine")}
    run(asked(changes=out))
    made = Counting.rows
    with pytest.raises(InputError, match="has a sweep over other points"):
        run(asked(steps=(1, 2, 4), changes=out))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match=r"holds other things \(thesis.tex\)"):
        run(asked(changes={"output_dir": str(tmp_path / "other")}))
    path = tmp_path / "mine" / "sweep.json"
    for text, message in (("{", "is damaged"), ('{"format": 9}', "format 9"), ('{"format": NaN}', "is damaged")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            run(asked(changes=out))
    assert Counting.rows == made


def test_a_state_with_points_of_nowhere_is_refused(asked: Callable[..., Ask], clock: sweep_parts.Clock):
    found = run(asked(budget=0.9), budget=limited(clock))
    path = found.plan.folder / "sweep.json"
    document = json.loads(path.read_bytes())
    document["state"]["rungs"][0]["kept"][0] = "guidance 99, 1 steps, euler"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="does not fit its points: delete it, images are kept"):
        run(asked(budget=0.9), budget=limited(clock))
