"""The small file to commit: scorecards without images, to compare and gate with later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.files import keep
from evalsuite.scorecard import FORMAT, Scorecard


def save(cards: Sequence[Scorecard], path: Path) -> None:
    """Write scorecards as one line of JSON that `evalsuite.scorecard.read` reads; floats are exact.

    Raises:
        InputError: images are missing, or the path is a folder.
        Incomplete: the disk is full or refuses.
    """
    for card in cards:
        if missing := sum(image.status == "missing" for image in card.images):
            raise InputError(f"{card.model}: {missing} of {card.planned} images are not made: finish the run first")
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file, such as {path / 'baseline.json'}")
    data = {"format": FORMAT, "cards": [asdict(_small(card)) for card in cards]}
    text = json.dumps(data | {"sha256": digest(data)}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    keep(path, f"{text}\n".encode("utf-8", "surrogatepass"))


def _small(card: Scorecard) -> Scorecard:
    """Without the paths of images that are not there."""
    return replace(card, images=tuple(replace(image, file=None) for image in card.images))
