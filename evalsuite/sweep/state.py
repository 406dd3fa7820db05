"""``sweep.json``: what a sweep has settled and spent, so that the same command goes on; at its end the results too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.files import keep, read_regular

NAME = "sweep.json"
FORMAT = 1
LARGEST = 1 << 28
"""Bytes of the file that is read."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A point that a rung left behind.

    Attributes:
        point: its name.
        units: of its images, when it was dropped.
        why: in words.
    """

    point: str
    units: int
    why: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung that is over.

    Attributes:
        model: whose points they are.
        units: that each of them had.
        kept: points that went on, the best first.
        dropped: those that did not.
    """

    model: str
    units: int
    kept: tuple[str, ...]
    dropped: tuple[Drop, ...]


@dataclass
class State:
    """What must be known to go on.

    Attributes:
        identity: of the points; see `evalsuite.sweep.point.identity`.
        metric: in full, by which points are dropped.
        against: the cost that they are compared with.
        budget: seconds; None for no limit.
        spent: seconds of making and scoring so far.
        scoring: seconds to score an image, where that is known.
        first: model to the units of its first rung, once that is settled.
        rungs: those that are over.
        failed: point's id to why it cannot be made.
        stopped: whether the budget was not enough for more.
        batch_size: images of a pass, at every point; None in the folder of an older version.
    """

    identity: str
    metric: str
    against: str
    budget: float | None
    spent: float = 0.0
    scoring: float | None = None
    first: dict[str, int] = field(default_factory=dict)
    rungs: list[Rung] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False
    batch_size: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "identity": self.identity,
            "metric": self.metric,
            "against": self.against,
            "budget_seconds": self.budget,
            "spent_seconds": self.spent,
            "scoring_seconds": self.scoring,
            "first_units": self.first,
            "failed": self.failed,
            "stopped": self.stopped,
            "batch_size": self.batch_size,
            "rungs": [
                {
                    "model": rung.model,
                    "units": rung.units,
                    "kept": list(rung.kept),
                    "dropped": [{"point": d.point, "units": d.units, "why": d.why} for d in rung.dropped],
                }
                for rung in self.rungs
            ],
        }


def resume(folder: Path, asked: State) -> State:
    """What the folder's sweep has settled, where it is the same; else what is asked, with the time that was spent.

    A sweep with another metric, cost or budget drops other points: it decides anew, over images that are kept. One
    without a budget has nothing to decide, and tries again what could not be made.

    Args:
        folder: of the sweep; may be missing.
        asked: by this command, fresh.

    Raises:
        InputError: the folder holds another sweep or other things, or its file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        strangers = [p.name for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
        if strangers or (folder.exists() and not folder.is_dir()):
            what = f"holds other things ({min(strangers)})" if strangers else "is no folder"
            raise InputError(f"{folder} {what}: choose another --output-dir")
        return asked
    there = _read(path)
    if there.identity != asked.identity:
        raise InputError(f"{folder} has a sweep over other points: choose another --output-dir")
    same = (there.metric, there.against, there.budget) == (asked.metric, asked.against, asked.budget)
    if same and asked.budget is not None:
        return there
    asked.scoring = there.scoring
    if asked.budget is None or there.budget is not None:  # time without a limit was not spent on one
        asked.spent = there.spent
    return asked


def batch_size(folder: Path) -> int | None:
    """Of the sweep that a folder has; None where it has none, or does not say.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / NAME
    return _read(path).batch_size if path.exists() else None


def save(folder: Path, state: State, results: Mapping[str, Any]) -> Path:
    """Write the file, whole or not at all.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    data = {"format": FORMAT, "state": state.to_json(), **results}
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    keep(folder / NAME, f"{text}\n".encode("utf-8", "surrogatepass"))
    return folder / NAME


def _read(path: Path) -> State:
    try:
        data = json.loads(read_regular(path, LARGEST), parse_constant=_refuse)
        if data["format"] != FORMAT:
            raise InputError(f"{path}: format {data['format']!r}, this version reads {FORMAT}; use another folder")
        return _state(data["state"])
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; choose another --output-dir") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({type(error).__name__}): delete it, images are kept") from error


def _state(data: Mapping[str, Any]) -> State:
    budget, scoring, batch = data["budget_seconds"], data["scoring_seconds"], data.get("batch_size")
    return State(
        identity=str(data["identity"]),
        metric=str(data["metric"]),
        against=str(data["against"]),
        budget=None if budget is None else float(budget),
        spent=float(data["spent_seconds"]),
        scoring=None if scoring is None else float(scoring),
        first={str(model): int(units) for model, units in data["first_units"].items()},
        failed={str(point): str(why) for point, why in data["failed"].items()},
        stopped=bool(data["stopped"]),
        batch_size=None if batch is None else int(batch),
        rungs=[
            Rung(
                str(rung["model"]),
                int(rung["units"]),
                tuple(map(str, rung["kept"])),
                tuple(Drop(str(d["point"]), int(d["units"]), str(d["why"])) for d in rung["dropped"]),
            )
            for rung in data["rungs"]
        ],
    )


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")
