"""All numbers of one model on one bank, in a form that is kept: a repeated command takes them from the folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.digest import digest
from evalsuite.files import keep, read_regular
from evalsuite.probe.fixed_points import FixedPoints
from evalsuite.probe.sampling_path import Paths
from evalsuite.resample import Floats

FORMAT = 1
LARGEST = 1 << 30


@dataclass(frozen=True)
class Measurement:
    """What a model says.

    Attributes:
        points: field ("conditional", "unconditional") to what it says on the bank.
        paths: field ("guided", "conditional", "unconditional") to what it says along its own paths.
    """

    points: Mapping[str, FixedPoints]
    paths: Mapping[str, Paths]


def key_of(about: Sequence[Any]) -> str:
    """A name for numbers, from all that can change them."""
    return digest(["probe numbers", FORMAT, *about])[:16]


def read(path: Path) -> Measurement | None:
    """Kept numbers, or None where there are none that can be read."""
    try:
        found = json.loads(read_regular(path, LARGEST), parse_constant=_refuse)
        points = {name: _points(part) for name, part in found["points"].items()}
        return Measurement(points, {name: _paths(part) for name, part in found["paths"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write(found: Measurement, path: Path) -> None:
    """Keep numbers; what is not finite is null.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    data = {kind: {name: _plain(part) for name, part in getattr(found, kind).items()} for kind in ("points", "paths")}
    keep(path, f"{json.dumps(data, sort_keys=True, allow_nan=False)}\n".encode())


def _plain(part: FixedPoints | Paths) -> dict[str, Any]:
    return {field.name: _lists(np.asarray(getattr(part, field.name), np.float64)) for field in fields(part)}


def _lists(values: Floats) -> Any:
    cells = values.astype(object)
    cells[~np.isfinite(values)] = None
    return cells.tolist()


def _points(part: Mapping[str, Any]) -> FixedPoints:
    return FixedPoints(**{field.name: _floats(part[field.name]) for field in fields(FixedPoints)})


def _paths(part: Mapping[str, Any]) -> Paths:
    arrays: dict[str, Any] = {field.name: _floats(part[field.name]) for field in fields(Paths)}
    return Paths(**arrays | {"times": tuple(arrays["times"].tolist())})


def _floats(values: Any) -> Floats:
    return np.array(values, np.float64)  # None becomes NaN


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number")
