from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from evalsuite.encoders.scorer import Scorer
from evalsuite.manifest import Manifest
from evalsuite.pipeline import make
from evalsuite.prepare import Shelf, prepare
from evalsuite.score import measures_of, protocol
from evalsuite.spec import RunSpec

NOTHING = Scorer(None, None, "", None)


def test_a_measure_of_the_path_rests_on_latents_and_precision():
    measure, spec = measures_of("v_variance")[0], RunSpec()
    one = protocol(measure, NOTHING, spec, "toy")
    assert "fp32, latents toy" in one
    others = [protocol(measure, NOTHING, spec, "abc"), protocol(measure, NOTHING, replace(spec, dtype="bf16"), "toy")]
    assert len({text[:8] for text in (one, *others)}) == 3


def test_a_measure_of_the_images_does_not():
    measure = measures_of("hps")[0]
    assert protocol(measure, NOTHING, RunSpec(), "toy") == protocol(measure, NOTHING, RunSpec(dtype="bf16"), "abc")


def test_a_run_remembers_the_latents_of_its_models(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(models=("tiny_models:conv", "toy")), Shelf())
    again = Manifest.from_json(json.dumps(manifest.to_json()).encode(), "run.json")
    assert {name: facts.latent_space for name, facts in again.models.items()} == {"tiny_models:conv": "", "toy": "toy"}


def test_models_of_different_latents_are_not_comparable(tiny: Callable[..., RunSpec]):
    outcome = make(tiny(models=("tiny_models:conv", "toy")), scored=True)
    assert outcome.rows is not None
    protocols = {row.model: row.protocol for row in outcome.rows.itertuples() if row.metric == "v_variance@trajectory"}
    assert "latents toy" in protocols["toy"]
    own = outcome.manifest.models["tiny_models:conv"].fingerprint[:12]
    assert f"latents {own}" in protocols["tiny_models:conv"]
    assert protocols["toy"][:8] != protocols["tiny_models:conv"][:8]
