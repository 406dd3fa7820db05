from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_runs
from PIL import Image

from evalsuite import cli, scorecard
from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.records import pixel_sha256
from evalsuite.report import collect
from reports import html

DAMAGED = ("{}", "[1]", '{"curves": [1, {"model": "dit"}]}', '{"curves": 3}', "\x00", "[" * 10**5)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return report_runs.write_run(tmp_path / "run", prompts=4)


def edit(run: Path, change: Any) -> None:
    """Change scores.json, and sign it again as anybody can."""
    data = json.loads((run / "scores.json").read_bytes())
    data.pop("sha256")
    change(data)
    text = json.dumps(data | {"sha256": digest(data)}, sort_keys=True)
    (run / "scores.json").write_text(text, encoding="utf-8")


def first_file(run: Path) -> Path:
    return run / str(scorecard.read(run)[0].images[0].file)


def reasons(run: Path) -> set[str]:
    return {image.reason for image in collect([str(run)]).contents.images if image.webp is None}


def test_a_run_is_read_with_its_images_costs_curves_and_recipe(run: Path):
    found = collect([str(run)]).contents
    assert found.labels == ("dit", "unet")
    assert len(found.images) == found.planned == 16
    assert all(image.webp for image in found.images)
    assert [(cost.model, cost.images, cost.seconds) for cost in found.costs] == [("dit", 4, 16.0), ("unet", 4, 16.0)]
    assert len(found.curves) == 12
    (recipe,) = found.recipes
    assert (recipe.source, recipe.settings["steps"]) == ("run", 20)


def test_two_runs_of_the_same_models_keep_their_folders_names(run: Path, tmp_path: Path):
    other = report_runs.write_run(tmp_path / "other", prompts=4)
    found = collect([f"{run}:dit", f"{other}:dit"]).contents
    assert found.labels == ("dit (run)", "dit (other)")
    assert {point["model"] for point in found.curves} == set(found.labels)
    assert len(found.recipes) == 2


def test_settings_that_differ_are_said_where_the_verdict_is(run: Path, tmp_path: Path):
    other = report_runs.write_run(tmp_path / "other", prompts=4)
    edit(other, lambda data: data["cards"][0]["run"]["spec"].update(steps=4))
    page = html.page(collect([f"{run}:dit", f"{other}:dit"], pictures=False).contents)
    said = page.partition("What it cannot say")[2].partition("Scores on all images")[0]
    assert "Settings differ, and a difference may be theirs: steps 20 / 4." in said


def test_metrics_that_are_better_somewhere_come_first_in_the_order_asked_for(run: Path):
    names = [metric.name for metric in collect([str(run)], pictures=False).contents.metrics]
    assert names == ["hps@scenes", "fid@scenes", "v_variance@trajectory"]


def test_one_model_named_twice_is_refused(run: Path):
    with pytest.raises(InputError, match="'dit' is named twice"):
        collect([str(run), f"{run}:dit"])


def test_a_file_of_the_readers_own_is_not_brought_into_a_report(run: Path, tmp_path: Path):
    """Scores from elsewhere name a private image: its pixels are not those that were scored."""
    private = tmp_path / "private.png"
    Image.new("RGB", (64, 64), "red").save(private)
    edit(run, lambda data: data["cards"][0]["images"][0].update(file=str(private)))
    assert reasons(run) == {"changed since it was scored"}


def test_images_made_elsewhere_are_shown_by_their_full_path(run: Path, tmp_path: Path):
    rgb = np.full((64, 64, 3), 7, np.uint8)
    Image.fromarray(rgb).save(tmp_path / "mine.png")
    told = {"file": str(tmp_path / "mine.png"), "pixel_sha256": pixel_sha256(rgb)}
    edit(run, lambda data: data["cards"][0]["images"][0].update(told))
    assert reasons(run) == set()


@pytest.mark.parametrize("name", ["../private.png", "images/../../private.png"])
def test_a_name_that_leads_out_of_the_folder_is_not_followed(run: Path, name: str):
    edit(run, lambda data: data["cards"][0]["images"][0].update(file=name))
    assert reasons(run) == {"its name leads out of the run folder"}


def test_links_are_not_followed(run: Path, tmp_path: Path):
    file = first_file(run)
    file.rename(tmp_path / "moved.png")
    file.symlink_to(tmp_path / "moved.png")
    assert reasons(run) == {"a link leads out of the run folder"}
    file.unlink()
    (tmp_path / "moved.png").rename(run / "inside.png")
    file.symlink_to(run / "inside.png")
    assert all(reason.startswith("not in the run folder") for reason in reasons(run))


def test_a_pipe_makes_nobody_wait(run: Path):
    file = first_file(run)
    file.unlink()
    os.mkfifo(file)
    assert all(reason.startswith("not in the run folder") for reason in reasons(run))


def test_an_image_that_is_damaged_or_changed_is_said_to_be(run: Path):
    file = first_file(run)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert any("damaged" in reason or "not a PNG" in reason for reason in reasons(run))
    Image.new("RGB", (64, 64), "red").save(file)
    assert "changed since it was scored" in reasons(run)


def test_without_any_image_there_is_no_gallery_and_a_note(run: Path):
    for file in (run / "images").iterdir():
        file.unlink()
    found = collect([str(run)]).contents
    assert found.images == ()
    assert any(note.startswith("no image is shown") for note in found.notes)
    assert 'id="images"' not in html.page(found)


@pytest.mark.parametrize(
    "damage", ["{}", "[1]", '{"curves": [1, {"model": "dit"}]}', '{"curves": 3}', "\x00", "[" * 10**5]
)
def test_damaged_curves_and_records_are_left_out(run: Path, damage: str):
    (run / "results.json").write_text(damage, encoding="utf-8")
    for record in (run / "records").iterdir():
        record.write_text(damage, encoding="utf-8")
    found = collect([str(run)], pictures=False).contents
    assert (list(found.curves), list(found.costs)) == ([], [])
    html.page(found)


def test_an_image_made_twice_is_counted_once(run: Path):
    record = json.loads((run / "records" / "0.json").read_bytes())
    record.pop("sha256")
    record["unit"] = "again"
    (run / "records" / "9.json").write_text(json.dumps(record | {"sha256": digest(record)}))
    assert [cost.images for cost in collect([str(run)], pictures=False).contents.costs] == [4, 4]


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def test_a_run_folder_from_anywhere_is_read_or_refused_in_one_line(run: Path):
    """100 changes of one value each, signed again: a page, or an InputError; nothing else."""
    whole = json.loads((run / "scores.json").read_bytes())
    whole.pop("sha256")
    where = [place for place in places(whole) if len(place) > 2]
    draw = random.Random(5)
    refused = []
    for _ in range(100):
        data = copy.deepcopy(whole)
        *way, last = draw.choice(where)
        inside = data
        for key in way:
            inside = inside[key]
        inside[last] = draw.choice([None, "x", "", -1, 0, 1.5, True, [], {}, [[]], {"x": {"y": 1}}, 10**400, "all"])
        (run / "scores.json").write_text(json.dumps(data | {"sha256": digest(data)}))
        try:
            html.page(collect([str(run)], pictures=False).contents)
        except InputError as error:
            refused.append(str(error))
    assert 10 < len(refused) < 100
    assert not any("\n" in said for said in refused)


def test_the_command_writes_the_file_and_prints_its_path(run: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", str(run), "--quiet"])
    assert stop.value.code == 0
    said = capsys.readouterr()
    assert said.out == f"{run / 'report.html'}\n"
    assert said.err == ""
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_command_says_what_it_lacks_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", str(tmp_path / "nowhere")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
