from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import vote_runs

from evalsuite import sources
from evalsuite.vote.database import VoteBook
from evalsuite.vote.server import VoteServer
from evalsuite.vote.service import VoteService
from evalsuite.vote.study import plan_study, visible

READY = "#vote:not([hidden]) #pair[data-ready]"
SIZES = {"wide": (1440, 900), "narrow": (390, 844), "flat": (844, 390)}
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</blockquote><h1>owned</h1>",
    "\x1b[31mred\x1b]0;title\x07 \u202eevil\u202c \x00\x9b2J",
    "javascript:alert(1) {{7*7}} ${alert(1)} &lt;b&gt; &amp;",
    '" onmouseover="alert(1)" x=\'',
    "a very long prompt " * 200,
    "x" * 3000,
    "\ud800 lone, 猫 👩‍🚀, مرحبا",
    "<iframe src=//evil.example></iframe><link rel=stylesheet href=//evil.example/x.css>",
)


class Vote:
    """A vote that is served, and a page that shows it; what the page says and asks for is kept."""

    def __init__(self, server: VoteServer, book: VoteBook, context: Any) -> None:
        self.server, self.book = server, book
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(server.url)

    def ready(self) -> None:
        self.page.wait_for_selector(READY)

    def choices(self) -> list[str]:
        return [ballot.choice for ballot in self.book.ballots()]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.ready()
            done = self.book.turn("ann").done
            self.page.keyboard.press(key)
            self.wait(lambda done=done: self.book.turn("ann").done != done)

    def wait(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "nothing happened"
            self.page.wait_for_timeout(10)


@pytest.fixture
def voting(chromium: Any, tmp_path: Path) -> Callable[..., Any]:
    """A function that serves a vote and opens its page; whatever a test did, the page has to be silent."""

    @contextmanager
    def serve(
        texts: Sequence[str] = vote_runs.PROMPTS, rater: str | None = "ann", sizes: Any = vote_runs.SIZES, **look: Any
    ) -> Iterator[Vote]:
        runs = vote_runs.write_runs(tmp_path / "runs", texts, sizes)
        with (
            VoteBook.begin(tmp_path / "votes", plan_study(sources.read_all(runs))) as book,
            VoteServer(VoteService(book, rater)) as server,
        ):
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            context = chromium.new_context(**{"viewport": {"width": 1100, "height": 700}} | look)
            try:
                vote = Vote(server, book, context)
                yield vote
                home = server.url.partition("#")[0]
                assert vote.said == []
                assert [url for url in vote.asked if not url.startswith(home)] == []
            finally:
                context.close()
                server.shutdown()
                thread.join()

    return serve


def test_keys_vote_and_every_vote_is_in_the_file(voting: Callable[..., Any]):
    with voting() as vote:
        vote.press("ArrowLeft", "ArrowRight", "Space", "s", "S", "t")
        assert vote.choices() == ["left", "right", "tie", "skip", "skip", "tie"]
        vote.press("u", "Backspace")
        assert vote.choices() == ["left", "right", "tie", "skip"]
        vote.press("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")
        vote.page.wait_for_selector("#end:not([hidden])")
        assert vote.page.inner_text("#end-count") == "8 pairs done, ann."
        assert vote.choices()[4:] == ["right", "right", "left", "left"]
        vote.page.keyboard.press("u")
        vote.ready()
        assert len(vote.choices()) == 7
        for ballot in vote.book.ballots():
            assert 0 <= ballot.milliseconds < 20_000


def test_the_image_that_is_chosen_is_the_one_that_was_seen(voting: Callable[..., Any]):
    """Pixels of the page against the files: what counts for a model is what stood on that side."""
    with voting() as vote:
        for _ in range(4):
            vote.ready()
            seen = vote.page.evaluate(
                """() => {
                    const canvas = new OffscreenCanvas(8, 8), image = document.querySelector("#left img");
                    const draw = canvas.getContext("2d");
                    draw.drawImage(image, 0, 0, 8, 8, 0, 0, 8, 8);
                    return [...draw.getImageData(2, 2, 1, 1).data].slice(0, 3);
                }"""
            )
            vote.press("ArrowLeft")
            ballot = vote.book.ballots()[-1]
            from PIL import Image

            with Image.open(vote.book.study.place(ballot.winner, getattr(ballot.pair, ballot.winner))) as file:
                assert list(file.convert("RGB").getpixel((2, 2))) == seen


def test_clicks_vote_and_leave_no_focus_that_space_would_press(voting: Callable[..., Any]):
    with voting() as vote:
        for place, choice in {
            "#left img": "left",
            "#right img": "right",
            "#actions [data-choice=tie]": "tie",
            "#actions [data-choice=left]": "left",
            "#actions [data-choice=right]": "right",
            "#skip": "skip",
        }.items():
            vote.ready()
            count = len(vote.choices())
            vote.page.click(place)
            vote.wait(lambda count=count: len(vote.choices()) > count)
            assert vote.choices()[-1] == choice
        vote.press("Space")
        assert vote.choices()[-1] == "tie"
        vote.ready()
        vote.page.click("#undo")
        vote.wait(lambda: len(vote.choices()) == 6)


def test_a_button_that_was_reached_by_tab_is_pressed_by_space(voting: Callable[..., Any]):
    with voting() as vote:
        vote.ready()
        vote.page.focus("#actions [data-choice=right]")
        vote.page.keyboard.press("Space")
        vote.wait(lambda: vote.choices() == ["right"])


def test_a_key_that_is_hit_twice_or_held_votes_once(voting: Callable[..., Any]):
    with voting() as vote:
        vote.ready()
        vote.page.keyboard.down("ArrowLeft")
        for _ in range(5):
            vote.ready()
            vote.page.keyboard.down("ArrowLeft")
        vote.page.keyboard.up("ArrowLeft")
        vote.ready()
        assert vote.choices() == ["left"]
        vote.page.evaluate(
            """for (const key of ["ArrowRight", "ArrowLeft", " ", "u"])
                document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }))"""
        )
        vote.wait(lambda: len(vote.choices()) == 2)
        vote.ready()
        assert vote.choices() == ["left", "right"]


def test_a_name_is_asked_for_and_the_same_name_goes_on(voting: Callable[..., Any]):
    with voting(rater=None) as vote:
        page = vote.page
        page.wait_for_selector("#intro:not([hidden])")
        assert "8 pairs" in page.inner_text("#intro")
        page.keyboard.type("<b>Zo\u00eb</b> \u202e")
        page.keyboard.press("Enter")
        assert vote.book.raters() == []
        vote.wait(lambda: "printable" in page.evaluate("document.querySelector('#name').validationMessage"))
        page.fill("#name", "<b>Zo\u00eb</b>")
        page.keyboard.press("Enter")
        vote.ready()
        for _ in range(3):
            vote.ready()
            page.keyboard.press("ArrowLeft")
            page.wait_for_timeout(200)
        vote.ready()
        vote.said = [text for text in vote.said if "400 (Bad Request)" not in text]  # the name that was refused
        page.reload()
        page.fill("#name", "<b>Zo\u00eb</b>")
        page.click("text=Start")
        vote.ready()
        assert page.inner_text("#count") == "4 of 8"
        for _ in range(5):
            vote.ready()
            page.keyboard.press("Space")
            page.wait_for_timeout(200)
        page.wait_for_selector("#end:not([hidden])")
        assert page.inner_text("#end-count") == "8 pairs done, <b>Zo\u00eb</b>."


def test_hostile_prompts_are_shown_as_text(voting: Callable[..., Any]):
    with voting(texts=HOSTILE, sizes={"1:1": (64, 64)}) as vote:
        expected = {visible(text) for text in HOSTILE}
        seen = set()
        for _ in HOSTILE:
            vote.ready()
            seen.add(vote.page.text_content("#prompt"))
            assert vote.page.locator("#prompt *").count() == 0
            assert vote.page.locator("iframe, object, embed, body h1:has-text('owned')").count() == 0
            assert vote.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert vote.page.is_visible("#actions [data-choice=tie]")
            vote.press("Space")
        assert {text.encode("utf-8", "replace") for text in seen} == {t.encode("utf-8", "replace") for t in expected}
        assert not [text for text in seen if set(text) & set("\x00\x07\x1b\x9b\u202e")]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_whole_and_accessible(
    voting: Callable[..., Any], axe: Callable[[Any], list[str]], scheme: str, size: str, tmp_path: Path
):
    width, height = SIZES[size]
    look = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    with voting(rater=None, texts=HOSTILE[6:7], **look) as vote:
        page = vote.page
        shots = Path(os.environ.get("VOTE_SHOTS") or tmp_path)
        page.wait_for_selector("#intro:not([hidden])")
        assert axe(page) == []
        page.screenshot(path=shots / f"test-intro-{scheme}-{size}.png")
        page.fill("#name", "ann")
        page.click("text=Start")
        vote.ready()
        assert axe(page) == []
        page.screenshot(path=shots / f"test-vote-{scheme}-{size}.png")
        boxes = [page.locator(place).bounding_box() for place in ("#left img", "#right img", "#actions")]
        for box in boxes:
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= width + 0.5
            assert box["y"] + box["height"] <= height + 0.5
            assert min(box["width"], box["height"]) >= 40
        left, right, _ = boxes
        assert (left["width"], left["height"]) == pytest.approx((right["width"], right["height"]))
        assert (left["y"] + left["height"] <= right["y"]) == (size == "narrow")
        while vote.book.turn("ann").current is not None:
            vote.press("ArrowLeft")
        page.wait_for_selector("#end:not([hidden])")
        assert axe(page) == []
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, colour[4:-1].split(","))) < 384) == (scheme == "dark")


def test_a_page_without_its_token_or_server_says_what_to_do(
    voting: Callable[..., Any], axe: Callable[[Any], list[str]]
):
    with voting() as vote:
        vote.ready()
        vote.page.context.set_offline(True)
        vote.page.keyboard.press("ArrowLeft")
        vote.page.wait_for_selector("#stop:not([hidden])")
        assert "Every vote so far is saved" in vote.page.inner_text("#stop-reason")
        assert axe(vote.page) == []
        vote.said = [text for text in vote.said if "ERR_INTERNET_DISCONNECTED" not in text]


def test_a_page_with_another_token_shows_nothing(voting: Callable[..., Any]):
    with voting() as vote:
        vote.ready()
        vote.page.goto("about:blank")
        vote.page.goto(vote.server.url[:-4])
        vote.page.wait_for_selector("#stop:not([hidden])")
        assert vote.page.inner_text("#stop-reason") == "Open the address that the terminal printed."
        vote.said = [text for text in vote.said if "403 (Forbidden)" not in text]
        vote.asked = [url for url in vote.asked if url != "about:blank"]
