"""Votes as a preference set, in the format of HPDv2 (arXiv:2306.09341) as the readme of hpsv2 1.2.0 gives it.

``test.json``: a list of ``{prompt, image_path: [str], rank: [int], raw_annotations: [{rank, user_hash}]}``; the lower
rank is the better image, as the ranking accuracy of that package takes it. ``train.json``: a list of
``{human_preference: [int], prompt, file_path: [str], user_hash}``, 1 for the preferred image.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from math import fsum
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.errors import InputError
from evalsuite.files import disk_errors, keep, read_regular
from evalsuite.vote.ballots import Ballot
from evalsuite.vote.database import VoteBook
from evalsuite.vote.study import Pair, Study

LARGEST_FILE = 1 << 28
RANKS = {"a": (1, 2), "b": (2, 1), None: (1, 1)}
"""Of the first and the second model's image, by the winner; a tie shares the first rank."""


class Exported(NamedTuple):
    """What was written: entries of the list, votes in them, and what was left out."""

    entries: int
    votes: int
    notes: tuple[str, ...]


def export(book: VoteBook, out: Path, layout: str = "test", *, copy_images: bool = False) -> Exported:
    """Write votes as HPDv2 has them.

    Raters are named by a hash. The two images of an entry stand in the order of their pixels' hashes, so that no place
    in the list belongs to a model. Paths are relative to the file.

    Args:
        book: of votes.
        out: the file; nothing may be there.
        layout: ``test`` (an entry per pair, ranks over raters) or ``train`` (an entry per decided vote).
        copy_images: copy the images into a folder beside the file.

    Raises:
        InputError: a file is in the way, there are no votes, or an image to copy is not there.
        Incomplete: the disk is full or refuses.
    """
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} is there already: name another file")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")
    ballots = [ballot for ballot in book.ballots() if ballot.score is not None]
    skipped = len(book.ballots()) - len(ballots)
    notes = [f"{skipped} skipped votes are left out"] if skipped else []
    if layout == "train":
        decided = [ballot for ballot in ballots if ballot.winner is not None]
        if len(decided) < len(ballots):
            notes.append(f"{len(ballots) - len(decided)} ties are left out: train.json has none")
        ballots = decided
    if not ballots:
        raise InputError(f"{book.path} has no votes to export{': ' if notes else ''}{'; '.join(notes)}")
    place = _copier(book.study, out) if copy_images else _pointer(book.study, out)
    entries = _train(ballots, book.study, place) if layout == "train" else _test(ballots, book.study, place)
    keep(out, (json.dumps(entries, ensure_ascii=True, indent=1) + "\n").encode())
    return Exported(len(entries), len(ballots), tuple(notes))


def _test(ballots: Iterable[Ballot], study: Study, place: Callable[[str, Pair], str]) -> list[dict[str, Any]]:
    by_pair: dict[int, list[Ballot]] = {}
    for ballot in ballots:
        by_pair.setdefault(ballot.pair.number, []).append(ballot)
    entries = []
    for _, some in sorted(by_pair.items()):
        pair = some[0].pair
        sides = _sides(pair)
        ranks = [_in_order(RANKS[ballot.winner], sides) for ballot in some]
        entries.append(
            {
                "prompt": pair.text,
                "image_path": [place(side, pair) for side in sides],
                "rank": _averaged(ranks),
                "raw_annotations": [
                    {"rank": rank, "user_hash": _user(ballot.rater, study)}
                    for rank, ballot in zip(ranks, some, strict=True)
                ],
            }
        )
    return entries


def _train(ballots: Iterable[Ballot], study: Study, place: Callable[[str, Pair], str]) -> list[dict[str, Any]]:
    return [
        {
            "human_preference": [int(side == ballot.winner) for side in _sides(ballot.pair)],
            "prompt": ballot.pair.text,
            "file_path": [place(side, ballot.pair) for side in _sides(ballot.pair)],
            "user_hash": _user(ballot.rater, study),
        }
        for ballot in ballots
    ]


def _sides(pair: Pair) -> tuple[str, str]:
    return ("a", "b") if pair.a.pixel_sha256 <= pair.b.pixel_sha256 else ("b", "a")


def _in_order(ranks: tuple[int, int], sides: tuple[str, str]) -> list[int]:
    by_side = dict(zip(("a", "b"), ranks, strict=True))
    return [by_side[side] for side in sides]


def _averaged(ranks: list[list[int]]) -> list[int]:
    """Ranks of the mean ranks; equal means share the first."""
    one, other = (fsum(column) for column in zip(*ranks, strict=True))
    return [1, 1] if one == other else [1, 2] if one < other else [2, 1]


def _user(rater: str, study: Study) -> str:
    return sha256(f"{study.fingerprint}|{rater}".encode()).hexdigest()[:16]


def _pointer(study: Study, out: Path) -> Callable[[str, Pair], str]:
    def place(side: str, pair: Pair) -> str:
        return os.path.relpath(study.place(side, getattr(pair, side)), out.parent.absolute())

    return place


def _copier(study: Study, out: Path) -> Callable[[str, Pair], str]:
    """Copies under the hash of their pixels, each once."""
    folder = out.with_name(f"{out.stem}-images")
    if folder.exists() or folder.is_symlink():
        raise InputError(f"{folder} is there already: name another file")
    with disk_errors(f"make {folder}"):
        folder.mkdir()

    def place(side: str, pair: Pair) -> str:
        picture = getattr(pair, side)
        source = study.place(side, picture)
        name = f"{picture.pixel_sha256}{source.suffix.lower()}"
        if not (folder / name).exists():
            try:
                data = read_regular(source, LARGEST_FILE)
            except OSError as error:
                raise InputError(f"{source} cannot be copied: {error.strerror or error}") from error
            keep(folder / name, data)
        return f"{folder.name}/{name}"

    return place
