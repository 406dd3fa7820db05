from __future__ import annotations

from io import BytesIO
from pathlib import Path

import gallery
import gallery_sheet
import numpy as np
import pytest
from gallery_sheet import Picture
from PIL import Image

import prompts
from evalsuite import RunSpec, generate_images


def test_the_captions_are_a_fixed_list_of_which_two_thirds_are_held_out():
    texts = gallery.captions()
    assert len(texts) == len(set(texts)) == 24
    assert texts[:8] == list(gallery.PLAIN)
    assert set(texts[8:]) <= {prompt.text for prompt in prompts.load("held-out").prompts}


def test_a_model_may_bring_its_own_settings():
    assert gallery.entry("dit") == ("dit", ())
    assert gallery.entry("dit-turbo:steps=4,guidance=1") == ("dit-turbo", ("--steps", "4", "--guidance", "1"))
    for word in ("dit:output-dir=/x", "dit:4", ":steps=4"):
        with pytest.raises(SystemExit, match="write NAME"):
            gallery.entry(word)


@pytest.mark.parametrize(("size", "across"), [((256, 256), 6), ((336, 192), 4), ((192, 336), 8), ((320, 208), 4)])
def test_no_row_is_left_short(size: tuple[int, int], across: int):
    assert gallery_sheet.columns(24, *size) == across
    assert gallery_sheet.columns(7, *size) in (1, 7)


def test_a_sheet_shows_every_picture_at_its_own_size_and_is_not_too_large(monkeypatch: pytest.MonkeyPatch):
    colours = [(10 * place, 255 - 10 * place, 99) for place in range(6)]
    pictures = [Picture(np.full((48, 64, 3), colour, np.uint8), "a cat") for colour in colours]
    sheet = np.asarray(gallery_sheet.draw(pictures, "dit", "said"))
    assert [int((sheet == colour).all(-1).sum()) for colour in colours] == [48 * 64] * 6
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    monkeypatch.setattr(gallery_sheet, "LARGEST", 14_000)
    file = gallery_sheet.webp([Picture(noise, "noise")], "x", "")
    assert len(file) <= 14_000
    assert Image.open(BytesIO(file)).format == "WEBP"
    monkeypatch.setattr(gallery_sheet, "LARGEST", 1_000)
    with pytest.raises(ValueError, match="show fewer"):
        gallery_sheet.webp([Picture(noise, "noise")], "x", "")


def test_captions_are_wrapped_to_the_pictures_width_without_losing_a_word():
    text = "a mountain right of an eagle on a green gradient background"
    lines = gallery_sheet.wrapped(text, 192)
    assert " ".join(lines) == text
    assert len(lines) > 2
    assert gallery_sheet.wrapped(text, 5000) == [text]


def test_a_run_becomes_a_sheet_for_each_ratio_and_a_page_that_says_what_made_them(tmp_path: Path):
    (tmp_path / "captions.txt").write_text("b\na\n", encoding="utf-8")
    made = {"models": ("toy",), "prompts": str(tmp_path / "captions.txt"), "aspects": ("16:9", "1:1"), "pixels": 4096}
    run = generate_images(RunSpec(**made, steps=2, guidance=3.0, output_dir=str(tmp_path / "run")))
    found = list(gallery.sheets(run, tmp_path))
    assert [sheet.file for sheet, _ in found] == ["toy-16x9.webp", "toy-1x1.webp"]
    first = [(tmp_path / sheet.file).read_bytes() for sheet, _ in found]
    assert [(tmp_path / sheet.file).read_bytes() for sheet, _ in gallery.sheets(run, tmp_path)] == first
    page = gallery.page(found, ["b", "a"], folder=tmp_path)
    assert page.index("## 1:1") < page.index("(toy-1x1.webp)") < page.index("## 16:9") < page.index("(toy-16x9.webp)")
    assert "| toy | euler, 2 steps, guidance 3, seed 0 | `fingerprint " in page
    assert "1. b\n2. a\n" in page
