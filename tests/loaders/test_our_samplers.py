"""Our own samplers over a checkpoint guide it as its own samplers do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.sampler import sample, timesteps
from evalsuite import models
from evalsuite.generate import reproducible
from evalsuite.painter import Painter
from evalsuite.prepare import Shelf, prepare
from evalsuite.spec import RunSpec

GUIDANCE = 3.0


@pytest.mark.parametrize(("name", "prompts"), [("flux", "smoke"), ("sana", "smoke"), ("dit", "imagenet")])
def test_midpoint_walks_the_models_own_guided_flow(
    name: str, prompts: str, pipelines: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
):
    path = str(pipelines(name))
    spec = RunSpec(models=(path,), prompts=prompts, limit=1, aspects=("1:1",), pixels=4096, batch_size=1, steps=2)
    manifest = prepare(
        RunSpec(**spec.to_json() | {"sampler": "midpoint", "guidance": GUIDANCE, "device": "cpu"}), Shelf()
    )
    model, (job,) = models.resolve(path), manifest.jobs
    asked, denoise = list[int](), type(model).denoise
    monkeypatch.setattr(type(model), "denoise", lambda self, x, *rest: asked.append(len(x)) or denoise(self, x, *rest))
    with reproducible(1), torch.inference_mode():
        (picture,) = Painter(model, manifest.spec).paint(manifest.units[0])
        rows = list(asked)
        noise = torch.randn(1, *model.latent_shape(64, 64), generator=torch.Generator().manual_seed(job.seed))
        field = model.flow_field(model.encode([job.text]), model.encode([""]), GUIDANCE)
        *_, step = sample(field, noise, timesteps(2, manifest.models[path].shift), "midpoint")
        image = model.decode(step.x).clamp(0, 1).mul(255).round().permute(0, 2, 3, 1).numpy()
    assert np.array_equal(picture.rgb, image[0])
    assert rows == ([1] * 4 if name == "flux" else [2] * 4)  # Flux is told the scale: one prediction is both
