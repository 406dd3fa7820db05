"""The recipe of the distilled models: its target is the teacher's walk, and its files are one-pass models."""

from __future__ import annotations

import argparse
import json
from collections import deque
from pathlib import Path

import pytest
import torch
import turbo
from torch.testing import assert_close

from backbones import bundled, pipeline
from backbones.sampler import guided_field, sample, timesteps
from backbones.text import PAD, Tokenizer
from backbones.toy import COLOURS, GaussianWorld
from backbones.training import distil
from backbones.training.generator import Generator
from backbones.training.supply import Supply
from evalsuite import RunSpec, generate_images
from evalsuite.loaders import own


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture
def teacher() -> Generator:
    return Generator(*turbo.generator()).eval().requires_grad_(False)


def options(tmp_path: Path, **more: object) -> argparse.Namespace:
    shared = {"out": tmp_path, "pool": tmp_path / "pool", "steps": 2, "batch": 4, "lr": 1e-3, "ema": 0.9, "seed": 0,
              "warmup": 1, "workers": 0, "device": "cpu", "compile": False, "kind": "dit", "guidance": 4.0,
              "passes": 8, "shift": 1.5}  # fmt: skip
    return argparse.Namespace(**(shared | more))


def test_legs_are_the_samplers_steps_and_their_middles_those_of_twice_as_many():
    legs = distil.legs(8, 1.5)
    assert legs.shape == (8, 3)
    whole, fine = timesteps(8, 1.5), timesteps(16, 1.5)
    assert legs[:, 0].tolist() == pytest.approx(whole[:-1])
    assert legs[:, 1].tolist() == pytest.approx(fine[1::2])
    assert legs[:, 2].tolist() == pytest.approx(whole[1:])


def test_the_target_is_the_closed_form_of_two_guided_steps_in_a_gaussian_world():
    """Guidance 4 away from a null mean of 0 moves the mean to 4 m; v = k(t) (x - (1 - t) 4 m) - 4 m."""
    world, (leg,) = GaussianWorld(), distil.legs(8, 1.5)[3:4].double()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    null, condition = world.encode([""]), world.encode(["red", "blue"])

    def field(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return guided_field(world, condition, null, 4.0)(x, float(t[0])).velocity

    found = distil.mean_velocity(field, x, leg.expand(2, 3))
    t, middle, end = leg.tolist()
    mean = 4 * (2 * torch.tensor([COLOURS["red"], COLOURS["blue"]]) - 1)[:, :, None, None]
    variance = world.deviation**2

    def slope(t: float) -> float:
        return ((1 + variance) * t - variance) / ((1 - t) ** 2 * variance + t**2)

    first = slope(t) * (x - (1 - t) * mean) - mean
    between = x - (t - middle) * first
    second = slope(middle) * (between - (1 - middle) * mean) - mean
    assert_close(found, (x - (between - (middle - end) * second)) / (t - end), atol=1e-6, rtol=0)


def test_the_target_leads_where_the_samplers_two_guided_steps_lead(teacher: Generator):
    legs, x0, e = distil.legs(8, 1.5), *torch.randn(2, 8, 4, 8, 8)
    ids = Tokenizer(turbo.WORDS, 5)(["a red ball", "blue"] * 4)
    x, t, target = distil.point_of(distil.fields_of(teacher, ids, 4.0).guided, x0, e, legs)
    assert torch.equal(t, legs[:, 0])

    class Told:
        def velocity(self, x, t, condition):
            return teacher(x, t, condition["ids"])

    for row, leg in enumerate(legs.tolist()):
        one = slice(row, row + 1)
        assert_close(x[one], (1 - leg[0]) * x0[one] + leg[0] * e[one])
        field = guided_field(Told(), {"ids": ids[one]}, {"ids": torch.full((1, 5), PAD)}, 4.0)
        (last,) = deque(sample(field, x[one], leg), maxlen=1)
        assert_close(x[one] - (leg[0] - leg[2]) * target[one], last.x, atol=1e-5, rtol=0)


def test_a_student_that_is_the_walk_has_no_error_and_the_untouched_teacher_has(teacher: Generator, tmp_path: Path):
    args, legs = options(tmp_path), distil.legs(8, 1.5)
    supply = Supply(turbo.pool(tmp_path / "pool") / "held-out", Tokenizer(turbo.WORDS, 5), 4, 0, "cpu", 0.0)

    def walk(x, t, ids):
        leg = legs[(legs[:, 0] == t[:, None]).int().argmax(1)]
        return distil.mean_velocity(distil.fields_of(teacher, ids, 4.0).guided, x, leg)

    found = distil.held_out(walk, teacher, supply, args, 5)
    assert found["held_out_loss"] == 0
    assert found["teacher_without_guidance"] > found["teacher_in_one_guided_step"] > 0
    as_is = distil.held_out(teacher, teacher, supply, args, 5)
    assert as_is["held_out_loss"] == pytest.approx(found["teacher_without_guidance"])


def test_captions_are_never_dropped(tmp_path: Path):
    supply = Supply(turbo.pool(tmp_path / "pool") / "train", Tokenizer(turbo.WORDS, 5), 64, 0, "cpu", 0.0)
    assert all((supply(step)[1] != PAD).any(1).all() for step in range(8))


def test_a_student_trains_stops_and_goes_on(teacher: Generator, tmp_path: Path):
    turbo.pool(tmp_path / "pool")
    words, before = Tokenizer(turbo.WORDS, 5), {key: value.clone() for key, value in teacher.state_dict().items()}
    supply = Supply(tmp_path / "pool" / "held-out", words, 4, 0, "cpu", 0.0)
    args = options(tmp_path, steps=15, batch=8)
    student = distil.train(args, teacher, words)
    found = distil.held_out(student, teacher, supply, args, 5)
    assert found["held_out_loss"] < 0.8 * found["teacher_without_guidance"]
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())
    again = distil.train(args, teacher, words)  # nothing is left to do
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), student.parameters(), strict=True))
    longer = distil.train(options(tmp_path, steps=17, batch=8), teacher, words)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 16
    assert any(not torch.equal(a, b) for a, b in zip(longer.parameters(), student.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["dit", "unet"])
def test_the_command_s_files_are_a_model_that_asks_once_a_step(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prompt_file
):
    folder = turbo.save(tmp_path / "teacher", kind, kind)
    out, data = tmp_path / f"{kind}-turbo", turbo.pool(tmp_path / "pool")
    words = f"distil {kind} --teacher {folder} --pool {data} --out {out} --steps 2 --batch 4 --warmup 1 --device cpu"
    monkeypatch.setattr("sys.argv", words.split())
    distil.main()
    card = json.loads((out / f"{kind}-turbo.json").read_text())
    teacher = json.loads((folder / f"{kind}.json").read_text())
    assert card["distilled"] == {"guidance": 4.0, "steps": 8, "shift": 1.5, "teacher_sha256": teacher["sha256"]}
    assert (card["kind"], card["vocabulary"], card["config"]) == (kind, teacher["vocabulary"], teacher["config"])
    assert card["measured"].keys() == {"held_out_loss", "teacher_without_guidance", "teacher_in_one_guided_step"}
    assert str(tmp_path) not in json.dumps(card)

    for name in ("vae.json", "vae.safetensors"):
        (out / name).write_bytes((folder / name).read_bytes())
    model = own.load(out, {})
    assert (model.name, model.guided, model.shift) == (f"{kind}-turbo", 4.0, 1.5)
    rows: list[int] = []
    once = pipeline.LatentDiffusion.velocity
    monkeypatch.setattr(pipeline.LatentDiffusion, "velocity", lambda *a: (rows.append(len(a[1])), once(*a))[1])
    run = tmp_path / "run"
    spec = RunSpec(models=(str(out),), prompts=prompt_file(2), aspects=("1:1",), pixels=4096, steps=8, batch_size=2,
                   threads=1, device="cpu", output_dir=str(run))  # fmt: skip
    generate_images(spec)
    assert rows == [2] * 8


def test_a_distilled_teacher_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    folder = turbo.save(tmp_path / "teacher", "dit", distilled=turbo.DISTILLED)
    assert bundled.load("dit", folder).guided == 4.0
    monkeypatch.setattr(
        "sys.argv", ["distil", "dit", "--teacher", str(folder), "--pool", "p", "--out", str(tmp_path / "o")]
    )
    with pytest.raises(SystemExit, match="2"):
        distil.main()
    assert "is distilled already" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
