from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_runs

from evalsuite.report import collect
from reports import gallery, html, line_chart, thumbnails
from reports.contents import Contents, Image
from reports.text import clean

VOID = ("meta", "link", "img", "br", "wbr", "input")


class Tree(HTMLParser):
    """What a browser would see: elements with their attributes, and text outside of style and script."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": []}
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.raw:
            self.raw[self._open[-1]].append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return collect([str(report_runs.write_run(tmp_path_factory.mktemp("runs") / "run"))]).contents


@pytest.fixture(scope="module")
def tree(contents: Contents) -> Tree:
    return Tree(html.page(contents))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    run = report_runs.write_run(tmp_path_factory.mktemp("runs") / "run", word="plain", prompts=3)
    return Tree(html.page(collect([str(run)]).contents))


def shape(tree: Tree) -> list[Any]:
    return [(tag, sorted(attributes)) for tag, attributes in tree.elements]


def test_the_verdict_comes_first_and_names_the_winner(tree: Tree):
    assert "dit is better than unet on all 2 metrics." in tree.text
    ids = [attributes["id"] for tag, attributes in tree.elements if re.fullmatch("h[123]", tag) and "id" in attributes]
    assert ids[:7] == ["headline", "can", "cannot", "scores-title", "slices-title", "path-title", "cost-title"]
    assert ids[7:12] == ["images-title", "gains-title", "losses-title", "rest-title", "recipe-title"]


def test_headings_are_in_order_and_there_is_one_of_the_first_level(tree: Tree):
    levels = [int(tag[1]) for tag, _ in tree.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - level <= 1 for level, later in pairwise(levels))


def test_every_number_is_in_the_page_without_its_script(contents: Contents, tree: Tree):
    for line in html.html_table.lines(contents):
        for words in (line.difference, line.limits, line.p, line.n, *(value.text for value in line.values)):
            assert words in tree.text
        assert line.sentence in tree.text
        assert all(protocol in tree.text for protocol in line.protocols)
    for image in contents.images:
        assert image.text in tree.text
    for value in (point["t"] for point in contents.curves):
        assert f"{value:.3f}" in tree.text


def test_the_policy_allows_exactly_the_style_and_script_that_are_there(contents: Contents, tree: Tree):
    (policy,) = [meta["content"] for meta in tree.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    (style,) = tree.raw["style"]
    data, script = tree.raw["script"]
    for kind, text in (("style", style), ("script", script)):
        assert f"{kind}-src 'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in str(policy)
    assert str(policy).startswith("default-src 'none'; ")
    assert "unsafe" not in str(policy)
    json.loads(data)
    assert tree.of("script") == [{"type": "application/json", "id": "data"}, {}]


def test_nothing_is_asked_for_from_anywhere(tree: Tree):
    for tag, attributes in tree.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "action", "data", "poster", "srcset", "formaction"):
            if name in attributes:
                assert str(attributes[name]).startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\(|@import|https?:", "".join(tree.raw["style"]))
    assert not re.search(r"fetch\(|XMLHttpRequest|WebSocket|innerHTML|eval\(|import\(", "".join(tree.raw["script"]))


def test_every_image_says_its_prompt_and_model(contents: Contents, tree: Tree):
    said = [str(image["alt"]) for image in tree.of("img")]
    assert sorted(said) == sorted(f"{image.model}: {image.text}" for image in contents.images)


@pytest.mark.parametrize("word", report_runs.HOSTILE, ids=range(len(report_runs.HOSTILE)))
def test_text_from_outside_changes_no_element_of_the_page(plain: Tree, tmp_path: Path, word: str):
    run = report_runs.write_run(tmp_path / "run", word=word, prompts=3)
    hostile = Tree(html.page(collect([str(run)]).contents))
    assert shape(hostile) == shape(plain)
    shown = gallery.cut(clean(f"prompt number 0 {word}"), gallery.LONGEST)
    assert " ".join(shown.split()) in hostile.text
    assert "<" not in hostile.raw["script"][0]
    assert hostile.raw["script"][1:] == plain.raw["script"][1:]
    labels = json.loads(hostile.raw["script"][0])["labels"]
    assert labels == [clean(f"{model} {word}") for model in ("dit", "unet")]


def test_the_page_is_the_same_bytes_each_time(tmp_path: Path):
    run = str(report_runs.write_run(tmp_path / "run"))
    assert html.page(collect([run]).contents) == html.page(collect([run]).contents)


def test_five_hundred_images_of_noise_stay_under_15_megabytes(contents: Contents):
    generator = np.random.default_rng(0)
    allowed = thumbnails.allowance(500)
    for width, height in ((256, 256), (1536, 640)):
        noise = thumbnails.encode(generator.integers(0, 256, (height, width, 3), dtype=np.uint8), allowed)
        assert 0 < len(noise) <= allowed
    model = contents.models[0].label
    whole = replace(contents.images[0], model=model, text="a prompt of usual length " * 6, webp=bytes(allowed))
    images = [replace(whole, prompt_id=f"p{n}") for n in range(500)]
    size = len(html.page(replace(contents, images=images)).encode())
    assert 4 / 3 * 500 * allowed < size < 15e6


def test_a_picture_is_as_large_as_the_budget_allows():
    from io import BytesIO

    from PIL import Image as Pillow

    smooth = np.zeros((512, 2048, 3), np.uint8)
    smooth[..., 0] = np.linspace(0, 255, 2048)
    sizes = []
    for count in (1, 500, 3000):
        data = thumbnails.encode(smooth, thumbnails.allowance(count))
        assert len(data) <= thumbnails.allowance(count)
        sizes.append(Pillow.open(BytesIO(data)).size)
    assert sizes[0] == (1024, 256)
    assert sizes[2][0] < 1024
    assert all(abs(width / height - 4) < 0.05 for width, height in sizes)
    small = thumbnails.encode(smooth[:40, :30], thumbnails.LARGEST)
    assert Pillow.open(BytesIO(small)).size == (30, 40)


def test_of_too_many_images_whole_groups_with_the_extremes_are_shown(contents: Contents):
    images = [
        Image(
            model,
            f"p{n}",
            "x",
            (),
            "1:1",
            64,
            64,
            0,
            None,
            "ok",
            {"hps@scenes": float(n == 700 if model == "dit" else 0)},
        )
        for model in ("dit", "unet")
        for n in range(1000)
    ]
    chosen = gallery.choose(replace(contents, images=images), 100)
    assert len(chosen) == 100
    groups = gallery.grouped(chosen)
    assert all(len(group) == 2 for group in groups.values())
    assert ("p700", 0, 64, 64) in groups
    assert len({int(key[0][1:]) // 100 for key in groups}) == 10
    said = Tree(html.page(replace(contents, images=chosen, planned=2000))).text
    assert "100 of 2000 images are shown" in said


def test_what_is_furthest_ahead_stands_first_and_lower_can_be_better(contents: Contents):
    values = {"dit": [5.0, 1.0, 3.0], "unet": [1.0, 5.0, 3.0]}
    images = [
        Image(model, f"p{n}", "x", (), "1:1", 64, 64, 0, None, "ok", {"hps@scenes": value})
        for model, own in values.items()
        for n, value in enumerate(own)
    ]
    metric = contents.metrics[0]
    groups = gallery.grouped(images)
    first, second = gallery.extremes(groups, metric, ("dit", "unet"), 6)
    assert ([key[0] for key in first], [key[0] for key in second]) == (["p0"], ["p1"])
    flipped = gallery.extremes(groups, replace(metric, higher_is_better=False), ("dit", "unet"), 6)
    assert flipped == (second, first)


@pytest.mark.parametrize(("models", "headline"), [
    (("dit",), "dit: 16 images scored."),
    (("dit", "unet", "flux"), "dit is best on 2 of 2 metrics."),
])  # fmt: skip
def test_one_model_and_three_have_pages_of_their_own(tmp_path: Path, models: tuple[str, ...], headline: str):
    found = collect([str(report_runs.write_run(tmp_path / "run", models))]).contents
    said = Tree(html.page(found)).text
    assert headline in said
    assert ("Models that share a letter cannot be told apart" in said) == (len(models) == 3)


def test_models_that_are_alike_are_not_called_equal(tmp_path: Path):
    said = Tree(html.page(collect([str(report_runs.write_run(tmp_path / "run", shift=0.0))]).contents)).text
    assert "No difference seen between dit and unet." in said
    assert "“Not seen” is not “equal”" in said


def test_values_that_are_not_there_are_dashes_and_other_protocols_are_named(contents: Contents):
    rows = [dict(row) for row in contents.rows]
    for row in rows:
        if row["metric"] == "hps@scenes":
            row |= {"value": None, "low": None, "high": None}
        if row["metric"] == "fid@scenes" and row["model"] == "dit":
            row["protocol"] = "another"
    said = Tree(html.page(replace(contents, rows=rows, comparison=None))).text
    assert "fid@scenes was measured under 2 protocols" in said
    assert "—" in said
    assert "None" not in said
    assert "nan" not in said.lower().split()


def test_a_report_of_nothing_is_a_page_too():
    said = Tree(html.page(Contents("nothing", [], [], []))).text
    assert "Nothing was scored." in said
    assert "No scores." in said


def test_curves_with_a_peak_are_logarithmic_and_their_points_stay_in_the_drawing():
    times = np.linspace(0, 1, 11)
    points = [
        {"model": "dit", "series": f"guided {kind}", "t": float(t), "value": float(value)}
        for kind, values in (("variance", 1 + times), ("deviation", np.exp(8 * times) / 100))
        for t, value in zip(times, values, strict=True)
    ]
    straight, peaked = line_chart.charts(points, ("dit",))
    assert (straight.logarithmic, peaked.logarithmic) == (False, True)
    for chart in (straight, peaked):
        drawn = [tuple(map(float, point.split(","))) for line in chart.lines for point in line.points.split()]
        assert all(0 <= x <= line_chart.WIDTH and 0 <= y <= line_chart.HEIGHT for x, y in drawn)
        heights = [float(mark.place) for mark in chart.heights]
        assert 3 <= len(heights) <= line_chart.MOST
        assert heights == sorted(heights, reverse=True)
    xs = [float(point.split(",")[0]) for point in straight.lines[0].points.split()]
    ys = [float(point.split(",")[1]) for point in peaked.lines[0].points.split()]
    np.testing.assert_allclose(np.diff(xs), np.diff(xs)[0], atol=0.11)
    np.testing.assert_allclose(np.diff(ys), np.diff(ys)[0], atol=0.11)  # an exponential is straight


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [-3.0, 2.0], [1e-9, 1e9], [1e-300, 2e-300], [5e-324, 1.0]])
def test_an_axis_holds_any_values(values: list[float]):
    axis = line_chart.Axis.over(values)
    assert all(-1e-9 <= axis.height(value) <= 1 + 1e-9 for value in values)
    assert 1 <= len(axis.ticks()) <= line_chart.MOST
