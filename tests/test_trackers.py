from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evalsuite import InputError, RunSpec, cli
from evalsuite.errors import Incomplete
from evalsuite.pipeline import Outcome, make
from evalsuite.rows import Row, to_frame
from evalsuite.trackers import TRACKERS
from evalsuite.trackers.base import LoggedImage, Point, scalars
from evalsuite.trackers.log import MOST_IMAGES, config, images, log_outcome, opened
from evalsuite.trackers.tensorboard import FOLDER

HOSTILE = "<script>alert(1)</script> | `x` \x1b[2J"


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """Two models, three images, two rows and a curve."""
    gallery = []
    for number, (model, aspect, index) in enumerate([("m", "1:1", 1), ("m", "1:1", 0), ("o:x", "3:2", 0)]):
        file = tmp_path / f"{number}.png"
        Image.fromarray(np.full((4, 6, 3), 10 * number, np.uint8)).save(file)
        about = {"model": model, "aspect": aspect, "index": index, "prompt_id": "p", "text": HOSTILE}
        gallery.append(about | {"file": str(file), "width": 6, "height": 4})
    rows = to_frame(
        [
            Row("m", "hps@scenes", "all", 1.5, 1.0, 2.0, 3, "points", True, "abc", "t"),
            Row("o:x", "hps@scenes", "aspect=3:2", None, None, None, 0, "points", True, "abc", "t", "nothing"),
        ]
    )
    curves = pd.DataFrame(
        [
            ("m", "guided variance", 1.0, 0.5),
            ("m", "guided variance", 0.25, 0.75),
            ("o:x", "guided variance", 1.0, 2.0),
        ],
        columns=["model", "series", "t", "value"],
    )
    told = {"spec": {"steps": 3, "metrics": ["hps"]}, "versions": {"torch": "2"}, "gallery": gallery, "curves": curves}
    return Outcome(tmp_path, "m on p", ("m", "o:x"), rows, (), 3, 0, told=told)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Install a module that is not one, by name."""

    def install(name: str, **members: Any) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return install


class Recorder:
    """Keeps the calls of any method."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given, **named: self.calls.append((name, given, named))

    def all(self, name: str) -> list[tuple[Any, ...]]:
        return [given for called, given, _ in self.calls if called == name]


class Spy:
    """A tracker of somebody else's."""

    made: list[Spy] = []  # noqa: RUF012
    fails = ""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        Spy.made.append(self)

    def _tell(self, name: str, what: Any) -> None:
        self.told.append((name, what))
        if name == self.fails:
            raise OSError("no route to\nhost")

    def start(self, title: str, config: Any, folder: Path) -> None:
        self._tell("start", (title, config, folder))

    def rows(self, rows: Any) -> None:
        self._tell("rows", rows)

    def images(self, images: Any) -> None:
        self._tell("images", images)

    def curves(self, points: Any) -> None:
        self._tell("curves", points)

    def end(self, failed: bool) -> None:
        self._tell("end", failed)


@pytest.fixture
def spy(package: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> str:
    """Its name."""
    package("my_trackers", Spy=Spy)
    monkeypatch.setattr(Spy, "made", [])
    return "my_trackers:Spy"


def test_a_tracker_is_told_what_the_report_says(spy: str, outcome: Outcome):
    log_outcome([spy], outcome)
    (tracker,) = Spy.made
    assert [name for name, _ in tracker.told] == ["start", "rows", "images", "curves", "end"]
    told = dict(tracker.told)
    assert told["start"][0] == "m on p"
    assert told["start"][1]["spec"] == {"steps": 3, "metrics": ["hps"]}
    assert [row["value"] for row in told["rows"]] == [1.5, None]
    assert type(told["rows"][0]["n"]) is int
    assert [(image.name, image.file.name) for image in told["images"]] == [("p/m 1:1", "1.png"), ("p/o:x 3:2", "2.png")]
    assert told["images"][0].caption == "<script>alert(1)</script> | `x`"
    assert told["curves"][1] == Point("m", "guided variance", 0.25, 0.75)
    assert told["curves"][1].step == 250
    assert told["end"] is False


def test_a_run_logs_the_rows_images_and_curves_that_it_reports(spy: str, tiny: Callable[..., RunSpec]):
    outcome = make(tiny(), scored=True)
    log_outcome([spy], outcome)
    told = dict(Spy.made[0].told)
    report = json.loads((outcome.folder / "results.json").read_text(encoding="utf-8"))
    keys = ("model", "metric", "slice")
    assert sorted(((*(row[k] for k in keys), row["value"]) for row in told["rows"]), key=str) == sorted(
        ((*(row[k] for k in keys), row["value"]) for row in report["rows"]), key=str
    )
    assert {(p.model, p.series, p.t, p.value) for p in told["curves"]} == {
        (p["model"], p["series"], p["t"], p["value"]) for p in report["curves"]
    }
    assert len(told["images"]) == 8
    assert told["start"][1]["spec"]["steps"] == 3
    assert "output_dir" not in told["start"][1]["spec"]


def test_a_tracker_that_fails_is_ended_and_the_others_are_told(spy: str, outcome: Outcome, monkeypatch):
    monkeypatch.setattr(Spy, "fails", "images")
    with pytest.raises(Incomplete, match=r"not logged to my_trackers:Spy: OSError: no route to host; everything is in"):
        log_outcome([spy], outcome)
    assert [name for name, _ in Spy.made[0].told] == ["start", "rows", "images", "end"]
    assert dict(Spy.made[0].told)["end"] is True


def test_an_unknown_or_missing_tracker_is_said_before_any_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny: Callable[..., RunSpec], tmp_path: Path
):
    with pytest.raises(InputError, match="did you mean 'tensorboard'"):
        opened(["tensorbord"])
    assert opened(["", " , "]) == []
    for name in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(InputError, match=rf"--log {name} needs a package that is missing .*: pip install {name}"):
            opened([name])
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        opened(["tensorboard"])
    words = ["run", "--model", "toy", "--limit", "1", "--log", "wandb", "--output-dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "pip install wandb" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_names_come_with_commas_and_each_counts_once(spy: str):
    assert [name for name, _ in opened([f"{spy}, {spy}", spy])] == [spy]
    assert set(TRACKERS.targets()) >= {"tensorboard", "wandb", "mlflow"}
    with pytest.raises(InputError, match="name a class"):
        opened(["evalsuite.trackers:CATALOG"])


def test_no_secret_is_logged(monkeypatch: pytest.MonkeyPatch):
    token, other = "hf_" + "A" * 30, "correct-horse-battery"
    monkeypatch.setenv("MY_API_KEY", other)
    monkeypatch.setenv("SHORT_TOKEN", "a")
    told = {
        "spec": {"models": [f"hub:{token}"], "password": "x", "steps": 3, "path": Path("/a"), "nested": {"Token": 1}},
        "command": f"evalsuite run --model {other} {token}",
        "gallery": "never",
    }
    found = config(told)
    assert token not in json.dumps(found)
    assert other not in json.dumps(found)
    assert found["spec"] == {
        "models": ["hub:[hidden]"], "password": "[hidden]", "steps": 3, "path": "/a", "nested": {"Token": "[hidden]"},
    }  # fmt: skip
    assert found["command"] == "evalsuite run --model [hidden] [hidden]"
    assert "gallery" not in found


def test_images_are_those_of_the_contact_sheets_and_not_too_many():
    about = {"model": "m", "aspect": "1:1", "text": "t", "file": "f"}
    many = [about | {"prompt_id": f"p{n}", "index": index} for n in range(600) for index in (1, 0)]
    assert len(images(many)) == MOST_IMAGES
    assert len({image.name for image in images(many)}) == MOST_IMAGES


def test_scalars_are_numbers_with_their_intervals():
    row = {"metric": "a", "slice": "all", "model": "m", "value": 1, "low": None, "high": 2.0}
    assert scalars([row]) == {"a/all/m": 1.0, "a/all/m/high": 2.0}


def test_tensorboard_keeps_everything_and_a_second_time_nothing_twice(outcome: Outcome):
    from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, TENSORS, EventAccumulator

    log_outcome(["tensorboard"], outcome)
    log_outcome(["tensorboard"], replace(outcome, title="again"))
    (path,) = (outcome.folder / FOLDER).iterdir()
    events = EventAccumulator(str(path), size_guidance={SCALARS: 0, IMAGES: 0, TENSORS: 0})
    events.Reload()
    value = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert value == {
        "hps@scenes/all/m": [(0, 1.5)],
        "hps@scenes/all/m/low": [(0, 1.0)],
        "hps@scenes/all/m/high": [(0, 2.0)],
        "guided variance over 1000 t/m": [(1000, 0.5), (250, 0.75)],
        "guided variance over 1000 t/o:x": [(1000, 2.0)],
    }
    (shown,) = events.Images("p/m 1:1")
    assert (shown.width, shown.height) == (6, 4)
    assert set(events.Tags()["images"]) == {"p/m 1:1", "p/o:x 3:2"}

    def text(tag: str) -> str:
        (event,) = events.Tensors(f"{tag}/text_summary")
        return event.tensor_proto.string_val[0].decode()

    assert text("title") == "again"
    assert "| spec.steps | 3 |" in text("config")
    assert "nothing" in text("rows")
    assert "<script>" not in text("captions")


def test_tensorboard_writes_through_no_link(outcome: Outcome, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (outcome.folder / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Incomplete, match="is a symbolic link"):
        log_outcome(["tensorboard"], outcome)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_weights_and_biases_gets_tables_images_and_plots(
    outcome: Outcome, package: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    run, seen = Recorder(), {}
    run.summary = Recorder()

    def init(**given: Any) -> Recorder:
        seen.update(given)
        return run

    package(
        "wandb",
        init=init,
        Settings=lambda **given: given,
        Table=lambda columns, data: ("table", columns, data),
        Image=lambda path, caption: ("image", Path(path).name, caption),
        plot=SimpleNamespace(line_series=lambda **given: ("plot", given)),
    )
    log_outcome(["wandb"], outcome)
    assert seen["project"] == "evalsuite"
    assert seen["settings"] == {"console": "off", "save_code": False, "disable_git": True}
    assert (seen["name"], seen["dir"]) == ("m on p", str(outcome.folder))
    assert seen["config"]["spec"]["steps"] == 3
    logged = {key: value for (given,) in run.all("log") for key, value in given.items()}
    kind, columns, data = logged["rows"]
    assert (kind, len(data)) == ("table", 2)
    assert data[1][columns.index("value")] is None
    assert logged["images"][0] == ("image", "1.png", "p/m 1:1: <script>alert(1)</script> | `x`")
    assert logged["curves"][2] == [
        ["m", "guided variance", 1.0, 0.5], ["m", "guided variance", 0.25, 0.75], ["o:x", "guided variance", 1.0, 2.0],
    ]  # fmt: skip
    plot = logged["guided variance"][1]
    assert (plot["xs"], plot["ys"], plot["keys"]) == ([[0.25, 1.0], [1.0]], [[0.75, 0.5], [2.0]], ["m", "o:x"])
    assert run.summary.all("update") == [
        ({"hps@scenes/all/m": 1.5, "hps@scenes/all/m/low": 1.0, "hps@scenes/all/m/high": 2.0},)
    ]
    assert run.calls[-1] == ("finish", (), {"exit_code": 0})
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    log_outcome(["wandb"], outcome)
    assert seen["project"] == "mine"


def test_mlflow_gets_parameters_metrics_tables_and_artifacts(
    outcome: Outcome, package: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch
):
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    recorder = Recorder()
    names = ("set_experiment", "start_run", "log_params", "log_dict", "log_metrics", "log_metric", "log_table")
    package("mlflow", **{name: getattr(recorder, name) for name in (*names, "log_artifact", "end_run")})
    log_outcome(["mlflow"], outcome)
    assert recorder.all("set_experiment") == [("evalsuite",)]
    assert recorder.calls[1] == ("start_run", (), {"run_name": "m on p"})
    assert recorder.all("log_params") == [({"spec.steps": "3", "spec.metrics": "['hps']", "versions.torch": "2"},)]
    assert recorder.all("log_metrics") == [
        ({"hps_scenes/all/m": 1.5, "hps_scenes/all/m/low": 1.0, "hps_scenes/all/m/high": 2.0},)
    ]
    tables = {name: data for data, name in recorder.all("log_table")}
    assert tables["rows.json"]["value"] == [1.5, None]
    assert tables["curves.json"]["t"] == [1.0, 0.25, 1.0]
    assert [name for name, _, _ in recorder.calls].count("log_artifact") == 2
    points = [(given, named["step"]) for name, given, named in recorder.calls if name == "log_metric"]
    assert points[1] == (("guided variance over 1000 t/m", 0.75), 250)
    assert points[2][0][0] == "guided variance over 1000 t/o_x"
    assert recorder.calls[-1][:2] == ("end_run", ("FINISHED",))


def test_numbers_whose_names_become_the_same_for_mlflow_are_all_kept(
    outcome: Outcome, package: Callable[..., ModuleType]
):
    recorder = Recorder()
    rows = to_frame(
        [Row(m, "a@b", "all", float(n), None, None, 1, "", True, "p", "t") for n, m in enumerate(["o:x", "o=x"])]
    )
    package("mlflow", **{name: getattr(recorder, name) for name in ("set_experiment", "start_run", "log_params")})
    sys.modules["mlflow"].__getattr__ = lambda name: getattr(recorder, name)  # type: ignore[method-assign]
    log_outcome(["mlflow"], replace(outcome, rows=rows))
    assert recorder.all("log_metrics") == [({"a_b/all/o_x": 0.0, "a_b/all/o_x 2": 1.0},)]


def test_the_option_logs_from_the_command_line(
    spy: str, tiny: Callable[..., RunSpec], capsys: pytest.CaptureFixture[str]
):
    spec = tiny()
    words = ["--model", "tiny_models:conv", "--prompts", spec.prompts, "--pixels", "4096", "--steps", "2", "--log", spy]
    run = ["run", *words, "--metrics", "v_variance", "--aspects", "1:1", "--output-dir", str(spec.output_dir)]
    for command in (run, ["score", str(spec.output_dir), "--log", spy]):
        with pytest.raises(SystemExit) as caught:
            cli.main(command)
        assert caught.value.code == 0
        assert f"logged to {spy}" in capsys.readouterr().err
    first, second = Spy.made
    assert dict(first.told)["rows"] == dict(second.told)["rows"]
    assert dict(first.told)["images"] == dict(second.told)["images"]
    assert isinstance(dict(first.told)["images"][0], LoggedImage)
