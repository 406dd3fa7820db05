"""Every family of diffusers, from its folder to scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_diffusers

import evalsuite
from evalsuite.spec import RunSpec


@pytest.mark.parametrize("name", sorted(tiny_diffusers.MAKERS))
def test_a_folder_goes_through_the_whole_run(
    name: str,
    pipelines: Callable[[str], Path],
    tiny: Callable[..., RunSpec],
    class_prompts: str,
    prompt_file: Callable[..., str],
):
    prompts = class_prompts if name == "dit" else prompt_file(3)
    spec = tiny(prompts, models=(str(pipelines(name)),), sampler="auto", metrics=("v_variance", "hps@scenes"))
    rows = evalsuite.run(spec)
    whole = rows[rows["slice"] == "all"].set_index("metric")
    assert whole.loc["v_variance@trajectory", "n"] == 6
    assert whole.loc["v_variance@trajectory", "value"] > 0
    assert whole.loc["hps@scenes", "n"] == 6
