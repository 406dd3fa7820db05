from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from backbones.protocol import PathSettings
from backbones.sampler import guided_field, sample, timesteps
from evalsuite.errors import InputError
from evalsuite.generate import generate, reproducible
from evalsuite.image_set import of_run
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.pipeline import run
from evalsuite.prepare import Shelf, prepare
from evalsuite.progress import Silent
from evalsuite.sampling import Sampling, sampling_of
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore


@pytest.mark.parametrize(
    ("model", "settings", "wanted"),
    [
        (tiny_models.conv, {}, Sampling("euler", 1.5)),
        (tiny_models.conv, {"sampler": "heun", "shift": 2.0}, Sampling("heun", 2.0)),
        (tiny_models.noisy, {}, Sampling("ddim", None)),
        (tiny_models.noisy, {"sampler": "euler", "shift": 2.0}, Sampling("euler", None)),
        (tiny_models.noisy, {"sampler": "midpoint"}, Sampling("midpoint", 1.5)),
        (tiny_models.flow, {}, Sampling("euler", None)),
        (tiny_models.flow, {"shift": 2.0}, Sampling("euler", 2.0)),
        (tiny_models.flow, {"sampler": "midpoint"}, Sampling("midpoint", 3.0)),
        (tiny_models.silent, {}, Sampling("lookup", None)),
    ],
)
def test_a_models_own_samplers_come_first(model: Callable[[], object], settings: dict[str, object], wanted: Sampling):
    assert sampling_of(model(), RunSpec(**settings), "m") == wanted


@pytest.mark.parametrize(
    ("model", "known"),
    [
        (tiny_models.conv, "auto, euler, heun, midpoint"),
        (tiny_models.noisy, r"auto, ddim, dpm\+\+2m, euler, heun, midpoint"),
        (tiny_models.flow, r"auto, euler, dpm\+\+2m, heun, midpoint"),
    ],
)
def test_a_sampler_that_a_model_lacks_is_refused_with_those_it_has(model: Callable[[], object], known: str):
    with pytest.raises(InputError, match=f"'pndm' is not one of model 'm': use {known}$"):
        sampling_of(model(), RunSpec(sampler="pndm"), "m")


def test_a_wrong_sampler_is_told_before_anything_is_written(tiny: Callable[..., RunSpec], tmp_path: Path):
    with pytest.raises(InputError, match="'ddim' is not one of model 'tiny_models:conv'"):
        prepare(tiny(models=("tiny_models:noisy", "tiny_models:conv"), sampler="ddim"), Shelf())
    assert not (tmp_path / "run").exists()


def identity(tiny: Callable[..., RunSpec], **changes: object) -> tuple[Manifest, set[str]]:
    manifest = prepare(tiny(**changes), Shelf())
    return manifest, {unit.key for unit in manifest.units}


def test_what_auto_means_is_recorded_and_is_the_same_run_as_naming_it(tiny: Callable[..., RunSpec]):
    for model, named in ((("tiny_models:noisy",), "ddim"), (("tiny_models:conv",), "euler")):
        (auto, keys), (said, others) = identity(tiny, models=model), identity(tiny, models=model, sampler=named)
        assert auto.models[model[0]].sampler == named
        assert auto.identity()["sampler"] == named
        assert auto.fingerprint == said.fingerprint
        assert keys == others
        assert not keys & identity(tiny, models=model, sampler="heun")[1]
        assert Manifest.from_json(_bytes(auto), "here").models == auto.models


def test_models_of_one_run_have_samplers_of_their_own(tiny: Callable[..., RunSpec]):
    manifest, _ = identity(tiny, models=("tiny_models:noisy", "tiny_models:conv"))
    assert manifest.identity()["sampler"] == {"tiny_models:noisy": "ddim", "tiny_models:conv": "euler"}
    assert manifest.identity()["shift"] == {"tiny_models:noisy": None, "tiny_models:conv": 1.5}
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        said = of_run(store, []).circumstances
    assert said["tiny_models:noisy"][0] == "ddim 3 steps, guidance 4"
    assert said["tiny_models:conv"][0] == "euler 3 steps, shift 1.5, guidance 4"


@pytest.mark.parametrize("change", [{"negative_prompt": "blur"}, {"model_args": ("a=1",)}])
def test_keys_and_identity_see_what_guidance_leads_away_from_and_arguments(
    tiny: Callable[..., RunSpec], change: dict[str, object]
):
    (plain, keys), (other, others) = identity(tiny), identity(tiny, **change)
    assert not keys & others
    assert plain.fingerprint != other.fingerprint


def painted(manifest: Manifest, model: object) -> np.ndarray:
    painter = Painter(model, manifest.spec)
    with reproducible(1):
        return np.stack([picture.rgb for unit in manifest.units for picture in painter.paint(unit)])


@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "euler", "heun"])
def test_an_own_sampler_paints_what_the_models_path_ends_in(tiny: Callable[..., RunSpec], sampler: str):
    model = tiny_models.noisy()
    manifest = prepare(tiny(models=("tiny_models:noisy",), aspects=("1:1",), prompts=3, sampler=sampler), Shelf())
    (unit,) = manifest.units
    with reproducible(1), torch.inference_mode():
        noise = torch.stack([torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(j.seed)) for j in unit.jobs])
        condition, null = model.encode([job.text for job in unit.jobs]), model.encode([""])
        *_, step = model.path(noise, condition, null, PathSettings(3, 4.0, sampler))
        images = model.decode(step.x).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(painted(manifest, model), images)


def test_our_midpoint_walks_the_flow_of_a_noise_predicting_model(tiny: Callable[..., RunSpec]):
    model = tiny_models.noisy()
    change = {"models": ("tiny_models:noisy",), "aspects": ("1:1",), "prompts": 1, "batch_size": 1}
    manifest = prepare(tiny(sampler="midpoint", **change), Shelf())
    (job,) = manifest.jobs
    with reproducible(1), torch.inference_mode():
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(job.seed))
        field = guided_field(model, model.encode([job.text]), model.encode([""]), 4.0)
        *_, step = sample(field, noise, timesteps(3, 1.5), "midpoint")
        images = model.decode(step.x).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(painted(manifest, model), images)


def test_a_negative_prompt_takes_the_place_of_the_null_prompt(tiny: Callable[..., RunSpec]):
    model = tiny_models.conv()
    manifest = prepare(tiny(negative_prompt="a blurred ball", aspects=("1:1",)), Shelf())
    led = painted(manifest, model)
    assert "a blurred ball" in model.encoded
    assert "" not in model.encoded
    plain = painted(prepare(tiny(aspects=("1:1",)), Shelf()), tiny_models.conv())
    assert not np.array_equal(led, plain)


def test_a_step_that_tells_no_velocity_is_left_out_of_the_trace(tiny: Callable[..., RunSpec]):
    """Without signal at the end of its schedule, the first levels of an eps prediction lie beyond t = 0.98."""
    model = tiny_models.zero_snr()
    manifest = prepare(tiny(models=("tiny_models:zero_snr",), sampler="euler", steps=40, aspects=("1:1",)), Shelf())
    trace = Painter(model, manifest.spec).paint(manifest.units[0])[0].trace
    assert len(trace["t"]) == len(trace["guided"]["power"]) < 40
    assert max(trace["t"]) <= 0.98
    assert sum(trace["weight"]) == pytest.approx(1)
    assert np.isfinite(trace["guided"]["power"] + [trace["guided"]["straightness"]]).all()


def test_an_image_without_any_velocity_is_kept_and_not_scored_for_variance(tiny: Callable[..., RunSpec]):
    rows = run(tiny(models=("tiny_models:silent",), aspects=("1:1",)))
    assert set(rows["n"]) == {0}
    manifest = prepare(tiny(models=("tiny_models:silent",), aspects=("1:1",)), Shelf())
    with RunStore.open(Path(manifest.spec.output_dir)) as store:
        assert {found.image["status"] for found in store.images()} == {"ok"}
        assert {found.image["trace"] for found in store.images()} == {None}


def test_a_latent_that_is_not_finite_shows_without_a_trace(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
):
    model = tiny_models.silent()
    monkeypatch.setattr(model, "decode", lambda latents: torch.rand(3, 3, 64, 64))
    manifest = prepare(tiny(models=("tiny_models:silent",), aspects=("1:1",)), Shelf())
    monkeypatch.setattr(torch, "randn", lambda *_, **__: torch.full((4, 8, 8), float("nan")))
    assert {picture.status for picture in Painter(model, manifest.spec).paint(manifest.units[0])} == {"nonfinite"}


@pytest.mark.parametrize("model", ["noisy", "flow"])
def test_a_model_with_its_own_scheme_goes_through_the_whole_run(tiny: Callable[..., RunSpec], model: str):
    rows = run(tiny(models=(f"tiny_models:{model}",)))
    assert (rows["metric"] == "v_variance@trajectory").any()
    assert np.isfinite(rows["value"].astype(float)).all()


def test_making_the_rest_of_a_run_needs_the_same_sampler(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(models=("tiny_models:noisy",)), Shelf())
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        assert generate(store, lambda name: tiny_models.noisy(), Silent()) == ()
    other = prepare(tiny(models=("tiny_models:noisy",), sampler="dpm++2m"), Shelf())
    with pytest.raises(
        InputError, match=r"sampler \(dpm\+\+2m here, ddim there\)|sampler \(ddim here, dpm\+\+2m there\)"
    ):
        RunStore.create(Path(manifest.spec.output_dir), other)


def _bytes(manifest: Manifest) -> bytes:
    from evalsuite.digest import canonical

    return canonical(manifest.to_json())
