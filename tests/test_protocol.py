from __future__ import annotations

import json
from collections.abc import Callable

from evalsuite.encoders.scorer import Scorer
from evalsuite.manifest import Manifest
from evalsuite.pipeline import make
from evalsuite.prepare import Shelf, prepare
from evalsuite.score import protocol
from evalsuite.spec import RunSpec
from evalsuite.wanted import wanted

NOTHING = Scorer(None, None, "", None)


def test_a_measure_of_the_path_rests_on_latents_and_precision():
    measure = wanted("v_variance").measures[0]
    one = protocol(measure, NOTHING, ("euler", "fp32, latents toy"))
    assert "euler; fp32, latents toy" in one
    others = [protocol(measure, NOTHING, ("euler", f"{words}")) for words in ("fp32, latents abc", "bf16, latents toy")]
    assert len({text[:8] for text in (one, *others)}) == 3


def test_a_measure_of_the_images_does_not():
    measure = wanted("hps").measures[0]
    assert protocol(measure, NOTHING, ("fp32",)) == protocol(measure, NOTHING, ("bf16",))


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
