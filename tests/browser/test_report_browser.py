from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import report_runs

from evalsuite.report import collect
from reports import html

Show = Callable[..., AbstractContextManager[Any]]
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes the report of a run, once for the same words."""
    written: dict[tuple[Any, ...], Path] = {}

    def write(models: tuple[str, ...] = ("dit", "unet"), word: str = "", prompts: int = 8) -> Path:
        key = models, word, prompts
        if key not in written:
            folder = tmp_path_factory.mktemp("report")
            run = report_runs.write_run(folder / "run", models, word=word, prompts=prompts)
            text = html.page(collect([str(run)]).contents)
            written[key] = folder / "report.html"
            written[key].write_text(text, encoding="utf-8")
        return written[key]

    return write


@pytest.fixture
def show(chromium: Any) -> Show:
    """A function that opens a file from disk; whatever a test did, the page was silent and asked for nothing."""

    @contextmanager
    def opened(path: Path, **look: Any) -> Iterator[Any]:
        context = chromium.new_context(**{"viewport": WIDE} | look)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        try:
            yield page
            assert said == []
            assert [url for url in asked if url != path.as_uri() and not url.startswith("data:")] == []
            assert page.url.partition("#")[0] == path.as_uri()
        finally:
            context.close()

    return opened


def cards(page: Any, where: str) -> list[str]:
    """Prompts of the cards that are seen in a part of the gallery."""
    return page.eval_on_selector_all(f"#{where} .card:not([hidden]) h4", "found => found.map(one => one.textContent)")


def test_it_opens_from_disk_and_its_images_are_drawn(report: Callable[..., Path], show: Show):
    with show(report()) as page:
        assert page.inner_text("h1") == "dit is better than unet on all 2 metrics."
        page.locator("#images").scroll_into_view_if_needed()
        page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")


def test_filters_leave_what_was_asked_for(report: Callable[..., Path], show: Show):
    with show(report()) as page:
        everything = sum(len(cards(page, part)) for part in ("gains", "losses", "rest"))
        assert everything == 16
        assert page.inner_text("#count") == "16 prompts and sizes"
        page.select_option("#tag", "animal")
        assert page.inner_text("#count") == "6 of 16 prompts and sizes"
        page.select_option("#aspect", "3:2")
        assert page.inner_text("#count") == "3 of 16 prompts and sizes"
        page.fill("#search", "NUMBER 6")
        assert page.inner_text("#count") == "1 of 16 prompts and sizes"
        assert [cards(page, part) for part in ("gains", "losses", "rest")] == [["prompt number 6"], [], []]
        page.fill("#search", "nothing like that")
        assert page.inner_text("#count") == "0 of 16 prompts and sizes"
        page.fill("#search", "")
        page.select_option("#tag", "")
        page.select_option("#aspect", "")
        page.select_option("#model", label="unet")
        assert page.locator("figure[data-model='0']:visible").count() == 0
        assert page.locator("figure[data-model='1']:visible").count() == 16


def test_the_order_follows_the_metric_and_says_by_how_much(report: Callable[..., Path], show: Show):
    found = collect([str(report().parent / "run")], pictures=False)
    with show(report()) as page:
        for number, metric in enumerate(("hps@scenes", "v_variance@trajectory")):
            page.select_option("#by", str(number))
            assert found.comparison is not None
            lead = {(p.text, p.aspect): p.differences[metric] for p in found.comparison.images}
            largest = sorted(lead.values(), reverse=True)[:6]
            said = page.locator("#gains .lead").all_inner_texts()
            assert all(text.startswith("dit ") for text in said)
            assert [float(text.split()[-1]) for text in said] == pytest.approx([x for x in largest if x > 0], rel=5e-3)
            assert len(page.locator("#losses .lead").all_inner_texts()) == min(6, sum(x < 0 for x in lead.values()))


def test_an_image_opens_in_full_and_keys_move_on_and_close(report: Callable[..., Path], show: Show):
    with show(report()) as page:
        assert not page.locator("dialog").is_visible()
        button = page.locator("#gains .open").first
        button.focus()
        page.keyboard.press("Enter")
        assert page.locator("dialog").is_visible()
        assert page.inner_text("#view-place") == "1 of 16"
        assert page.locator("#view-pictures img").count() == 2
        assert page.locator("#view-pictures dd").count() == 4
        assert page.locator("#previous").is_disabled()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#view-place") == "3 of 16"
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#view-place") == "2 of 16"
        assert page.inner_text("#view-title") == cards(page, "gains")[1]
        page.keyboard.press("Escape")
        assert not page.locator("dialog").is_visible()
        assert button.evaluate("one => one === document.activeElement")
        page.keyboard.press("ArrowRight")
        assert button.evaluate("one => one !== document.activeElement && document.activeElement.matches('.open')")
        page.keyboard.press("/")
        page.keyboard.type("number 3")
        assert page.inner_text("#count") == "2 of 16 prompts and sizes"
        page.locator(".open:visible").first.click()
        page.locator("#close").click()
        assert not page.locator("dialog").is_visible()


def test_more_are_shown_when_asked_for(report: Callable[..., Path], show: Show):
    with show(report(prompts=40)) as page:
        assert len(cards(page, "rest")) == 24
        page.click("#more")
        assert len(cards(page, "rest")) == 24 + 48
        page.click("#more")
        assert len(cards(page, "rest")) == 80 - len(cards(page, "gains")) - len(cards(page, "losses"))
        assert not page.locator("#more").is_visible()


def test_of_three_models_any_two_are_compared(report: Callable[..., Path], show: Show):
    with show(report(("dit", "unet", "flux"))) as page:
        assert page.inner_text("#gains-title").startswith("dit furthest ahead")
        page.select_option("#one", label="flux")
        assert page.inner_text("#gains-title").startswith("flux furthest ahead")
        assert all(text.startswith("flux ahead by") for text in page.locator("#gains .lead").all_inner_texts())
        assert page.locator("#gains .card figure").count() == 3 * page.locator("#gains .card").count()


def test_the_theme_follows_the_system_until_it_is_chosen(report: Callable[..., Path], show: Show):
    background = "getComputedStyle(document.body).backgroundColor"
    with show(report(), color_scheme="dark") as page:
        dark = page.evaluate(background)
        page.click("#theme")
        light = page.evaluate(background)
        page.click("#theme")
        assert page.inner_text("#theme") == "Theme: dark"
        assert page.evaluate(background) == dark != light


def test_without_its_script_every_number_and_image_is_seen(report: Callable[..., Path], show: Show):
    with show(report(), java_script_enabled=False) as page:
        assert page.locator(".card").count() == 16
        assert page.locator(".card img:visible").count() == 32
        assert page.locator(".card .score:visible").count() == 64
        assert page.locator(".script:visible").count() == 0
        assert page.locator(".scores tbody tr:visible").count() == 3


@pytest.mark.parametrize("part", range(4))
def test_hostile_text_is_shown_as_text(report: Callable[..., Path], show: Show, part: int):
    word = " ".join(word for word in report_runs.HOSTILE[part::4] if len(word) < 1000)
    with show(report(word=word, prompts=3)) as page:
        assert page.locator("script").count() == 2
        assert page.locator("iframe, base, object, embed, form:not(#filters), meta[http-equiv=refresh]").count() == 0
        assert page.evaluate(
            "[...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => !a.name.startsWith('on')))"
        )
        page.locator(".open").first.click()
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#view-title").startswith("prompt number")
        assert page.evaluate("document.querySelectorAll('dialog script, dialog iframe, dialog svg').length") == 0
        page.keyboard.press("Escape")
        page.select_option("#tag", index=1)
        assert page.locator(".card:visible").count() > 0


@pytest.mark.parametrize("word", ["", "x" * 300])
@pytest.mark.parametrize("models", [("dit",), ("dit", "unet"), ("dit", "unet", "flux")])
def test_no_page_scrolls_sideways(report: Callable[..., Path], show: Show, models: tuple[str, ...], word: str):
    for viewport in (NARROW, WIDE):
        with show(report(models, word, 3), viewport=viewport) as page:
            assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
            page.locator(".open").first.click()
            assert page.evaluate("document.querySelector('dialog').scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("models", [("dit",), ("dit", "unet"), ("dit", "unet", "flux")])
def test_axe_finds_no_serious_fault(
    report: Callable[..., Path],
    show: Show,
    axe: Callable[[Any], list[str]],
    models: tuple[str, ...],
    viewport: dict[str, int],
    scheme: str,
):
    with show(report(models), viewport=viewport, color_scheme=scheme) as page:
        for part in page.locator("details").all():
            part.evaluate("one => { one.open = true; }")
        assert axe(page) == []
        page.locator(".open").first.click()
        assert axe(page) == []


def test_it_prints_with_what_was_folded(report: Callable[..., Path], show: Show):
    with show(report()) as page:
        page.emulate_media(media="print")
        assert not page.locator(".bar").is_visible()
        assert page.locator(".scores thead").is_visible()
        assert page.locator(".print-only").is_visible()
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".how ul").is_visible()
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0
