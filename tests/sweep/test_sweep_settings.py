"""Grids, durations, the order of units and the prices of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import sweep_parts

from evalsuite.errors import InputError
from evalsuite.pipeline import generate_images
from evalsuite.progress import Silent
from evalsuite.spec import RunSpec
from evalsuite.sweep.budget import Budget, seconds_of
from evalsuite.sweep.grid import Grid
from evalsuite.sweep.plan import Ask, axes_of, plan
from evalsuite.sweep.point import plan_points
from evalsuite.sweep.rack import Rack
from evalsuite.sweep.timing import along_passes, spread


def read(guidance: str | None = None, steps: str | None = None, sampler: str | None = None) -> Grid:
    return Grid.read({"guidance": guidance, "steps": steps, "sampler": sampler}, RunSpec())


def test_a_list_has_each_value_once_and_an_axis_without_one_has_the_runs_own():
    assert read("4,1, 2,4.0", "5,10,5") == Grid((4.0, 1.0, 2.0), (5, 10), ("auto",))
    assert read(sampler="heun, euler") == Grid((4.0,), (RunSpec().steps,), ("heun", "euler"))
    assert len(read("1,2", "5,10", "euler,heun").specs(RunSpec(output_dir="x"))) == 8
    assert {spec.output_dir for spec in read("1,2").specs(RunSpec(output_dir="x"))} == {None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"guidance": "1,,2"}, "--guidance is '1,,2': write values with commas between them, such as 1,2,4"),
        ({"steps": ""}, "--steps is ''"),
        ({"steps": "5,ten"}, "--steps is 'ten': write a whole number"),
        ({"guidance": "1,101"}, "guidance is 101.0: use a number from 0 to 100"),
        ({"guidance": "nan"}, "guidance is nan"),
        ({"steps": "-1,5"}, "steps is -1: use a whole number from 0 to 1000"),
        ({"sampler": "Euler A"}, "sampler 'Euler A' is no name"),
        ({"steps": ",".join(map(str, range(1, 1000))), "guidance": "1,2"}, "1998 points: a sweep has at most 1000"),
    ],
)
def test_a_value_that_cannot_be_is_said_in_a_line(given: dict[str, str], message: str):
    with pytest.raises(InputError) as caught:
        read(**given).specs(RunSpec())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30min", 1800), ("2h", 7200), ("1h30min", 5400), ("1h 30 m", 5400), ("0.5h", 1800), ("2 MIN", 120)],
)
def test_durations_are_read(text: str, seconds: float):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "min", "-5s", "0s", "1e3s", "inf", "nan", "9999h", "3 days", "1h30"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(InputError, match="--budget is"):
        seconds_of(text)


def test_a_budget_counts_what_goes_on_inside_and_nothing_outside():
    clock = sweep_parts.Clock()
    budget = Budget(10.0, 2.0, clock)
    clock.now = 50.0
    assert budget.left == 8.0
    with budget.spending():
        clock.now += 3
        assert (budget.spent, budget.left) == (5.0, 5.0)
    clock.now = 100.0
    assert (budget.spent, budget.left) == (5.0, 5.0)
    assert Budget(None).left == float("inf")


def test_every_point_makes_its_units_in_one_order_and_any_part_of_it_has_every_ratio(asked: Callable[..., Ask]):
    aspects, models = ("1:1", "3:2", "9:16"), ("toy", "tiny_models:conv")
    changes = {"prompts": "scenes", "limit": 16, "aspects": aspects, "models": models}
    points = plan(asked(changes=changes)).points
    orders = [[[(j.prompt_id, j.aspect, j.index) for j in unit.jobs] for unit in point.units] for point in points]
    assert len(points) == 12
    assert all(order == orders[0] for order in orders)
    assert sorted(unit.key for unit in points[0].units) == sorted(
        unit.key for unit in points[0].manifest.units if unit.model == "toy"
    )
    assert orders[0] != sorted(orders[0])
    for count in range(1, len(orders[0]) + 1):
        ratios = Counter(unit[0][1] for unit in orders[0][:count])
        assert max(ratios.values()) - min(ratios[a] for a in aspects) <= 1


def test_settings_that_make_the_same_images_are_one_point(asked: Callable[..., Ask]):
    found = plan(asked(sampler=("auto", "euler"))).points
    assert len(found) == 6
    assert {point.sampler for point in found} == {"euler"}
    with pytest.raises(InputError, match="one point is no sweep"):
        plan(asked(guidance=(1.0,), steps=(2,), sampler=("auto", "euler")))


def test_what_auto_means_for_one_model_is_no_second_point_of_another(asked: Callable[..., Ask]):
    models = {"models": ("tiny_models:noisy", "tiny_models:conv")}
    found = plan(asked((1.0,), (2,), ("auto", "euler"), models)).points
    assert [(point.model, point.sampler) for point in found] == [
        ("tiny_models:noisy", "ddim"), ("tiny_models:noisy", "euler"), ("tiny_models:conv", "euler"),
    ]  # fmt: skip


def test_a_launcher_of_several_processes_is_refused(asked: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="a sweep is one process"):
        plan(asked())


@pytest.mark.parametrize("sampler", ["euler", "heun", "midpoint"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_passes_are_the_rows_that_the_network_sees(asked: Callable[..., Ask], sampler: str, guidance: float):
    ask = asked((guidance, 0.5), (2,), (sampler,))
    point = next(p for p in plan(ask).points if p.guidance == guidance)
    generate_images(point.manifest.spec)
    assert sweep_parts.Counting.rows == point.passes * point.images


def test_the_last_step_of_a_models_own_heun_is_eulers(asked: Callable[..., Ask]):
    ask = asked((1.0, 2.0), (4,), ("heun",), {"models": ("tiny_models:noisy",)})
    assert [point.passes for point in plan(ask).points] == [7, 14]


def test_a_model_is_built_once_for_all_points(asked: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch):
    built: list[int] = []
    make = sweep_parts.counting
    monkeypatch.setattr(sweep_parts, "counting", lambda: built.append(1) or make())
    ask = asked()
    rack = Rack()
    points = plan_points(ask.grid.specs(ask.spec), rack, Silent())
    first = rack.take(points[0].model, points[0].manifest.spec)
    assert rack.take(points[5].model, points[5].manifest.spec) is first
    assert built == [1]
    rack.drop()
    assert rack.take(points[0].model, points[0].manifest.spec) is not first


def test_a_folder_of_images_cannot_be_swept(asked: Callable[..., Ask], tmp_path):
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    for n in range(4):
        Image.new("RGB", (64, 64), (n, 9, 9)).save(tmp_path / "pictures" / f"p{n:03}.png")
    with pytest.raises(InputError, match="is a folder of images, which no setting changes"):
        plan(asked(changes={"models": (str(tmp_path / "pictures"),), "aspects": ("1:1",)}))


def test_the_metric_is_one_of_the_runs_and_has_a_direction():
    metrics = ("sweep_parts:GREY", "sweep_parts:DARK", "sweep_parts:PLAIN")
    first, dark = axes_of(metrics, None, "seconds"), axes_of(metrics, "dark", "passes")
    assert (first.metric, first.higher, first.against) == ("grey", True, "seconds")
    assert (dark.metric, dark.higher, dark.against) == ("dark", False, "passes")
    with pytest.raises(InputError, match="'kid' is not one of this run's: use grey, dark, or add it to --metrics"):
        axes_of(metrics, "kid", "seconds")
    with pytest.raises(InputError, match="plain: neither direction of it is better; use grey, dark"):
        axes_of(metrics, "plain", "seconds")


def test_times_are_the_median_with_quartiles_and_follow_the_passes():
    assert spread([]) is None
    assert spread([2.0]) == (2.0, 2.0, 2.0, 1)
    assert spread([4.0, 1.0, 3.0, 2.0]) == (2.5, 1.75, 3.25, 4)
    assert along_passes({}, 10) is None
    assert along_passes({10: 2.0}, 40) == 8.0
    assert along_passes({10: 3.0, 20: 5.0, 40: 9.0}, 30) == pytest.approx(7.0, rel=1e-12)
    assert along_passes({10: 2.0, 20: 1.0}, 80) == pytest.approx(4.0)  # a falling line is noise
