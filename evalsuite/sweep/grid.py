"""From ``--guidance 1,2,4 --steps 5,10`` to the settings of every point. Light, and written before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from evalsuite.config import coerce
from evalsuite.errors import InputError
from evalsuite.spec import RunSpec

AXES = ("guidance", "steps", "sampler")
MOST = 1000
"""Points of one sweep; more are a typing error."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of each axis, each once, in the order given."""

    guidance: tuple[float, ...]
    steps: tuple[int, ...]
    sampler: tuple[str, ...]

    @classmethod
    def read(cls, given: dict[str, str | None], spec: RunSpec) -> Grid:
        """Lists with commas; an axis without one has the spec's own value.

        Args:
            given: axis to its list, or None.
            spec: the run that is swept.

        Raises:
            InputError: a value that cannot be read or is out of range, or too many points.
        """
        found = {axis: _values(axis, text, getattr(spec, axis)) for axis, text in given.items()}
        grid = cls(**{axis: found.get(axis, (getattr(spec, axis),)) for axis in AXES})
        count = len(grid.guidance) * len(grid.steps) * len(grid.sampler)
        if count > MOST:
            raise InputError(f"{count} points: a sweep has at most {MOST}; give fewer values")
        return grid

    def specs(self, spec: RunSpec) -> list[RunSpec]:
        """The spec at every point; its folder is the one that `evalsuite run` gives such a run.

        Raises:
            InputError: a value is out of range.
        """
        points = product(self.sampler, self.steps, self.guidance)
        return [
            replace(spec, guidance=guidance, steps=steps, sampler=sampler, output_dir=None).validate_values()
            for sampler, steps, guidance in points
        ]


def _values(axis: str, text: str | None, own: Any) -> tuple[Any, ...]:
    if text is None:
        return (own,)
    parts: Sequence[str] = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise InputError(f"--{axis} is {text!r}: write values with commas between them, such as {_example(axis)}")
    return tuple(dict.fromkeys(coerce(axis, part, f"--{axis}") for part in parts))


def _example(axis: str) -> str:
    return {"guidance": "1,2,4", "steps": "5,10,20", "sampler": "euler,heun"}[axis]
