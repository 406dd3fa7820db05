from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite.errors import InputError
from evalsuite.vote.ballots import Stale
from evalsuite.vote.database import LONGEST_VOTE, VoteBook
from evalsuite.vote.study import Study
from evalsuite.vote.votes_file import NAME


def vote_on(book: VoteBook, rater: str, *choices: str) -> None:
    for choice in choices:
        current = book.turn(rater).current
        assert current is not None
        book.vote(rater, current.pair.number, choice, 1500)  # type: ignore[arg-type]


def test_a_vote_is_in_the_file_before_the_next_pair_is_shown(book: VoteBook):
    book.enter("ann")
    for choice in ("left", "right", "tie", "skip"):
        vote_on(book, "ann", choice)
        with sqlite3.connect(book.path) as other:
            *_, last = other.execute("SELECT choice, milliseconds FROM votes ORDER BY id")
        other.close()
        assert last == (choice, 1500)


def test_the_winner_follows_from_the_choice_and_the_sides(book: VoteBook):
    book.enter("ann")
    shown = []
    for choice in ("left", "right", "tie", "skip"):
        shown.append(book.turn("ann").current)
        vote_on(book, "ann", choice)
    left, right, tie, skip = book.ballots()
    assert left.winner == shown[0].left_side
    assert right.winner == {"a": "b", "b": "a"}[shown[1].left_side]
    assert (left.score, tie.score, skip.score) == (float(left.winner == "a"), 0.5, None)
    assert [ballot.pair for ballot in book.ballots()] == [one.pair for one in shown]


def test_a_rater_goes_on_after_the_file_was_closed_and_sees_the_same_order(study: Study, tmp_path: Path):
    with VoteBook.begin(tmp_path, study) as book:
        book.enter("ann")
        vote_on(book, "ann", "left", "left", "left")
        expected = book.turn("ann")
    with VoteBook.begin(tmp_path, study) as book:
        book.enter("ann")
        assert book.turn("ann") == expected
        assert expected.done == 3
        vote_on(book, "ann", *["tie"] * 5)
        assert book.turn("ann").current is None
        with pytest.raises(Stale):
            book.vote("ann", 0, "left", 0)
    seen = [ballot.pair.number for ballot in VoteBook.read(tmp_path).ballots()]
    assert sorted(seen) == list(range(8))


def test_raters_have_orders_of_their_own(book: VoteBook):
    for name in ("ann", "bob", "ann"):
        book.enter(name)
        while (current := book.turn(name).current) and book.turn(name).done < 8:
            book.vote(name, current.pair.number, "left", 1)
    assert book.raters() == ["ann", "bob"]
    by_rater = {name: [b.pair.number for b in book.ballots() if b.rater == name] for name in ("ann", "bob")}
    assert by_rater["ann"] != by_rater["bob"]
    assert sorted(by_rater["ann"]) == sorted(by_rater["bob"])


def test_undo_shows_the_last_pair_again_and_keeps_what_was_said(book: VoteBook):
    book.enter("ann")
    book.enter("bob")
    vote_on(book, "bob", "tie")
    first = book.turn("ann")
    vote_on(book, "ann", "left", "right")
    assert book.undo("ann").done == 1
    assert book.undo("ann") == first
    assert book.undo("ann") == first
    vote_on(book, "ann", "tie")
    assert [(b.rater, b.choice) for b in book.ballots()] == [("bob", "tie"), ("ann", "tie")]
    with sqlite3.connect(book.path) as other:
        (count,) = other.execute("SELECT count(*) FROM votes WHERE undone IS NOT NULL").fetchone()
    other.close()
    assert count == 2


def test_a_second_vote_for_a_pair_or_a_strange_one_is_refused(book: VoteBook):
    book.enter("ann")
    current = book.turn("ann").current
    book.vote("ann", current.pair.number, "left", 10**12)
    with pytest.raises(Stale):
        book.vote("ann", current.pair.number, "right", 1)
    with pytest.raises(ValueError, match="use left, right, tie, skip"):
        book.vote("ann", book.turn("ann").current.pair.number, "both", 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no rater 'eve'"):
        book.vote("eve", 0, "left", 1)
    assert [ballot.milliseconds for ballot in book.ballots()] == [LONGEST_VOTE]


def test_many_threads_at_once_lose_and_double_nothing(book: VoteBook):
    book.enter("ann")

    def work() -> None:
        while (current := book.turn("ann").current) is not None:
            try:
                book.vote("ann", current.pair.number, "left", 1)
            except Stale:
                continue

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ballot.pair.number for ballot in book.ballots()) == list(range(8))


def test_a_folder_keeps_one_vote(study: Study, tmp_path: Path):
    VoteBook.begin(tmp_path, study).close()
    with pytest.raises(InputError, match=r"has another vote \(better against worse, 8 pairs"):
        VoteBook.begin(tmp_path, replace(study, question="Other?"))
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / NAME).symlink_to(tmp_path / NAME)
    with pytest.raises(InputError, match="is a symbolic link"):
        VoteBook.begin(tmp_path / "link", study)


def test_what_is_no_file_of_votes_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="vote first"):
        VoteBook.read(tmp_path)
    (tmp_path / NAME).write_text("nothing of the kind")
    with pytest.raises(InputError, match="no file of votes"):
        VoteBook.read(tmp_path)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE votes (x)")
    other.commit()
    other.close()
    with pytest.raises(InputError, match="has no votes of this version"):
        VoteBook.read(tmp_path / "other.db")


def test_votes_survive_a_kill(study: Study, tmp_path: Path, environment: Mapping[str, str], runs: list[str]):
    """Killed in the middle, without a chance to close anything."""
    code = f"""
import os, signal
from pathlib import Path
from evalsuite import sources
from evalsuite.vote.database import VoteBook
from evalsuite.vote.study import plan_study
book = VoteBook.begin(Path({str(tmp_path / "killed")!r}), plan_study(sources.read_all({runs!r})))
book.enter("ann")
for _ in range(3):
    book.vote("ann", book.turn("ann").current.pair.number, "right", 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env=dict(environment), timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with VoteBook.read(tmp_path / "killed") as book:
        assert [ballot.choice for ballot in book.ballots()] == ["right"] * 3
    with VoteBook.begin(tmp_path / "killed", study) as book:
        assert book.turn("ann").done == 3


def test_a_file_on_a_read_only_disk_can_be_read(book: VoteBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    book.enter("ann")
    vote_on(book, "ann", "left")
    book.close()
    usual, asked = sqlite3.connect, []

    def refuse(place: str, **options: object) -> sqlite3.Connection:
        """As SQLite does where it cannot make its shared memory."""
        asked.append(place.rpartition("?")[2])
        if asked[-1] == "mode=ro":
            raise sqlite3.OperationalError("unable to open database file")
        return usual(place, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(sqlite3, "connect", refuse)
    before = sorted(book.path.parent.iterdir())
    with VoteBook.read(book.path) as again:
        assert len(again.ballots()) == 1
    assert asked == ["mode=ro", "immutable=1"]
    assert sorted(book.path.parent.iterdir()) == before
