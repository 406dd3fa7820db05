from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evalsuite.errors import InputError
from evalsuite.vote.database import VoteBook
from evalsuite.vote.server import VoteServer
from evalsuite.vote.service import VoteService, _png

PARTS = ("left", "right")


@pytest.fixture
def server(book: VoteBook) -> Iterator[VoteServer]:
    _png.cache_clear()
    with VoteServer(VoteService(book)) as opened:
        thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


def ask(
    server: VoteServer, path: str, body: Any = None, *, token: str | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; headers as Host or Sec_Fetch_Site."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    sent = {"X-Vote-Token": server.token if token is None else token}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, data, sent)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


def enter(server: VoteServer, rater: str = "ann") -> dict[str, Any]:
    status, _, body = ask(server, "/api/enter", {"rater": rater})
    assert status == 200
    return dict(json.loads(body))


def test_it_listens_on_the_loopback_address_alone(server: VoteServer):
    assert server.server_address[0] == "127.0.0.1"
    assert server.url.startswith("http://127.0.0.1:")
    assert len(server.token) >= 32
    with pytest.raises(InputError, match=r"--port [0-9]+: Address already in use"):
        VoteServer(server.service, server.server_address[1])


def test_every_answer_forbids_what_the_page_does_not_need(server: VoteServer):
    enter(server)
    for path in ("/", "/style.css", "/app.js", "/icon.svg", "/api/study", "/nothing"):
        status, headers, _ = ask(server, path)
        assert status == (404 if path == "/nothing" else 200)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Python" not in headers["Server"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "192.168.0.1:80"])
def test_another_name_for_this_machine_is_refused(server: VoteServer, host: str):
    for path in ("/", "/api/study"):
        status, _, body = ask(server, path, Host=host)
        assert status == 421
        assert b"question" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9999", "[::1]:80"])
def test_a_tunnel_may_have_another_port(server: VoteServer, host: str):
    assert ask(server, "/api/study", Host=host)[0] == 200


def test_nothing_is_told_or_changed_without_the_token(server: VoteServer):
    state = enter(server)
    vote = {"rater": "ann", "pair": state["current"]["pair"], "choice": "left", "milliseconds": 1}
    image = f"/api/image?rater=ann&pair={state['current']['pair']}&side=left"
    for token in ("", "x", server.token[:-1], "\u00e9"):
        assert ask(server, "/api/study", token=token)[0] == 403
        assert ask(server, "/api/vote", vote, token=token)[0] == 403
        assert ask(server, f"{image}&token=wrong")[0] == 403
    assert server.service.book.ballots() == []
    assert ask(server, f"{image}&token={server.token}", token="")[0] == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}]
)
def test_requests_from_other_pages_are_refused_even_with_the_token(server: VoteServer, headers: dict[str, str]):
    state = enter(server)
    vote = {"rater": "ann", "pair": state["current"]["pair"], "choice": "left", "milliseconds": 1}
    assert ask(server, "/api/vote", vote, **headers)[0] == 403
    assert ask(server, "/", **headers)[0] == 200  # a link from elsewhere may lead here
    assert server.service.book.ballots() == []


def test_nothing_that_is_sent_says_which_model_is_where(server: VoteServer):
    state = enter(server)
    told = json.dumps(state) + ask(server, "/api/study")[2].decode()
    for pair in (state["current"], state["following"]):
        for side in PARTS:
            status, headers, body = ask(server, f"/api/image?rater=ann&pair={pair['pair']}&side={side}")
            assert (status, headers["Content-Type"]) == (200, "image/png")
            with Image.open(BytesIO(body)) as image:
                assert image.size == (pair["width"], pair["height"])
                assert not image.text  # type: ignore[attr-defined]
            told += str(headers) + body.decode("latin-1")
    assert "better" not in told.replace("Which image is better?", "")
    assert "worse" not in told


def test_only_the_pairs_that_a_rater_is_about_to_see_are_shown(server: VoteServer):
    state = enter(server)
    near = {state["current"]["pair"], state["following"]["pair"]}
    for number in range(8):
        status = ask(server, f"/api/image?rater=ann&pair={number}&side=left")[0]
        assert (status == 200) == (number in near)
    for query in ("rater=ann&pair=0&side=up", "rater=eve&pair=0&side=left", "", "pair=../../etc&side=left&rater=ann"):
        assert ask(server, f"/api/image?{query}")[0] in (400, 404)


def test_a_whole_vote_with_an_undo_and_a_vote_sent_twice(server: VoteServer):
    state = enter(server, "  ann ")
    assert (state["rater"], state["total"], state["done"]) == ("ann", 8, 0)
    vote = {"rater": "ann", "pair": state["current"]["pair"], "choice": "left", "milliseconds": 700}
    first = json.loads(ask(server, "/api/vote", vote)[2])
    assert json.loads(ask(server, "/api/vote", vote | {"choice": "right"})[2]) == first
    assert first["current"] == state["following"]
    assert json.loads(ask(server, "/api/undo", {"rater": "ann"})[2]) == state
    for choice in ("left", "right", "tie", "skip") * 2:
        vote |= {"pair": state["current"]["pair"], "choice": choice}
        state = json.loads(ask(server, "/api/vote", vote)[2])
    assert (state["done"], state["current"], state["following"]) == (8, None, None)
    assert [ballot.choice for ballot in server.service.book.ballots()] == ["left", "right", "tie", "skip"] * 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/vote", b"not json", 400),
        ("/api/vote", [1], 400),
        ("/api/vote", {"rater": "ann"}, 400),
        ("/api/vote", {"rater": "ann", "pair": "0", "choice": "left"}, 400),
        ("/api/vote", {"rater": "eve", "pair": 0, "choice": "left", "milliseconds": 1}, 400),
        ("/api/enter", {"rater": ""}, 400),
        ("/api/enter", {"rater": "a\x1b[2J"}, 400),
        ("/api/nothing", {}, 404),
        ("/api/study", {}, 404),
        ("/api/enter", b"[" * 4000, 400),
        ("/api/enter", b"x" * 5000, 413),
    ],
)
def test_bad_requests_get_a_reason(server: VoteServer, path: str, body: Any, status: int):
    enter(server)
    found, _, answer = ask(server, path, body)
    assert found == status
    assert json.loads(answer)["error"]


def test_an_unknown_choice_is_refused(server: VoteServer):
    state = enter(server)
    vote = {"rater": "ann", "pair": state["current"]["pair"], "choice": "both", "milliseconds": 1}
    assert ask(server, "/api/vote", vote)[0] == 400


def test_an_image_that_was_changed_is_not_shown(server: VoteServer):
    state = enter(server)
    book = server.service.book
    current = book.turn("ann").current
    assert current is not None
    for side in "ab":
        path: Path = book.study.place(side, getattr(current.pair, side))
        Image.new("RGB", (current.pair.width, current.pair.height)).save(path)
    status, _, body = ask(server, f"/api/image?rater=ann&pair={state['current']['pair']}&side=left")
    assert status == 404
    assert json.loads(body)["error"] == "this image is not the one that was scored"
    path.write_text("no image")
    assert ask(server, f"/api/image?rater=ann&pair={state['current']['pair']}&side=right")[0] == 404


def test_a_named_rater_is_the_only_one(book: VoteBook):
    service = VoteService(book, "ann")
    assert service.study({})["rater"] == "ann"
    assert service.enter({"rater": "eve"})["rater"] == "ann"
    assert service.undo({"rater": "eve"})["rater"] == "ann"
    assert book.raters() == ["ann"]
