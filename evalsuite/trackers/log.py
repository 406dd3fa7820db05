"""From an outcome to the trackers that were asked for."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import Incomplete, InputError
from evalsuite.progress import Progress, Silent, plain
from evalsuite.trackers import TRACKERS
from evalsuite.trackers.base import LoggedImage, Point, Tracker
from reports.text import clean

if TYPE_CHECKING:
    from evalsuite.pipeline import Outcome

MOST_IMAGES = 500
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIAL", re.IGNORECASE)
SECRET_VALUE = re.compile(r"hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}")
SHORTEST_SECRET = 8
HIDDEN = "[hidden]"


def opened(names: Iterable[str]) -> list[tuple[str, Tracker]]:
    """Trackers by name, ready to be told; called before any work, so that what is missing is said at once.

    Raises:
        InputError: unknown, or its package is not installed.
    """
    found = []
    for name in dict.fromkeys(part.strip() for word in names for part in word.split(",") if part.strip()):
        make = TRACKERS.load(name)
        if not callable(make):
            raise InputError(f"tracker {name!r} is a {type(make).__name__}: name a class, or a function that makes one")
        found.append((name, make()))
    return found


def log_outcome(
    trackers: Iterable[str] | Sequence[tuple[str, Tracker]], outcome: Outcome, progress: Progress | None = None
) -> None:
    """Tell trackers what the report of an outcome says: settings, rows, images and curves.

    Args:
        trackers: names, or what `opened` made of them.
        outcome: with rows.
        progress: told of every tracker.

    Raises:
        InputError: a tracker is unknown, or its package is not installed.
        Incomplete: one of them failed; the others were told.
    """
    progress = progress or Silent()
    given = list(trackers)
    ready = [one for one in given if isinstance(one, tuple)] + opened(one for one in given if isinstance(one, str))
    failures = []
    for name, tracker in ready:
        try:
            _tell(tracker, outcome)
            progress.note(f"logged to {name}")
        except Exception as error:  # of another project's code: the evaluation is done and must be shown
            failures.append(f"{name}: {type(error).__name__}: {plain(str(error))}")
    if failures:
        again = f"everything is in {outcome.folder}; repeat with `evalsuite score {outcome.folder} --log ...`"
        raise Incomplete(f"not logged to {'; '.join(failures)}; {again}")


def _tell(tracker: Tracker, outcome: Outcome) -> None:
    told = outcome.told
    failed = True
    try:
        tracker.start(clean(outcome.title), config(told), outcome.folder)
        tracker.rows(_rows(outcome))
        tracker.images(images(told.get("gallery", ())))
        tracker.curves(_points(told.get("curves")))
        failed = False
    finally:
        tracker.end(failed)


def config(told: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, prompts, versions and the command of an evaluation, without anything that looks like a secret."""
    facts = {name: told[name] for name in ("models", "prompts", "spec", "versions", "command") if name in told}
    found: dict[str, Any] = _safe(facts, _secrets())
    return found


def images(gallery: Iterable[Mapping[str, Any]]) -> list[LoggedImage]:
    """Those that the report's contact sheets show: of several indices the lowest; at most 500."""
    found: dict[str, LoggedImage] = {}
    for item in sorted(gallery, key=lambda item: int(item["index"])):
        name = clean(f"{item['prompt_id']}/{item['model']} {item['aspect']}")
        found.setdefault(name, LoggedImage(Path(item["file"]), name, clean(item["text"])))
    return list(found.values())[:MOST_IMAGES]


def _rows(outcome: Outcome) -> list[dict[str, Any]]:
    if outcome.rows is None:
        return []
    rows: list[dict[str, Any]] = []
    for record in outcome.rows.to_dict("records"):
        rows.append({str(key): _plain_number(value) for key, value in record.items()})
    return rows


def _points(curves: Any) -> list[Point]:
    if curves is None:
        return []
    return [Point(line.model, line.series, float(line.t), float(line.value)) for line in curves.itertuples()]


def _plain_number(value: Any) -> Any:
    """NaN, which tables have where a row has None, is no number to a tracker."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _secrets() -> tuple[str, ...]:
    """Values of variables that are called like secrets."""
    found = (value for name, value in os.environ.items() if SECRET_NAME.search(name))
    return tuple(value for value in found if len(value) >= SHORTEST_SECRET)


def _safe(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): HIDDEN if SECRET_NAME.search(str(key)) else _safe(v, secrets) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(part, secrets) for part in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return SECRET_VALUE.sub(HIDDEN, value)
    return value if isinstance(value, bool | int | float | None) else str(value)
