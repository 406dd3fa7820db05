"""Ask one model everything: its fields on the bank, and along its own paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from backbones.protocol import TextToImage
from backbones.sampler import Velocity
from evalsuite.field import field_of
from evalsuite.probe import fixed_points
from evalsuite.probe.bank import Bank
from evalsuite.probe.fields import Prompts
from evalsuite.probe.measurement import Measurement
from evalsuite.probe.sampling_path import Route, walk
from evalsuite.progress import Progress
from evalsuite.spec import RunSpec

COST = {"euler": 1, "heun": 2, "midpoint": 2}
"""Predictions a step."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What every model of a probe is asked.

    Attributes:
        fields: those of the bank, of "conditional" and "unconditional".
        guidance: of each path by its field: 1 for "conditional" and "unconditional".
        times: of the bank, at which all models of the probe tell a velocity.
        span: the first and the last time at which they do.
        paths: how many.
        run: steps, sampler, batch, device.
    """

    fields: tuple[str, ...]
    guidance: dict[str, float]
    times: tuple[float, ...]
    span: tuple[float, float]
    paths: int
    run: RunSpec

    def facts(self) -> list[Any]:
        """What of it can change a number, as plain JSON data."""
        run = self.run
        return [list(self.fields), self.guidance, list(self.times), list(self.span), self.paths, run.steps, run.sampler]

    def predictions(self, bank: Bank) -> int:
        """How many predictions of single images they come to."""
        points = len(bank.images) * bank.draws * len(self.times) * len(self.fields)
        passes = sum(1 if scale == 1 else 2 for scale in self.guidance.values())
        return points + self.paths * self.run.steps * COST[self.run.sampler] * passes


@torch.inference_mode()
def ask(model: TextToImage, bank: Bank, questions: Questions, progress: Progress) -> Measurement:
    """All numbers of one model.

    Args:
        model: on its device.
        bank: of the model's latent space.
        questions: what is asked.
        progress: told of every prediction.
    """
    run, prompts = questions.run, Prompts(model, questions.run.device)
    batch = int(run.batch_size)

    def told(field: str, images: Sequence[int]) -> list[str]:
        return ["" if field == "unconditional" else bank.images[image].caption or "" for image in images]

    def point_field(field: str, images: Sequence[int], draws: int) -> Velocity:
        condition = prompts.of(told(field, images), draws)
        return field_of(model, condition, condition, 1.0)

    def path_field(field: str, images: Sequence[int]) -> Velocity:
        condition = prompts.of(told(field, images))
        scale = questions.guidance[field]
        return field_of(model, condition, condition if scale == 1 else prompts.of([""]), scale)

    points = {
        field: fixed_points.measure(
            bank, questions.times, partial(point_field, field), batch, run.device, progress.advance
        )
        for field in questions.fields
    }
    paths = {}
    for field, scale in questions.guidance.items():
        passes = 1 if scale == 1 else 2
        route = Route(run.steps, run.sampler, questions.span, max(1, batch // passes), run.device)
        done = partial(_advance, progress, COST[run.sampler] * passes)
        paths[field] = walk(bank, questions.paths, partial(path_field, field), route, done)
    return Measurement(points, paths)


def _advance(progress: Progress, each: int, images: int) -> None:
    progress.advance(each * images)
