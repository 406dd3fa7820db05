"""Our images of a diffusers folder against those of diffusers' own pipeline, at the same noise, steps and guidance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_diffusers
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from torch import Tensor

from backbones.protocol import PathSettings
from evalsuite import models

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept")  # diffusers' own, of NumPy 2

STEPS = 4
TEXTS = ("a red ball on 3 tables", "the sea")
AVOIDED = "blur, text"
CLASSES = ("goldfish", "class 2")
SIZES = ((64, 64), (96, 64))
SAMPLERS = {
    "ddim": DDIMScheduler,
    "dpm++2m": DPMSolverMultistepScheduler,
    "euler": EulerDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
}


def noise_of(model: Any, width: int, height: int, batch: int) -> Tensor:
    """As a run draws it: every image's own, from its seed."""
    shape = model.latent_shape(width, height)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in range(batch)])


@torch.no_grad()
def ours(
    model: Any, texts: tuple[str, ...], noise: Tensor, guidance: float, avoided: str = "", sampler: str | None = None
) -> Tensor:
    each = [model.encode([text]) for text in texts]
    condition = {key: torch.cat([part[key] for part in each]) for key in each[0]}
    settings = PathSettings(STEPS, guidance, sampler or model.samplers[0])
    path = model.path(noise, condition, model.encode([avoided]), settings)
    return model.decode(deque(path, maxlen=1)[0].x).clamp(0, 1)


@torch.no_grad()
def theirs(
    pipe: Any, name: str, texts: tuple[str, ...], noise: Tensor, guidance: float, avoided: str, size: tuple[int, int]
) -> Tensor:
    how: dict[str, Any] = {"num_inference_steps": STEPS, "guidance_scale": guidance, "output_type": "pt"}
    if name == "dit":
        generators = [torch.Generator().manual_seed(seed) for seed in range(len(texts))]
        return pipe(class_labels=[1, 2][: len(texts)], generator=generators, **how).images
    how |= {"prompt": list(texts), "width": size[0], "height": size[1], "latents": noise}
    if name.startswith("flux"):
        how["latents"] = pipe._pack_latents(noise, *noise.shape)
    elif avoided:
        how["negative_prompt"] = [avoided] * len(texts)
    if name.startswith(("pixart", "sana")):
        how["use_resolution_binning"] = False
    return pipe(**how).images


def assert_same_pictures(found: Tensor, wanted: Tensor) -> None:
    """As bytes: nothing differs by more than 1, and nearly everything by nothing."""
    assert found.shape == wanted.shape
    levels = [images.mul(255).round() for images in (found, wanted)]
    assert levels[1].std() > 5  # else there would be nothing to compare
    apart = (levels[0] - levels[1]).abs()
    assert apart.max() <= 1
    assert (apart == 0).double().mean() >= 0.999


def asked(name: str) -> list[tuple[float, str, tuple[int, int]]]:
    """Guidance, what it leads away from, and sizes, as far as the pipeline has them."""
    guides = [(1.0, ""), (4.0, "")] if name.startswith(("dit", "flux")) else [(1.0, ""), (4.0, ""), (4.0, AVOIDED)]
    return [(*guide, size) for size in (SIZES[:1] if name == "dit" else SIZES) for guide in guides]


@pytest.mark.parametrize("name", sorted(tiny_diffusers.MAKERS))
def test_images_are_those_of_the_pipeline(name: str, pipelines: Callable[[str], Path]):
    model, pipe = models.resolve(str(pipelines(name))), tiny_diffusers.reopen(pipelines(name))
    if name == "sd1_pndm":
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    texts = CLASSES if name == "dit" else TEXTS
    for guidance, avoided, size in asked(name):
        noise = noise_of(model, *size, batch=2)
        wanted = theirs(pipe, name, texts, noise, guidance, avoided, size)
        assert_same_pictures(ours(model, texts, noise, guidance, avoided), wanted)


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_is_diffusers_scheduler_of_the_same_config(
    name: str, sampler: str, pipelines: Callable[[str], Path]
):
    model, pipe = models.resolve(str(pipelines(name))), tiny_diffusers.reopen(pipelines(name))
    clips = {"clip_sample": False} if sampler == "ddim" else {}
    pipe.scheduler = SAMPLERS[sampler].from_config(pipe.scheduler.config, **clips)
    noise = noise_of(model, 64, 64, batch=1)
    wanted = theirs(pipe, name, TEXTS[:1], noise, 4.0, "", (64, 64))
    assert_same_pictures(ours(model, TEXTS[:1], noise, 4.0, sampler=sampler), wanted)


@pytest.mark.parametrize("name", sorted(tiny_diffusers.MAKERS))
def test_prompt_and_guidance_reach_the_picture(name: str, pipelines: Callable[[str], Path]):
    """Else equal pictures would say little of how prompts are encoded and guided."""
    model = models.resolve(str(pipelines(name)))
    one, other = (("class 1",), ("class 2",)) if name == "dit" else (("a red ball",), ("the sea of green",))
    noise = noise_of(model, 64, 64, batch=1)
    base = ours(model, one, noise, 4.0)
    changed = [ours(model, other, noise, 4.0)]
    changed += [ours(model, one, noise, 1.0)] if name != "flux_schnell" else []
    changed += [ours(model, one, noise, 4.0, other[0])] if not name.startswith("flux") else []
    assert all(((images - base).abs() * 255).mean() > 0.5 for images in changed)


def test_a_transformer_draws_images_that_are_no_squares(pipelines: Callable[[str], Path]):
    """diffusers' DiT folds tokens to squares: ours is it there, and turned by 90 degrees is itself elsewhere."""
    model = models.resolve(str(pipelines("dit")))
    condition, t = model.encode(["class 1"]), torch.tensor([500.0])
    x = torch.randn(1, 4, 8, 8)
    wanted = model.denoiser(x, timestep=t, class_labels=condition["label"]).sample
    assert torch.allclose(model.predict(x, t, condition), wanted, atol=1e-6)
    wide = model.predict(torch.randn(1, 4, 4, 12), t, condition)
    assert wide.shape == (1, 8, 4, 12)
    for block in model.denoiser.transformer_blocks:  # without attention, a patch is drawn from itself alone
        block.attn1.to_out[0].weight.data.zero_()
    x = torch.randn(1, 4, 8, 8)
    tall = torch.cat([x[..., :4], x[..., 4:]], 2)  # (1, 4, 16, 4)
    square = without_places(model, x, t, condition)
    assert torch.allclose(
        without_places(model, tall, t, condition), torch.cat([square[..., :4], square[..., 4:]], 2), atol=1e-5
    )


def without_places(model: Any, x: Tensor, t: Tensor, condition: Any) -> Tensor:
    embed = model.denoiser.pos_embed
    before = embed.forward
    embed.forward = lambda x: embed.proj(x).flatten(2).transpose(1, 2)
    try:
        return model.predict(x, t, condition)
    finally:
        embed.forward = before
