"""A point of a sweep: one model at one setting, and the run folder that `evalsuite run` would give it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evalsuite.batch_size import of_batch, with_batch_size
from evalsuite.digest import digest
from evalsuite.distilled import asked
from evalsuite.errors import InputError
from evalsuite.manifest import Manifest
from evalsuite.plan import Unit
from evalsuite.prepare import folder_of, prepare
from evalsuite.progress import Progress
from evalsuite.sampling import predictions
from evalsuite.spec import RunSpec
from evalsuite.sweep.order import in_order
from evalsuite.sweep.rack import Rack


@dataclass(frozen=True)
class Point:
    """One model at one setting.

    Attributes:
        model: its name.
        manifest: of the run that it is, with every model of the sweep.
        passes: rows of a batch that the network sees for one image: predictions of the sampler, and each of them twice
            where guidance is not 1 and its predictions do not carry it. A network that takes the scale as an input,
            such as Flux, sees half of that.
    """

    model: str
    manifest: Manifest
    passes: int

    @property
    def guidance(self) -> float:
        """Of classifier-free guidance."""
        return self.manifest.spec.guidance

    @property
    def steps(self) -> int:
        """Of the sampler."""
        return self.manifest.spec.steps

    @property
    def sampler(self) -> str:
        """The one that ``auto`` means for the model, where that was asked for."""
        return self.manifest.models[self.model].sampler

    @property
    def name(self) -> str:
        """Unique among the points of a model."""
        return f"guidance {self.guidance:g}, {self.steps} steps, {self.sampler}"

    @property
    def id(self) -> str:
        """Unique in a sweep."""
        return f"{self.model}|{self.name}"

    @property
    def same_work(self) -> tuple[str, str, int, bool]:
        """What points share whose images cost the same: they differ in the scale of guidance alone."""
        return self.model, self.sampler, self.steps, self.guidance != 1

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """Of its model, in the order that all points share."""
        return in_order(unit for unit in self.manifest.units if unit.model == self.model)

    @property
    def images(self) -> int:
        """To make."""
        return sum(len(unit.jobs) for unit in self.units)

    @cached_property
    def folder(self) -> Path:
        """Its run folder."""
        return folder_of(self.manifest)


def plan_points(specs: Sequence[RunSpec], rack: Rack, progress: Progress, *, write: bool = True) -> tuple[Point, ...]:
    """Every point, by model and then in the order given; settings that make the same images are one point.

    Args:
        specs: at every point.
        rack: with the models.
        progress: told of a batch size that is measured.
        write: whether such a measurement is kept; see `evalsuite.batch_size`.

    Raises:
        InputError: anything the user can fix; nothing was written but a measurement.
    """
    found: dict[str, Manifest] = {}
    for spec in specs:
        manifest = prepare(spec, rack, progress)
        found.setdefault(manifest.fingerprint, manifest)
    manifests = of_one_batch(specs[0], list(found.values()), rack, progress, write)
    points: dict[str, Point] = {}
    for model in specs[0].models:
        for manifest in manifests:
            point = _point(model, manifest, rack)
            points.setdefault(point.id, point)  # ``auto`` may mean for one model what another is asked for by name
    if len(points) < 2:
        raise InputError("one point is no sweep: give several values, such as --guidance 1,2,4 or --steps 5,10,20")
    return tuple(points.values())


def of_one_batch(
    asked: RunSpec, manifests: Sequence[Manifest], rack: Rack, progress: Progress, write: bool
) -> list[Manifest]:
    """The runs with one batch size, since points are compared unit by unit: that of the dearest of them.

    Args:
        asked: one of the specs, as the user asked.
        manifests: of all points.
        rack: with the models.
        progress: told what was found.
        write: whether a measurement is kept.
    """
    dearest = max(manifests, key=lambda one: max(_point(model, one, rack).passes for model in asked.models))
    batch = int(with_batch_size(dearest, asked, rack, progress, write=write).spec.batch_size)
    return [one if one.spec.batch_size == batch else of_batch(one, asked, batch) for one in manifests]


def identity(points: Iterable[Point]) -> str:
    """SHA-256, in hex, of the runs that a sweep is made of: the order of values is no matter."""
    return digest(sorted({point.manifest.fingerprint for point in points}))


def _point(model: str, manifest: Manifest, rack: Rack) -> Point:
    spec, facts = manifest.spec, manifest.models[model]
    sampler = facts.sampler
    count = predictions(spec.steps, sampler)
    if sampler == "heun" and sampler in rack.own.get(model, ()):
        count -= 1  # the last step of a model's own Heun is Euler's
    return Point(model, manifest, count * asked(spec.guidance, facts.guided))
