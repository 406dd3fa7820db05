"""``votes.db``: every vote on disk before the next pair is shown, and none lost when the page or the server stops."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from evalsuite.errors import Incomplete, InputError
from evalsuite.files import refuse_link
from evalsuite.vote.ballots import CHOICES, Ballot, Choice, Shown, Stale, Turn, order, rater_name
from evalsuite.vote.study import Study
from evalsuite.vote.votes_file import NAME, connect, connect_to_read, create, is_empty, read_study

LONGEST_VOTE = 24 * 3600 * 1000
"""Milliseconds."""


class VoteBook:
    """An open file of votes; any thread may use it.

    Attributes:
        path: of the file.
        study: what is voted on, with its folders as they were when voting last began.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, study: Study) -> None:
        """Use `begin` or `read` instead."""
        self.path = path
        self.study = study
        self._connection = connection
        self._pairs = {pair.number: pair for pair in study.pairs}
        self._lock = threading.Lock()

    @classmethod
    def begin(cls, folder: Path, study: Study) -> VoteBook:
        """Begin a vote in a folder, or go on with the same one.

        Raises:
            InputError: the folder has another vote, or what is no vote.
            Incomplete: it cannot be written.
        """
        path = folder / NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            refuse_link(path)
            there = path.exists()
            connection = connect(path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if not there or is_empty(connection):
                create(connection, study)
        except (OSError, sqlite3.Error) as error:
            raise Incomplete(f"cannot write votes to {path}: {error}; name another folder with --votes") from error
        known = read_study(path, connection)
        if known.fingerprint != study.fingerprint:
            connection.close()
            raise InputError(
                f"{path} has another vote ({known.a.label} against {known.b.label}, {len(known.pairs)} pairs,"
                f" {known.question!r}): name another folder with --votes"
            )
        with connection:
            for name, side in (("a", study.a), ("b", study.b)):  # folders may have moved
                connection.execute("UPDATE study SET value = ? WHERE name = ?", (json.dumps(asdict(side)), name))
        return cls(path, connection, replace(known, a=study.a, b=study.b))

    @classmethod
    def read(cls, path: Path) -> VoteBook:
        """Open the votes of a folder, or a file of votes.

        Raises:
            InputError: not there, or no votes.
        """
        path = path / NAME if path.is_dir() else path
        if not path.is_file():
            raise InputError(f"{path}: no such file; vote first, with `evalsuite vote A B`")
        try:
            connection = connect_to_read(path)
        except sqlite3.Error as error:
            raise InputError(f"{path} is no file of votes, or cannot be read ({error})") from error
        return cls(path, connection, read_study(path, connection))

    def close(self) -> None:
        """Let go of the file; twice is harmless."""
        self._connection.close()

    def __enter__(self) -> VoteBook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def raters(self) -> list[str]:
        """Names, in the order in which they came."""
        with self._transaction("DEFERRED") as connection:
            return [name for (name,) in connection.execute("SELECT name FROM raters ORDER BY began, name")]

    def enter(self, name: str) -> str:
        """Let a rater begin, with an order and sides of their own, or go on.

        Returns:
            The name as it is kept.

        Raises:
            InputError: empty, too long, or not printable.
        """
        name = rater_name(name)
        with self._transaction() as connection:
            if connection.execute("SELECT 1 FROM raters WHERE name = ?", (name,)).fetchone():
                return name
            seed = sha256(f"{self.study.seed}|{name}".encode()).hexdigest()[:16]
            connection.execute("INSERT INTO raters VALUES (?, ?, ?)", (name, seed, _now()))
            lines = [(name, place, pair, side) for place, (pair, side) in enumerate(order(self.study, seed))]
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", lines)
        return name

    def turn(self, rater: str) -> Turn:
        """What a rater sees now.

        Raises:
            InputError: nobody of that name has begun.
        """
        with self._transaction("DEFERRED") as connection:
            return self._turn(connection, rater)

    def vote(self, rater: str, pair: int, choice: Choice, milliseconds: int) -> Turn:
        """Keep a vote for the pair that the rater sees; on disk when this returns.

        Raises:
            Stale: the rater sees another pair.
            ValueError: no such choice.
            InputError: nobody of that name has begun.
        """
        if choice not in CHOICES:
            raise ValueError(f"choice {choice!r}: use {', '.join(CHOICES)}")
        with self._transaction() as connection:
            current = self._turn(connection, rater).current
            if current is None or current.pair.number != pair:
                raise Stale(f"pair {pair} is not the one that {rater} sees")
            taken = min(max(0, milliseconds), LONGEST_VOTE)
            line = (rater, pair, current.left_side, choice, taken, _now())
            connection.execute(
                "INSERT INTO votes (rater, pair, left_side, choice, milliseconds, voted) VALUES (?, ?, ?, ?, ?, ?)",
                line,
            )
            return self._turn(connection, rater)

    def undo(self, rater: str) -> Turn:
        """Take a rater's last vote back, so that its pair is shown again; it stays in the file, marked as undone."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE votes SET undone = ? WHERE id = (SELECT max(id) FROM votes WHERE rater = ? AND undone IS NULL)",
                (_now(), rater),
            )
            return self._turn(connection, rater)

    def ballots(self) -> list[Ballot]:
        """Every vote that counts, in the order of voting."""
        with self._transaction("DEFERRED") as connection:
            lines = connection.execute(
                "SELECT rater, pair, left_side, choice, milliseconds FROM votes WHERE undone IS NULL ORDER BY id"
            )
            return [Ballot(rater, self._pairs[pair], *others) for rater, pair, *others in lines]

    def _turn(self, connection: sqlite3.Connection, rater: str) -> Turn:
        lines = connection.execute(
            "SELECT orders.pair, orders.left_side, votes.id FROM orders LEFT JOIN votes"
            " ON votes.rater = orders.rater AND votes.pair = orders.pair AND votes.undone IS NULL"
            " WHERE orders.rater = ? ORDER BY orders.place",
            (rater,),
        ).fetchall()
        if not lines:
            raise InputError(f"no rater {rater!r} has begun")
        waiting = [Shown(self._pairs[pair], side) for pair, side, vote in lines if vote is None]
        current, following = [*waiting[:2], None, None][:2]
        return Turn(len(lines), len(lines) - len(waiting), current, following)

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """One thread at a time; all that is written in the block, or nothing."""
        with self._lock:
            try:
                with self._connection:
                    self._connection.execute(f"BEGIN {kind}")
                    yield self._connection
            except sqlite3.Error as error:
                raise Incomplete(f"{self.path}: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
