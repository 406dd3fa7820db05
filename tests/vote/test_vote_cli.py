from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from evalsuite import cli
from evalsuite.vote.database import VoteBook


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_the_server_prints_its_address_saves_and_stops_cleanly(
    runs: list[str], environment: Mapping[str, str], tmp_path: Path
):
    words = [sys.executable, "-m", "evalsuite", "vote", *runs, "--rater", "ann", "--votes", "votes"]
    process = subprocess.Popen(
        words,
        env=dict(environment),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs deaf to SIGINT, and children inherit that; so does a test run from one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    url, _, token = process.stdout.readline().strip().partition("#")

    def ask(path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url + path, data, {"X-Vote-Token": token})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    state = ask("api/enter", {})
    ask("api/vote", {"pair": state["current"]["pair"], "choice": "tie", "milliseconds": 5})
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "8 pairs; votes go to votes/votes.db" in err
    assert "1 votes in votes/votes.db" in err
    assert "Traceback" not in err
    with VoteBook.read(tmp_path / "votes") as book:
        assert [(b.rater, b.choice) for b in book.ballots()] == [("ann", "tie")]


def test_results_and_export_from_the_command_line(book: VoteBook, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    book.enter("[/b] \U0001f600")
    while (current := book.turn("[/b] \U0001f600").current) is not None:
        book.vote("[/b] \U0001f600", current.pair.number, "left", 900)
    folder = str(book.path.parent)
    code, out, err = run(["vote", "results", folder], capsys)
    assert (code, err) == (0, "")
    assert "A = better, B = worse: Which image is better?" in out
    assert "[/b]" in out
    assert "hps@scenes" in out
    code, out, _ = run(["vote", "results", folder, "--format", "json"], capsys)
    assert json.loads(out)["total"]["left"]["value"] == 1.0
    code, out, _ = run(["vote", "results", str(book.path), "--format", "md"], capsys)
    assert "| all |" in out
    code, out, err = run(["vote", "export", folder, str(tmp_path / "set.json")], capsys)
    assert (code, out) == (0, f"{tmp_path / 'set.json'}\n")
    assert len(json.loads((tmp_path / "set.json").read_text())) == 8


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["vote", "--help"], 0, ""),
        (["vote", "nowhere", "nothing"], 2, "nowhere: no such run folder"),
        (["vote", "results", "nowhere"], 2, "no such file"),
        (["vote", "--port", "99999", "a", "b"], 2, "'--port': Input should be less than or equal to 65535"),
    ],
)
def test_short_and_wrong_commands(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]):
    found, out, err = run(words, capsys)
    assert found == code
    assert said in err
    if not code:
        assert all(name in out for name in ("start", "results", "export"))
