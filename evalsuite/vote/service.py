"""What the vote's page can ask for: its data and its images, and nothing that tells which model is where."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

from evalsuite.files import read_regular
from evalsuite.images import BadImage, encode_png, read_rgb
from evalsuite.records import pixel_sha256
from evalsuite.vote.ballots import Shown, Stale, Turn
from evalsuite.vote.database import VoteBook
from evalsuite.vote.study import visible

LARGEST_FILE = 1 << 28


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not served, and why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class VoteService:
    """One vote, as the page sees it. What is asked comes from a browser and is not trusted.

    Args:
        book: where votes go.
        rater: the only one who may vote, or None to ask on the page.

    Raises:
        InputError: the rater has no usable name.
    """

    def __init__(self, book: VoteBook, rater: str | None = None) -> None:
        self.book = book
        self.rater = None if rater is None else book.enter(rater)

    def study(self, _: dict[str, Any]) -> dict[str, Any]:
        """What the page says before the first pair; nothing of the models."""
        book = self.book
        return {"question": book.study.question, "total": len(book.study.pairs), "rater": self.rater}

    def enter(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A rater begins, or goes on."""
        name = self.rater if self.rater is not None else self.book.enter(str(asked.get("rater", "")))
        return self._state(name, self.book.turn(name))

    def vote(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A vote; a second one for the same pair changes nothing."""
        name = self._rater(asked)
        pair, taken = asked.get("pair"), asked.get("milliseconds", 0)
        if not isinstance(pair, int) or not isinstance(taken, int):
            raise Refused(HTTPStatus.BAD_REQUEST, "pair and milliseconds are whole numbers")
        try:
            return self._state(name, self.book.vote(name, pair, asked.get("choice"), taken))  # type: ignore[arg-type]
        except Stale:
            return self._state(name, self.book.turn(name))
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error

    def undo(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The last vote is taken back."""
        name = self._rater(asked)
        return self._state(name, self.book.undo(name))

    def image(self, asked: dict[str, Any]) -> bytes:
        """The image on one side of a pair that the rater sees now or next: a PNG of its pixels and nothing else."""
        name, place = self._rater(asked), asked.get("side")
        turn = self.book.turn(name)
        for shown in (turn.current, turn.following):
            if shown and str(shown.pair.number) == str(asked.get("pair")) and place in ("left", "right"):
                side = shown.side(place)
                picture = getattr(shown.pair, side)
                return _png(self.book.study.place(side, picture), picture.pixel_sha256)
        raise Refused(HTTPStatus.NOT_FOUND, "no such image")

    def _rater(self, asked: dict[str, Any]) -> str:
        return self.rater if self.rater is not None else str(asked.get("rater", ""))

    def _state(self, rater: str, turn: Turn) -> dict[str, Any]:
        return {
            "rater": rater,
            "total": turn.total,
            "done": turn.done,
            "current": _told(turn.current),
            "following": _told(turn.following),
        }


def _told(shown: Shown | None) -> dict[str, Any] | None:
    """A pair for the page: nothing in it tells which model is where."""
    if shown is None:
        return None
    pair = shown.pair
    return {"pair": pair.number, "text": visible(pair.text), "width": pair.width, "height": pair.height}


@lru_cache(maxsize=8)
def _png(path: Path, pixels: str) -> bytes:
    """The pixels alone: a file's own comments may name the model that made it."""
    try:
        rgb = read_rgb(BytesIO(read_regular(path, LARGEST_FILE)))
    except (BadImage, OSError) as error:
        raise Refused(HTTPStatus.NOT_FOUND, "this image cannot be read") from error
    if pixel_sha256(rgb) != pixels:
        raise Refused(HTTPStatus.NOT_FOUND, "this image is not the one that was scored")
    return encode_png(rgb)
