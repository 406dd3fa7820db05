"""A class-conditional DiT of random weights as a diffusers pipeline's folder, and the ways of both sides to its images.

Letters: B batch, H x W image sides.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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


def ours(folder: Path, size: Size, work: Task, device: str, dtype: str, threads: int) -> Callable[[], np.ndarray]:
    """Our images (B, H, W, 3), bytes: what `evalsuite generate` does with one unit, short of writing it."""
    model = models.place(models.resolve(str(folder)), device, dtype)
    batch = len(work.labels)
    spec = RunSpec(
        models=(str(folder),),
        steps=work.steps,
        guidance=work.guidance,
        device=device,
        dtype=dtype,
        batch_size=batch,
        threads=threads,
    )
    jobs = tuple(
        Job(model.name, f"p{number}", f"class {label}", None, (), "1:1", size.side, size.side, 0, seed)
        for number, (label, seed) in enumerate(zip(work.labels, work.seeds, strict=True))
    )
    unit, painter = Unit("", model.name, size.side, size.side, jobs, batch), Painter(model, spec)

    def paint() -> np.ndarray:
        with reproducible(threads):
            pictures = painter.paint(unit)
        return np.stack([picture.rgb for picture in pictures if picture.rgb is not None])

    return paint


def flops(pipe: Any, work: Task) -> int:
    """Of a call: every step's forward of conditional and null together, and the decoding."""
    config, batch = pipe.transformer.config, len(work.labels)
    both = 2 * batch if work.guidance > 1 else batch
    network, vae = pipe.transformer, pipe.vae
    with torch.inference_mode():
        x = torch.randn(both, config.in_channels, config.sample_size, config.sample_size).to(
            network.device, network.dtype
        )
        about = torch.zeros(both, dtype=torch.long, device=network.device)
        forward = _counted(lambda: network(x, timestep=about, class_labels=about))
        decoding = _counted(lambda: vae.decode(x[:batch].to(vae.dtype)))
    return work.steps * forward + decoding


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
