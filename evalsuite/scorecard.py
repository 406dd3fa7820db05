"""``scores.json``: what single images contribute to every number, so that runs can be compared without any network.

Light: it reads and writes plain data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.files import keep, read_regular
from evalsuite.rows import Row

NAME = "scores.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """An image that should be there; see evalsuite.image_set.Expected.

    ``file`` is relative to the folder where it lies in it.
    """

    id: str
    prompt_id: str
    text: str
    base: str | None
    tags: tuple[str, ...]
    aspect: str
    width: int | None
    height: int | None
    index: int
    seed: int | None
    status: str
    file: str | None = None
    pixel_sha256: str | None = None
    reason: str = ""

    @property
    def pair(self) -> tuple[str, int, int | None, int | None]:
        """What two models' images must share to be compared: prompt, index and size."""
        return self.prompt_id, self.index, self.width, self.height

    @property
    def cluster(self) -> str:
        """What its scores may depend on: its prompt, for an edit its base's."""
        return self.base or self.prompt_id


@dataclass(frozen=True, slots=True)
class MetricScores:
    """One metric of one model.

    Attributes:
        name: in full.
        title: for headings.
        unit: of the values.
        higher_is_better: None where neither direction is better.
        protocol: short hash, then words; metrics of different protocols are not comparable.
        rows: one for each slice.
        values: image id to its own score; empty where single images have none.
        weights: image id to what its value counts in the mean; empty where all count the same.
        influences: slice to image id to its influence on the number, for numbers that are no mean; they add to 0.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool | None
    protocol: str
    rows: tuple[Row, ...]
    values: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    influences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def row(self, part: str = "all") -> Row | None:
        """The row of a slice."""
        return next((row for row in self.rows if row.slice == part), None)


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All that is known of one model's scores.

    Attributes:
        model: its name.
        about: one line on it.
        run: what made the images: title, prompts, spec, versions, fingerprint and command.
        images: every one that should be there, sorted by id.
        metrics: by name, in the order of the report.
    """

    model: str
    about: str
    run: Mapping[str, Any]
    images: tuple[ScoredImage, ...]
    metrics: Mapping[str, MetricScores]

    @property
    def planned(self) -> int:
        """Images that should be there."""
        return len(self.images)

    @property
    def scored(self) -> int:
        """Of them, those that were scored."""
        return sum(image.status in ("ok", "constant") for image in self.images)


def write(folder: Path, cards: Iterable[Scorecard]) -> Path:
    """Write the cards of a folder's models.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    data = {"format": FORMAT, "cards": [asdict(card) for card in cards]}
    text = json.dumps(data | {"sha256": digest(data)}, ensure_ascii=False, sort_keys=True)
    keep(folder / NAME, text.encode("utf-8", "surrogatepass"))
    return folder / NAME


def read(path: Path) -> list[Scorecard]:
    """The cards of a folder, or of a file that ``write`` made.

    Raises:
        InputError: not there, damaged or altered; says how to make it.
    """
    path = path / NAME if path.is_dir() else path
    try:
        data = json.loads(read_regular(path))
        if data["format"] != FORMAT:
            raise InputError(f"{path}: format {data['format']!r}, this version reads {FORMAT}: score the run again")
        if data.pop("sha256") != digest(data):
            raise InputError(f"{path} was altered since it was written: score the run again")
        return [_card(**card) for card in data["cards"]]
    except OSError as error:
        hint = f"make it with `evalsuite score {path.parent}`"
        raise InputError(f"{path}: {error.strerror or error}; {hint}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged ({type(error).__name__}): score the run again") from error


def scored_image(
    about: Mapping[str, Any], status: str, file: str | None, pixel_sha256: str | None, reason: str
) -> ScoredImage:
    """An image from what is known about it (evalsuite.image_set.ABOUT)."""
    own = {name: value for name, value in about.items() if name != "model"}
    return ScoredImage(**own, status=status, file=file, pixel_sha256=pixel_sha256, reason=reason)


def _card(
    model: str,
    about: str,
    run: Mapping[str, Any],
    images: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Mapping[str, Any]],
) -> Scorecard:
    known = tuple(ScoredImage(**{**image, "tags": tuple(image["tags"])}) for image in images)
    return Scorecard(model, about, run, known, {name: _metric(**metric) for name, metric in metrics.items()})


def _metric(*, rows: Sequence[Mapping[str, Any]], **others: Any) -> MetricScores:
    return MetricScores(rows=tuple(Row(**row) for row in rows), **others)
