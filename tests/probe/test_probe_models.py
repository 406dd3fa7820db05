"""What models are asked, by what they can tell, and how they are compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("_undrawn")
Probe = Callable[..., tuple[str, str]]
Rows = Callable[[str], dict[tuple[str, str, str], dict[str, str]]]
CONV, TWICE = "probe_models:conv", "probe_models:scaled?scale=2"


def test_differences_are_those_of_the_images_one_by_one(probe: Probe, tmp_path: Path):
    """A model whose velocities are twice another's: its V_noise is four times as large on every image."""
    data = json.loads(probe(CONV, TWICE, "--format", "json")[0])
    numbers = [json.loads(path.read_text()) for path in (tmp_path / "out" / "numbers").iterdir()]
    found = {(d["metric"], d["slice"]): d for d in data["differences"]}
    d = found["probe_v_noise_conditional@bank", "t=0.50"]
    images = sorted([[row[1] for row in each["points"]["conditional"]["v_noise"]] for each in numbers])
    assert np.array(images[1]) == pytest.approx(4 * np.array(images[0]), rel=1e-4)
    apart = np.array(images[0]) - np.array(images[1])
    assert (d["first"], d["second"]) == (CONV, "probe_models:scaled")
    assert d["value"] == pytest.approx(apart.mean(), rel=1e-9)
    assert d["error"] == pytest.approx(apart.std(ddof=1) / 2, rel=1e-9)
    assert d["high"] - d["value"] == pytest.approx(3.182446 * d["error"], rel=1e-6)  # Student's t, 3 degrees of freedom
    slopes = [found["probe_slope_conditional@bank", "t=0.50"][name] for name in ("a", "b")]
    assert slopes[0] == pytest.approx(2 * slopes[1], rel=1e-4)  # twice as strong: half the slope
    assert "probe_v_target@bank" not in {metric for metric, _ in found}


def test_models_of_other_latents_are_compared_without_the_scale(probe: Probe, tmp_path: Path):
    data = json.loads(probe("toy", CONV, "--format", "json")[0])
    compared = {d["metric"].split("@")[0] for d in data["differences"]}
    assert {"probe_r2_conditional", "probe_ns_guided", "probe_slope_unconditional", "probe_cosine_guided"} <= compared
    assert not compared & {
        "probe_mse_conditional",
        "probe_s_guided",
        "probe_v_noise_conditional",
        "probe_bias_conditional",
    }
    assert {refusal["why"] for refusal in data["refused"]} == {"it has the scale of the latents, and theirs differ"}
    assert (tmp_path / "out" / "bank-2.safetensors").is_file()
    assert [bank["latent_space"] for bank in data["about"]["banks"]] == ["toy", "conv"]
    assert len({bank["recipe"] for bank in data["about"]["banks"]}) == 1


def test_three_models_are_compared_pair_by_pair(probe: Probe):
    out = probe(CONV, TWICE, "probe_models:scaled?scale=3", "--format", "json")[0]
    pairs = {(d["first"], d["second"]) for d in json.loads(out)["differences"]}
    assert len(pairs) == 3
    table = probe(CONV, TWICE, "probe_models:scaled?scale=3")[0]
    assert table.count(" minus ") == 3


def test_without_captions_the_null_prompt_alone_is_asked_and_said(probe: Probe):
    data = json.loads(probe(CONV, "--format", "json", told=False)[0])
    assert "The pictures have no captions: only the unconditional field is probed." in data["notes"]
    fields = {row["metric"].split("_")[-1].split("@")[0] for row in data["rows"]} - {"target"}
    assert fields == {"unconditional"}


def test_a_model_without_a_null_prompt_has_a_conditional_field_alone(
    probe: Probe,
    data: str,
    prompt_file: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
):
    classes = prompt_file([{"id": f"p{n}", "text": f"class {n % 2}"} for n in range(4)], "classes.jsonl")
    name = "probe_models:of_classes"
    found = json.loads(probe(name, "--prompts", classes, "--format", "json", told=False)[0])
    assert all("unconditional" not in row["metric"] and "guided" not in row["metric"] for row in found["rows"])
    assert any(row["metric"] == "probe_ns_conditional@path" for row in found["rows"])
    assert "'a ball, number 0' is no class; or --prompts none" in probe(name, code=2)[1]
    assert "has no null prompt and the pictures have no captions" in probe(name, code=2, told=False)[1]


def test_a_model_that_tells_no_velocity_at_the_ends_is_measured_where_it_does_and_so_are_the_others(
    probe: Probe,
):
    out = probe("probe_models:stable", "probe_models:exact_flow", "--steps", "20", "--format", "json")[0]
    data = json.loads(out)
    parts = {row["slice"] for row in data["rows"] if row["metric"] == "probe_mse_conditional@bank"}
    assert parts == {"all", "t=0.50"}
    assert data["about"]["span"] == pytest.approx([0.0283, 0.9360], abs=1e-3)
    notes = " ".join(data["notes"])
    assert (
        "probe_models:stable: a velocity is told at t = 0.028 to 0.936 alone, and all models are measured there"
        in notes
    )
    assert "t = 0.02, 0.98 of the bank left out" in notes
    assert (
        "probe_models:stable: it predicts eps: reading that as a velocity multiplies its error by 1 / (1 - t)." in notes
    )
    both = [
        row["value"] for row in data["rows"] if (row["metric"], row["slice"]) == ("probe_s_conditional@path", "all")
    ]
    assert both[0] == pytest.approx(both[1], rel=1e-4)


@pytest.mark.parametrize("sampler", ["heun", "euler"])
def test_paths_are_walked_by_the_solver_asked_for_and_say_what_it_costs(sampler: str, probe: Probe, rows_of: Rows):
    row = rows_of(probe(CONV, "--sampler", sampler, "--steps", "50", "--format", "csv")[0])[
        CONV, "probe_s_guided@path", "all"
    ]
    assert f"{sampler} 50 steps" in row["protocol"]
    assert ("carries the solver's own error" in row["note"]) == (sampler == "euler")
