"""The tables of ``votes.db``, an SQLite file, and what is voted on as it keeps it."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from evalsuite.errors import InputError
from evalsuite.vote.study import Pair, Picture, Side, Study, visible

NAME = "votes.db"
APPLICATION, VERSION = 0x45565654, 1
SCHEMA = """
CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE pairs (
    number INTEGER PRIMARY KEY, prompt_id TEXT NOT NULL, prompt TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE raters (name TEXT PRIMARY KEY, seed TEXT NOT NULL, began TEXT NOT NULL);
CREATE TABLE orders (
    rater TEXT NOT NULL REFERENCES raters, place INTEGER NOT NULL, pair INTEGER NOT NULL REFERENCES pairs,
    left_side TEXT NOT NULL CHECK (left_side IN ('a', 'b')), PRIMARY KEY (rater, place), UNIQUE (rater, pair));
CREATE TABLE votes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, rater TEXT NOT NULL REFERENCES raters,
    pair INTEGER NOT NULL REFERENCES pairs, left_side TEXT NOT NULL CHECK (left_side IN ('a', 'b')),
    choice TEXT NOT NULL CHECK (choice IN ('left', 'right', 'tie', 'skip')), milliseconds INTEGER NOT NULL,
    voted TEXT NOT NULL, undone TEXT);
CREATE UNIQUE INDEX one_vote ON votes (rater, pair) WHERE undone IS NULL;
"""


def connect(path: Path, how: str = "mode=rwc") -> sqlite3.Connection:
    """Open a file; ``how`` is SQLite's, in the words of its URIs."""
    place = f"file:{quote(os.fsencode(path.absolute()))}?{how}"
    connection = sqlite3.connect(place, uri=True, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("SELECT count(*) FROM sqlite_master")  # reads the file
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """On a read-only disk SQLite reads a file of votes only as one that never changes."""
    try:
        return connect(path, "mode=ro")
    except sqlite3.OperationalError:
        if path.with_name(f"{path.name}-wal").exists():
            raise
        return connect(path, "immutable=1")


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether a file has no table yet."""
    (count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not count


def create(connection: sqlite3.Connection, study: Study) -> None:
    """Make the tables and keep what is voted on, all of it or nothing."""
    facts: dict[str, Any] = {"a": asdict(study.a), "b": asdict(study.b), "question": study.question}
    facts |= {"seed": study.seed, "left_out": dict(study.left_out)}
    statements = SCHEMA.split(";\n")
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements:
        connection.execute(statement)
    connection.executemany("INSERT INTO study VALUES (?, ?)", [(key, json.dumps(facts[key])) for key in facts])
    lines = [(p.number, visible(p.prompt_id), visible(p.text), json.dumps(asdict(p))) for p in study.pairs]
    connection.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?)", lines)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def read_study(path: Path, connection: sqlite3.Connection) -> Study:
    """What is voted on.

    Raises:
        InputError: not a file of votes, of another version, or damaged.
    """
    try:
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (kind, version) != (APPLICATION, VERSION):
            raise InputError(f"{path} has no votes of this version of evalsuite: name the folder of a vote")
        facts = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM study")}
        pairs = tuple(_pair(data) for (data,) in connection.execute("SELECT data FROM pairs ORDER BY number"))
        sides = [Side(**facts[name]) for name in ("a", "b")]
        return Study(sides[0], sides[1], pairs, str(facts["question"]), int(facts["seed"]), dict(facts["left_out"]))
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        connection.close()
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is no file of votes, or damaged ({error})") from error


def _pair(text: str) -> Pair:
    data = json.loads(text)
    pictures = {side: Picture(**data[side]) for side in ("a", "b")}
    return Pair(**data | pictures | {"tags": tuple(data["tags"])})
