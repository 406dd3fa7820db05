"""From a spec and its prompts to units of work. Pure: the same plan on every machine and in every process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from types import MappingProxyType
from typing import Any

from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.sampling import Sampling
from evalsuite.spec import ONLY_IF, RunSpec, size_of
from evalsuite.tiles import tile_of
from prompts import Prompt

KEY_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Job:
    """One image to make.

    Attributes:
        model: name of the model.
        prompt_id: id of the prompt.
        text: the prompt.
        base: id of the prompt that this one edits, or None.
        tags: the prompt's tags.
        aspect: ratio as asked for, such as ``16:9``.
        width: pixels.
        height: pixels.
        index: which of the images of this prompt and size, from 0.
        seed: of its noise.
    """

    model: str
    prompt_id: str
    text: str
    base: str | None
    tags: tuple[str, ...]
    aspect: str
    width: int
    height: int
    index: int
    seed: int

    @property
    def id(self) -> str:
        """Unique within a run."""
        return f"{self.model}|{self.prompt_id}|{self.width}x{self.height}|{self.index}"


@dataclass(frozen=True, slots=True)
class Unit:
    """Jobs that are made together, in one forward pass of fixed shape; a short one is padded to ``batch``.

    Attributes:
        key: SHA-256, in hex, of everything that can change a byte of its images.
        model: name of the model.
        width: pixels.
        height: pixels.
        jobs: at most ``batch`` of them, sorted by id.
        batch: images per forward pass.
    """

    key: str
    model: str
    width: int
    height: int
    jobs: tuple[Job, ...]
    batch: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the machine can change the last bits of an image.

    Attributes:
        device_class: such as ``cpu x86_64 AVX512`` or a GPU's name.
        torch: version of PyTorch.
    """

    device_class: str
    torch: str


def seed_of(run_seed: int, prompt_id: str, index: int) -> int:
    """Seed of an image's noise, in [0, 2^63): it depends on nothing but these three."""
    return int.from_bytes(sha256(f"{run_seed}|{prompt_id}|{index}".encode()).digest()[:8], "big") >> 1


def jobs(spec: RunSpec, prompts: Sequence[Prompt], strides: Mapping[str, int]) -> tuple[Job, ...]:
    """Every image of the run, sorted by id. An edit takes its base's seed, so the pair differs by text alone.

    Args:
        spec: the run.
        prompts: those to use.
        strides: model name to the pixels its width and height must divide by.

    Raises:
        InputError: two aspects round to one size.
    """
    made = []
    for model in spec.models:
        sizes = _sizes(spec, model, strides[model])
        for prompt in prompts:
            for aspect, (width, height) in sizes.items():
                for index in range(spec.num_images):
                    seed = seed_of(spec.seed, prompt.base or prompt.id, index)
                    about = (prompt.id, prompt.text, prompt.base, prompt.tags)
                    made.append(Job(model, *about, aspect, width, height, index, seed))
    return tuple(sorted(made, key=lambda job: job.id))


def units(
    jobs: Iterable[Job],
    spec: RunSpec,
    fingerprints: Mapping[str, str],
    machine: Machine,
    samplings: Mapping[str, Sampling] = MappingProxyType({}),
) -> tuple[Unit, ...]:
    """Chunks of ``spec.batch_size`` jobs of one model and size, with fixed members: each job in exactly one.

    Args:
        jobs: of the run.
        spec: resolved.
        fingerprints: model name to the hash of its weights and configuration.
        machine: where the units will be made.
        samplings: model name to its sampler, where that is settled.
    """
    if not isinstance(spec.batch_size, int):
        raise ValueError(f"batch_size is {spec.batch_size!r}: units need a resolved spec")
    size = spec.batch_size
    made = []
    for _, group in groupby(sorted(jobs, key=_shape_then_id), key=_shape):
        members = tuple(group)
        model = members[0].model
        sampling = samplings.get(model, Sampling(spec.sampler, spec.shift))
        tile = tile_of(spec.vae_tile, members[0].width, members[0].height)
        about = {"model": fingerprints[model], **_settings(spec, sampling, machine)}
        # Only where they change something: units that were made before there was a choice are not made again.
        about |= ({"tile": tile} if tile else {}) | ({"attention": spec.attention} if spec.attention != "auto" else {})
        about |= {name: value for name, values in ONLY_IF.items() if (value := getattr(spec, name)) in values}
        for start in range(0, len(members), size):
            made.append(_unit(members[start : start + size], size, about))
    return tuple(made)


def work_order(units: Iterable[Unit], models: Sequence[str]) -> tuple[Unit, ...]:
    """Model by model, so that one is loaded at a time; the largest first, so that a lack of memory shows early."""
    return tuple(sorted(units, key=lambda unit: (models.index(unit.model), -unit.width * unit.height, unit.key)))


def _sizes(spec: RunSpec, model: str, stride: int) -> dict[str, tuple[int, int]]:
    sizes: dict[str, tuple[int, int]] = {}
    for aspect in spec.aspects:
        size = size_of(aspect, spec.pixels, stride)
        for other in sizes:
            if sizes[other] == size:
                same = f"{size[0]}x{size[1]} at {spec.pixels} pixels for model {model}"
                raise InputError(f"aspects {other} and {aspect} are both {same}: drop one")
        sizes[aspect] = size
    return sizes


def _shape(job: Job) -> tuple[str, int, int]:
    return job.model, job.width, job.height


def _shape_then_id(job: Job) -> tuple[str, int, int, str]:
    return *_shape(job), job.id


def _settings(spec: RunSpec, sampling: Sampling, machine: Machine) -> dict[str, Any]:
    return {
        "sampler": [sampling.sampler, spec.steps, spec.guidance, sampling.shift, spec.negative_prompt],
        "model_args": spec.model_args,
        "dtype": spec.dtype,
        "threads": spec.threads,
        "device": machine.device_class,
        "torch": machine.torch,
    }


def _unit(jobs: tuple[Job, ...], batch: int, about: Mapping[str, Any]) -> Unit:
    model, width, height = _shape(jobs[0])
    key = digest(
        {
            "format": KEY_FORMAT,
            **about,
            "shape": [batch, width, height],
            "jobs": [[job.id, job.aspect, job.text, job.seed] for job in jobs],
        }
    )
    return Unit(key, model, width, height, jobs, batch)
