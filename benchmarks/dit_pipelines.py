"""A class-conditional DiT of random weights as a diffusers pipeline's folder, and the ways of both sides to its images.

Letters: B batch, H x W image sides.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evalsuite import models
from evalsuite.generate import reproducible
from evalsuite.loaders.diffusers_parts import library
from evalsuite.painter import Painter
from evalsuite.plan import Job, Unit
from evalsuite.spec import RunSpec

CLASSES = 1000
FACTOR = 8  # pixels per latent side


@dataclass(frozen=True, slots=True)
class Size:
    """A network and its VAE.

    Attributes:
        name: as it is called.
        depth: blocks.
        heads: of attention.
        head: width of one.
        patch: latent pixels per side of a token.
        side: of an image, in pixels.
        widths: of the VAE's levels.
        layers: of each.
    """

    name: str
    depth: int
    heads: int
    head: int
    patch: int
    side: int
    widths: tuple[int, int, int, int]
    layers: int


REAL_VAE = (128, 256, 512, 512)
SIZES = {
    "tiny": Size("a DiT of 2 blocks", 2, 2, 8, 2, 64, (8, 8, 8, 8), 1),
    "s4": Size("DiT-S/4 with a small VAE", 12, 6, 64, 4, 256, (16, 32, 64, 64), 1),
    "xl2": Size("DiT-XL/2", 28, 16, 72, 2, 256, REAL_VAE, 2),
    "xl2-512": Size("DiT-XL/2", 28, 16, 72, 2, 512, REAL_VAE, 2),
}


@dataclass(frozen=True, slots=True)
class Task:
    """What both sides make: images of these classes from the noise of these seeds."""

    labels: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int
    guidance: float


def task(batch: int, steps: int, guidance: float) -> Task:
    """Classes spread over all there are, each image with its own seed."""
    labels = tuple(number * 37 % CLASSES for number in range(batch))
    return Task(labels, tuple(1000 + number for number in range(batch)), steps, guidance)


def write(size: Size, folder: Path) -> Path:
    """Save the pipeline; its weights are always the same."""
    diffusers, levels = library("diffusers"), len(size.widths)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network = diffusers.DiTTransformer2DModel(
            sample_size=size.side // FACTOR,
            num_layers=size.depth,
            patch_size=size.patch,
            attention_head_dim=size.head,
            num_attention_heads=size.heads,
            in_channels=4,
            out_channels=8,
            attention_bias=True,
            activation_fn="gelu-approximate",
            num_embeds_ada_norm=CLASSES,
            norm_type="ada_norm_zero",
            norm_elementwise_affine=False,
        )
        vae = diffusers.AutoencoderKL(
            block_out_channels=size.widths,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            latent_channels=4,
            layers_per_block=size.layers,
            norm_num_groups=min(32, size.widths[0] // 2),
            sample_size=size.side,
            scaling_factor=0.18215,
        )
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    diffusers.DiTPipeline(transformer=network, vae=vae, scheduler=scheduler).save_pretrained(str(folder))
    return folder


def reopen(folder: Path, device: str, dtype: torch.dtype) -> Any:
    """The pipeline as a user of diffusers opens it."""
    diffusers = library("diffusers")
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    pipe = diffusers.DiTPipeline.from_pretrained(str(folder), dtype=dtype, local_files_only=True).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def tuned(pipe: Any) -> Any:
    """The same weights, the VAE in channels last; to be called under `torch.inference_mode`."""
    vae = copy.deepcopy(pipe.vae).to(memory_format=torch.channels_last)
    return _like(pipe, pipe.transformer, vae)


def compiled(pipe: Any) -> Any:
    """The same weights, every block compiled for fixed shapes; the first call compiles."""
    network = copy.deepcopy(pipe.transformer)
    for block in network.transformer_blocks:
        block.compile(dynamic=False)
    return _like(pipe, network, pipe.vae)


def _like(pipe: Any, network: Any, vae: Any) -> Any:
    other = type(pipe)(transformer=network, vae=vae, scheduler=copy.deepcopy(pipe.scheduler))
    other.set_progress_bar_config(disable=True)
    return other


def theirs(pipe: Any, work: Task) -> np.ndarray:
    """A pipeline's images (B, H, W, 3), bytes."""
    with _noise_of_seeds():
        found = pipe(
            class_labels=list(work.labels),
            guidance_scale=work.guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in work.seeds],
            num_inference_steps=work.steps,
        )
    return np.stack([np.asarray(image) for image in found.images])


class Ours:
    """Our images of a pipeline's folder: what `evalsuite generate` does with one unit, short of writing it.

    Args:
        folder: of the pipeline.
        size: of its network.
        settings: of the run, besides the task's own.
    """

    def __init__(self, folder: Path, size: Size, **settings: Any) -> None:
        spec = RunSpec(models=(str(folder),), **settings)
        self.spec = spec.resolved(device=spec.device, cores=spec.threads or 1, bf16=True)
        self.model, self.size = models.resolve(str(folder)), size
        models.place(self.model, self.spec.device, self.spec.dtype)

    def arm(self, work: Task) -> Callable[[], np.ndarray]:
        """A call that makes the images (B, H, W, 3), bytes."""
        unit, painter = self._unit(work), self.painter(work)

        def paint() -> np.ndarray:
            with reproducible(painter.spec.threads or 1):
                pictures = painter.paint(unit)
            return np.stack([picture.rgb for picture in pictures if picture.rgb is not None])

        return paint

    def painter(self, work: Task) -> Painter:
        """That makes the task's images."""
        changes = {"steps": work.steps, "guidance": work.guidance, "batch_size": len(work.labels)}
        return Painter(self.model, replace(self.spec, **changes))

    def variant(self, **settings: Any) -> Ours:
        """The same weights once more, to be run otherwise."""
        other = copy.copy(self)
        other.model, other.spec = copy.deepcopy(self.model), replace(self.spec, **settings)
        return other

    def _unit(self, work: Task) -> Unit:
        name, side = self.model.name, self.size.side
        jobs = tuple(
            Job(name, f"p{number}", f"class {label}", None, (), "1:1", side, side, 0, seed)
            for number, (label, seed) in enumerate(zip(work.labels, work.seeds, strict=True))
        )
        return Unit("", name, side, side, jobs, len(jobs))


def rows_of(work: Task) -> int:
    """Of a pass: conditional and null together."""
    return len(work.labels) * (2 if work.guidance > 1 else 1)


def flops(pipe: Any, work: Task) -> int:
    """Of a call: every step's pass, and the decoding."""
    x = _latents(pipe, len(work.labels))
    with torch.inference_mode():
        decoding = _counted(lambda: pipe.vae.decode(x.to(pipe.vae.dtype)))
    return work.steps * pass_flops(pipe, rows_of(work)) + decoding


def pass_flops(pipe: Any, rows: int) -> int:
    """Of one pass over so many rows."""
    x, network = _latents(pipe, rows), pipe.transformer
    about = torch.zeros(rows, dtype=torch.long, device=network.device)
    with torch.inference_mode():
        return _counted(lambda: network(x, timestep=about, class_labels=about))


def _latents(pipe: Any, rows: int) -> Tensor:
    config = pipe.transformer.config
    shape = (rows, config.in_channels, config.sample_size, config.sample_size)
    return torch.randn(shape).to(pipe.transformer.device, pipe.transformer.dtype)


def _counted(call: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


@contextmanager
def _noise_of_seeds() -> Iterator[None]:
    """Inside, diffusers draws noise in fp32 in any precision, as we do: else seeds would mean other images."""
    from diffusers.pipelines.dit import pipeline_dit

    def draw(
        shape: tuple[int, ...], generator: Sequence[torch.Generator], device: torch.device, dtype: torch.dtype
    ) -> Tensor:
        return torch.stack([torch.randn(shape[1:], generator=one) for one in generator]).to(device, dtype)

    with mock.patch.object(pipeline_dit, "randn_tensor", draw):
        yield
