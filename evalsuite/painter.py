"""One unit to its pictures and traces.

A forward pass has one fixed shape and every image its own noise, so an image does not depend on its neighbours,
on the order of work, or on where a run was interrupted.

Letters: B batch, C latent channels, h x w latent sides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from backbones.protocol import Condition, OwnPath, PathSettings, TextToImage
from backbones.sampler import Field, Step, Velocity, sample, timesteps
from evalsuite.attention import Kernels
from evalsuite.compiling import Execution
from evalsuite.decoding import Decoded, decode, joined
from evalsuite.field import field_of
from evalsuite.loaders.image_folder import ImageFolder
from evalsuite.plan import Job, Unit
from evalsuite.records import Made, Picture, Pixels
from evalsuite.samples import Trace
from evalsuite.sampling import own_samplers, sampling_of
from evalsuite.spec import RunSpec
from evalsuite.tiles import tile_of
from evalsuite.trace import Recorder
from evalsuite.vae_precision import at_once, decoding

KEPT_CONDITIONS = 2**30  # bytes of encoded prompts; a run's sizes share them


class Painter:
    """Makes the pictures of one unit after another with one model.

    Args:
        model: on its device, in its dtype.
        spec: resolved.
    """

    def __init__(self, model: TextToImage, spec: RunSpec) -> None:
        self.model = model
        self.spec = spec
        self.sampling = sampling_of(model, spec, model.name)
        self._execution = Execution(model, spec)
        self._kernels = Kernels(spec.attention, model, spec.device, self._execution.seen)
        self._conditions: OrderedDict[str, dict[str, Tensor]] = OrderedDict()
        self._bytes = 0  # of them

    @torch.inference_mode()
    def paint(self, unit: Unit) -> list[Picture]:
        """One picture per job, in their order."""
        if isinstance(self.model, ImageFolder):
            return self.model.pictures(unit)
        jobs = _filled(unit)
        latents = noise = self._noise(unit, jobs)  # (B, C, h, w)
        recorder = Recorder()
        with self._execution.told():
            for step in self._kernels.walk(self._walk(jobs, noise), latents.shape):
                recorder.add(step)
                latents = step.x
        images = self.decode(unit, latents)
        finite = [a and b for a, b in zip(images.finite, _finite(latents), strict=True)]
        traces = recorder.traces(len(unit.jobs))
        return [_picture(images.rgb[i], finite[i], trace, recorder.told) for i, trace in enumerate(traces)]

    def decode(self, unit: Unit, latents: Tensor) -> Decoded:
        """A unit's latents (B, C, h, w) as images, in tiles where the run asks for them."""
        width, height, device = unit.width, unit.height, self.spec.device
        with decoding(self.spec.vae_dtype, device):
            parts = torch.split(latents, at_once(len(latents), width, height, device))
            return joined([decode(self.model, part, width, height, self._tile(unit)) for part in parts])

    def made(self, unit: Unit) -> Made:
        """How a unit was made, once it is."""
        if isinstance(self.model, ImageFolder):
            return Made()
        shape = (unit.batch, *self.model.latent_shape(unit.width, unit.height))
        return Made(self._kernels.ran(shape), self._tile(unit), self._execution.ran(shape))

    def warning(self) -> str:
        """What the user should know of how units are made, each thing once; empty when there is nothing."""
        return self._execution.warning()

    def _tile(self, unit: Unit) -> int | None:
        asked = self.spec.vae_tile if hasattr(self.model, "strips") else "off"
        return tile_of(asked, unit.width, unit.height)

    @torch.inference_mode()
    def start(self, unit: Unit) -> tuple[Velocity, Tensor]:
        """The flow's field and the noise (B, C, h, w): one prediction of each size, to be timed."""
        jobs = _filled(unit)
        noise = self._noise(unit, jobs)
        field = field_of(self.model, *self._conditions_of(jobs), self.spec.guidance)

        def predict(x: Tensor, t: float) -> Field:
            with self._execution.told():
                return self._kernels.call(lambda: field(x, t), tuple(noise.shape))

        return predict, noise

    def _walk(self, jobs: Sequence[Job], noise: Tensor) -> Iterator[Step]:
        """The model's own path where the sampler is one of its own, else ours."""
        condition, null = self._conditions_of(jobs)
        sampler, shift = self.sampling.sampler, self.sampling.shift
        if sampler in own_samplers(self.model):
            settings = PathSettings(self.spec.steps, self.spec.guidance, sampler, shift)
            return cast(OwnPath, self.model).path(noise, condition, null, settings)
        assert shift is not None  # ours always have one
        field = field_of(self.model, condition, null, self.spec.guidance)
        return sample(field, noise, timesteps(self.spec.steps, shift), sampler)

    def _conditions_of(self, jobs: Sequence[Job]) -> tuple[Condition, Condition]:
        """Of the prompts (B), and of what guidance leads away from (1)."""
        return _stack([self._condition(job.text) for job in jobs]), self._condition(self.spec.negative_prompt)

    def _noise(self, unit: Unit, jobs: Sequence[Job]) -> Tensor:
        """(B, C, h, w): every image's noise from its own seed, drawn on the CPU whatever the device."""
        shape = self.model.latent_shape(unit.width, unit.height)
        draws = [torch.randn(shape, generator=torch.Generator("cpu").manual_seed(job.seed)) for job in jobs]
        return torch.stack(draws).to(self.spec.device)

    def _condition(self, text: str) -> dict[str, Tensor]:
        """A prompt's condition with a batch of 1: texts are encoded alone, so that they do not depend on others."""
        if text not in self._conditions:
            encoded = self.model.encode([text])
            self._conditions[text] = {key: rows.to(self.spec.device) for key, rows in encoded.items()}
            self._bytes += _bytes(self._conditions[text])
            while self._bytes > KEPT_CONDITIONS and len(self._conditions) > 1:
                self._bytes -= _bytes(self._conditions.popitem(last=False)[1])
        self._conditions.move_to_end(text)
        return self._conditions[text]


def _filled(unit: Unit) -> list[Job]:
    """As many jobs as a pass has places: a short unit repeats its last one."""
    return [*unit.jobs, *[unit.jobs[-1]] * (unit.batch - len(unit.jobs))]


def _finite(batch: Tensor) -> list[bool]:
    """Of every entry of a batch, whether all its numbers are finite."""
    found: list[bool] = batch.isfinite().flatten(1).all(1).tolist()
    return found


def _bytes(condition: Mapping[str, Tensor]) -> int:
    return sum(rows.nbytes for rows in condition.values())


def _stack(conditions: Sequence[Mapping[str, Tensor]]) -> Condition:
    return {key: torch.cat([condition[key] for condition in conditions]) for key in conditions[0]}


def _picture(rgb: Pixels, finite: bool, trace: Trace | None, told: bool) -> Picture:
    """Judge an image by what it was before the cast to bytes: the cast turns NaN into 0 without a word."""
    if not finite or (told and trace is None):
        return Picture("nonfinite", None, None)
    return Picture("constant" if (rgb == rgb[0, 0]).all() else "ok", np.ascontiguousarray(rgb), trace)
