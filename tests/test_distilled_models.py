"""Models whose predictions carry guidance, from the command line to the report: asked once, told so, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import turbo

import backbones
from backbones import bundled, distilled, pipeline
from backbones.pipeline import LatentDiffusion
from backbones.sampler import Field, guided_field, mean_field
from backbones.toy import GaussianWorld
from evalsuite import RunSpec, generate_images
from evalsuite.cli import main
from evalsuite.cost.find import find
from evalsuite.errors import InputError
from evalsuite.estimate_cost import estimate
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, prepare
from evalsuite.spec import TURBO, suited_steps
from evalsuite.sweep.grid import Grid
from evalsuite.sweep.plan import Ask
from evalsuite.sweep.plan import plan as sweep_plan


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


def command(*words: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return turbo.save(tmp_path_factory.mktemp("models") / "dit-turbo", "dit-turbo", distilled=turbo.DISTILLED)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return turbo.save(tmp_path_factory.mktemp("models") / "teacher", "teacher")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every pass from now on."""
    found: list[int] = []
    once = LatentDiffusion.velocity

    def counted(self: LatentDiffusion, x: torch.Tensor, *rest: object) -> torch.Tensor:
        found.append(len(x))
        return once(self, x, *rest)

    monkeypatch.setattr(pipeline.LatentDiffusion, "velocity", counted)
    return found


@pytest.fixture
def run(tiny: Callable[..., RunSpec], folder: Path) -> Callable[..., RunSpec]:
    """Two images at one size, in one unit."""

    def make(**changes: object) -> RunSpec:
        settings = {"models": (str(folder),), "prompts": 2, "aspects": ("1:1",), "batch_size": 2, "steps": 8}
        return tiny(**settings | changes)

    return make


class Carrying(GaussianWorld):
    guided = 4.0


def test_a_field_that_carries_guidance_is_asked_once_and_tells_none_without():
    world, x = Carrying(), torch.randn(2, 3, 4, 4)
    condition, null = world.encode(["red", "blue"]), world.encode([""])
    field = guided_field(world, condition, null, 4.0)(x, 0.6)
    assert torch.equal(field.velocity, world.velocity(x, torch.full((2,), 0.6), condition))
    assert field.conditional is None
    assert mean_field(field, field).conditional is None
    with pytest.raises(ValueError, match="predictions of 'toy' carry guidance 4: 1 cannot be had of it"):
        guided_field(world, condition, null, 1.0)


def test_a_mean_with_a_field_that_tells_none_without_guidance_tells_none():
    one = torch.ones(1)
    assert mean_field(Field(one, 3 * one), Field(3 * one, None)) == Field(2 * one, None)


@pytest.mark.parametrize(
    "said", [{}, {"guidance": 4.0, "steps": 0, "shift": 1.5}, {"guidance": 4.0, "steps": 8.5, "shift": 1.5},
             {"guidance": "4", "steps": 8, "shift": 1.5}, {"guidance": float("nan"), "steps": 8, "shift": 1.5}, 4]
)  # fmt: skip
def test_a_card_that_says_half_of_it_is_refused(said: object):
    with pytest.raises(ValueError, match=r"card of x: distilled is .*: wants guidance, steps and shift"):
        distilled.of_card({"name": "x", "distilled": said})


def test_the_fingerprint_sees_what_a_model_was_distilled_for(folder: Path):
    whole = bundled.load("dit-turbo", folder)
    parts = whole.denoiser, whole.text, whole.tokenizer, whole.vae
    others = (None, distilled.Distilled(guidance=3, steps=8, shift=1.5))
    prints = {LatentDiffusion("a", *parts, each).fingerprint for each in others}
    assert len({whole.fingerprint, *prints}) == 3


def test_a_run_makes_one_pass_a_step_and_says_that_it_is_distilled(
    run: Callable[..., RunSpec], rows: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    spec = run()
    generate_images(spec)
    assert rows == [2] * 8
    facts = Manifest.read(tmp_path / "run").models[spec.models[0]]
    assert (facts.guided, facts.sampler, facts.shift) == (4.0, "euler", 1.5)
    assert facts.notes == ("distilled: guidance 4 in every prediction, 8 Euler steps of shift 1.5",)
    (record,) = (tmp_path / "run" / "records").glob("*.json")
    for image in json.loads(record.read_text())["images"]:
        assert image["trace"]["conditional"] is None
        assert len(image["trace"]["guided"]["power"]) == 8

    assert command("score", str(tmp_path / "run"), "--metrics", "v_variance", "--format", "json", "--quiet") == 0
    found = {row["metric"]: row for row in json.loads(capsys.readouterr().out)["rows"] if row["slice"] == "all"}
    guided, conditional = found["v_variance@trajectory"], found["v_variance_conditional@trajectory"]
    assert guided["value"] > 0
    assert "guidance 4, distilled" in guided["protocol"]
    assert "a property of this sampler and step count" in guided["note"]
    assert "--sampler midpoint" not in guided["note"]
    assert (conditional["value"], conditional["n"]) == (None, 0)
    assert "predictions of a distilled model carry guidance: it tells none without" in conditional["note"]
    results = (tmp_path / "run" / "results.json").read_text()
    assert "guidance 4, distilled" in results
    assert "guided variance" in results
    assert "conditional variance" not in results


def test_a_teacher_beside_it_is_asked_twice_and_its_velocity_is_told(
    run: Callable[..., RunSpec], folder: Path, teacher: Path, rows: list[int], tmp_path: Path
):
    generate_images(run(models=(str(teacher), str(folder))))
    assert rows == [4] * 8 + [2] * 8
    notes = {Path(name).name: facts.notes for name, facts in Manifest.read(tmp_path / "run").models.items()}
    assert notes["teacher"] == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"guidance": 1.0}, "--guidance 1: model .* carry guidance 4 and have no other: use --guidance 4, or the model"),
     ({"guidance": 7.5}, "--guidance 7.5: model"),
     ({"negative_prompt": "a red ball"}, "--negative-prompt: model .* would change nothing: leave it out")],
)  # fmt: skip
def test_what_it_cannot_do_is_said_before_anything_is_written(
    run: Callable[..., RunSpec], tmp_path: Path, changes: dict[str, object], words: str
):
    with pytest.raises(InputError, match=words):
        generate_images(run(**changes))
    assert not (tmp_path / "run").exists()


def test_the_command_line_refuses_another_guidance_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["run", "--model", str(folder), "--guidance", "2", "--output-dir", str(tmp_path / "run")]
    assert command(*words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is distilled, its predictions carry guidance 4" in line


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"steps": 20}, "20 steps of euler of shift 1.5"), ({"sampler": "heun"}, "8 steps of heun of shift 1.5"),
     ({"shift": 1.0}, "8 steps of euler of shift 1 that")],
)  # fmt: skip
def test_steps_that_it_was_not_made_for_are_made_and_said(
    run: Callable[..., RunSpec], changes: dict[str, object], words: str
):
    (facts,) = prepare(run(**changes), Shelf()).models.values()
    (note,) = facts.notes
    assert f"not made for the {words}" in note


def test_an_estimate_times_passes_of_one_row(run: Callable[..., RunSpec], rows: list[int]):
    estimate(run())
    assert set(rows) == {2}


def test_a_sweep_counts_one_row_a_prediction_and_refuses_other_scales(
    run: Callable[..., RunSpec], folder: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    spec = run(models=(str(teacher), str(folder)), metrics=("hps",))
    points = sweep_plan(Ask(spec=spec, grid=Grid((4.0,), (4, 8), ("euler",)))).points
    assert [point.passes for point in points] == [8, 16, 4, 8]
    with pytest.raises(InputError, match=r"--guidance 1: model .*dit-turbo.* is distilled"):
        sweep_plan(Ask(spec=spec, grid=Grid((4.0, 1.0), (8,), ("euler",))))


def test_a_cost_counts_one_row_a_prediction_and_refuses_other_scales(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked = ["--sizes", "64", "--steps", "8", "--no-measure", "--quiet", "--output-dir", str(tmp_path)]
    assert command("cost", str(folder), "--format", "json", *asked) == 0
    found = json.loads(capsys.readouterr().out)
    (note,) = {row["note"] for row in found["rows"] if "predictions of" in row["note"]}
    assert note == "8 predictions of 1 row; text and VAE once"
    assert any("distilled: guidance 4 in every prediction, 8 Euler steps" in note for note in found["notes"])
    assert command("cost", str(folder), "--guidance", "2", *asked) == 2
    assert "is distilled, its predictions carry guidance 4" in capsys.readouterr().err
    named = f"{folder}?vae={folder / 'vae.safetensors'}"  # arguments make it load
    assert find(named).guided == 4.0


def test_a_probe_refuses_what_tells_no_conditional_velocity(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert command("probe", str(folder), "--output-dir", str(tmp_path / "probe"), "--quiet") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "probe the model that it was distilled from" in line
    assert not (tmp_path / "probe").exists()


def test_runs_of_distilled_models_alone_take_their_steps():
    assert suited_steps(TURBO) == suited_steps(("dit-turbo?positions=scaled",)) == turbo.DISTILLED["steps"]
    assert suited_steps(("dit", "dit-turbo")) == suited_steps(("dit",)) == 10
    assert suited_steps(("dit-turbo", "toy")) == 20


@pytest.mark.parametrize("name", [name for name in TURBO if name in backbones.ABSENT])
def test_one_that_is_not_in_this_package_is_not_listed_and_asking_says_so(
    name: str, capsys: pytest.CaptureFixture[str]
):
    assert command("list", "models") == 0
    assert name not in capsys.readouterr().out
    for words in (["show", name], ["run", "--model", name], ["cost", name]):
        assert command(*words) == 2
        assert f"model '{name}': its weights are not in this package" in capsys.readouterr().err
    with pytest.raises(KeyError, match="not in this package"):
        backbones.load(name)
    with pytest.raises(ValueError, match="not in this package"):
        getattr(bundled, name.replace("-", "_"))()


@pytest.mark.parametrize("name", [name for name in TURBO if name in backbones.CATALOG])
def test_one_that_is_in_this_package_is_what_its_name_says(name: str):
    model = backbones.load(name)
    assert model.distilled == distilled.Distilled(guidance=4.0, steps=suited_steps((name,)), shift=1.5)


def test_files_in_the_package_make_it_a_model_of_that_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert backbones._shipped(folder).keys() == {"dit-turbo"}
    monkeypatch.setattr(backbones, "CATALOG", {**backbones.CATALOG, "dit-turbo": "backbones.bundled:dit_turbo"})
    monkeypatch.setattr(bundled, "ABSENT", {})
    monkeypatch.setattr(bundled.load, "__defaults__", (folder, None, "centred"))
    assert Shelf().take("dit-turbo", RunSpec(device="cpu", dtype="fp32")).guided == 4.0
