"""What a run would cost: images, bytes and seconds, before any of it is spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evalsuite.batch_size import with_batch_size
from evalsuite.generate import reproducible
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.prepare import Shelf, folder_of, prepare
from evalsuite.progress import Progress, Silent
from evalsuite.records import largest_bytes
from evalsuite.spec import RunSpec
from evalsuite.unit_seconds import unit_seconds

BYTES_OF = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True, slots=True)
class SizeCost:
    """The units of one model and size."""

    model: str
    width: int
    height: int
    images: int
    units: int
    seconds_per_unit: float


@dataclass(frozen=True, slots=True)
class WeightCost:
    """The weights of one model."""

    model: str
    parameters: int
    bytes: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What the whole run would cost.

    Attributes:
        folder: where it would be written.
        batch_size: images of a pass.
        sizes: per model and size.
        weights: per model.
        largest_bytes: on disk, if no image could be compressed.
        seconds: of generation, from one measured prediction and one decoding per size; scoring is not included.
        device: where it was measured.
    """

    folder: Path
    batch_size: int
    sizes: tuple[SizeCost, ...]
    weights: tuple[WeightCost, ...]
    largest_bytes: int
    seconds: float
    device: str


def estimate(spec: RunSpec, progress: Progress | None = None) -> Cost:
    """Plan a run and time one step of every size; writes nothing.

    Args:
        spec: of the run.
        progress: told of a batch size that is measured.

    Raises:
        InputError: the run could not start.
    """
    shelf, progress = Shelf(), progress or Silent()
    manifest = with_batch_size(prepare(spec, shelf, progress), spec, shelf, progress, write=False)
    with reproducible(manifest.spec.threads or 1):
        sizes = tuple(cost for name in manifest.spec.models for cost in _sizes(manifest, name, shelf))
    return Cost(
        folder=folder_of(manifest),
        batch_size=int(manifest.spec.batch_size),
        sizes=sizes,
        weights=tuple(_weights(manifest, name) for name in manifest.spec.models),
        largest_bytes=largest_bytes(manifest.units, manifest.spec.steps),
        seconds=sum(cost.units * cost.seconds_per_unit for cost in sizes),
        device=manifest.machine.device_class,
    )


def _sizes(manifest: Manifest, name: str, shelf: Shelf) -> list[SizeCost]:
    painter = Painter(shelf.take(name, manifest.spec), manifest.spec)
    units = [unit for unit in manifest.units if unit.model == name]
    counts = Counter((unit.width, unit.height) for unit in units)
    costs: list[SizeCost] = []
    for (width, height), count in counts.items():
        same = [unit for unit in units if (unit.width, unit.height) == (width, height)]
        # The first pass of a model also pays for buffers and choice of kernels; where passes are compiled or recorded,
        # the first of every size does.
        if not costs or manifest.spec.device != "cpu" or manifest.spec.compile == "on":
            unit_seconds(painter, same[0])
        images = sum(len(unit.jobs) for unit in same)
        costs.append(SizeCost(name, width, height, images, count, unit_seconds(painter, same[0])))
    return costs


def _weights(manifest: Manifest, name: str) -> WeightCost:
    facts = manifest.models[name]
    return WeightCost(name, facts.parameters, facts.parameters * BYTES_OF[manifest.spec.dtype], facts.fingerprint)
