"""What a probe found, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evalsuite.difference import Difference
from evalsuite.probe.differences import Refusal
from evalsuite.rows import Row


@dataclass(frozen=True)
class Result:
    """All of it; no number is computed from here on.

    Attributes:
        title: in a line.
        labels: of the models, in their order.
        rows: in long form, model after model.
        differences: of every pair of models.
        refused: metrics that pairs are not compared on.
        about: models, banks, questions and versions, as plain JSON data.
        notes: what a reader must know.
        pictures: names of the files that show the curves.
    """

    title: str
    labels: Sequence[str]
    rows: Sequence[Row]
    differences: Sequence[Difference]
    refused: Sequence[Refusal]
    about: Mapping[str, Any]
    notes: Sequence[str]
    pictures: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data of all of it."""
        return {
            "title": self.title,
            "about": dict(self.about),
            "rows": [asdict(row) for row in self.rows],
            "differences": [d.to_json() for d in self.differences],
            "refused": [refusal._asdict() for refusal in self.refused],
            "notes": list(self.notes),
            "pictures": list(self.pictures),
        }
