import pandas as pd
import pytest
from PIL import Image

from reports import curves, sheet

SIZES = {"1:1": (256, 256), "3:2": (320, 208), "9:16": (192, 336)}


@pytest.fixture
def gallery(tmp_path):
    def make(models=("dit", "unet"), aspects=tuple(SIZES), prompts=16, text="a cat", colour=(200, 30, 30)):
        items = []
        for prompt in range(prompts):
            for model in models:
                for aspect in aspects:
                    path = tmp_path / f"{aspect.replace(':', 'x')}-{colour[0]}.png"
                    if not path.exists():
                        Image.new("RGB", SIZES[aspect], colour).save(path)
                    (width, height), id = SIZES[aspect], f"p{prompt}"
                    item = {"model": model, "prompt_id": id, "text": text, "aspect": aspect, "tags": ()}
                    items.append(item | {"width": width, "height": height, "index": 0, "file": str(path)})
        return items

    return make


def pixels(path, colour):
    with Image.open(path) as image:
        return sum(count for count, value in image.getcolors(2**24) if value == colour)


def test_sheets_hold_about_sixty_images_and_no_image_is_lost(tmp_path, gallery):
    paths = sheet.write_sheets(gallery(), tmp_path, {})
    assert [path.name for path in paths] == ["contact_sheet.png", "contact_sheet-2.png"]
    row = sum(round(sheet.HEIGHT * width / height) for width, height in SIZES.values()) * 2 * sheet.HEIGHT
    assert [pixels(path, (200, 30, 30)) for path in paths] == [10 * row, 6 * row]


@pytest.mark.parametrize("models", [("dit",), ("a", "b", "c", "d")])
@pytest.mark.parametrize("aspects", [("1:1",), ("1:1", "9:16")])
@pytest.mark.parametrize("prompts", [1, 7])
def test_any_grid_shows_every_image_inside_the_page(tmp_path, gallery, models, aspects, prompts):
    items = gallery(models=models, aspects=aspects, prompts=prompts)
    (path,) = sheet.write_sheets(items, tmp_path, {"title": "grid", "models": list(models)})
    area = sum(sheet.HEIGHT * round(sheet.HEIGHT * item["width"] / item["height"]) for item in items)
    assert pixels(path, (200, 30, 30)) == area
    with Image.open(path) as image:
        assert image.width <= max(sheet.WIDTH + 2 * sheet.MARGIN, 220 * len(models) * len(aspects))
        assert image.getpixel((2, 2)) == (255, 255, 255)


def test_columns_stand_in_the_order_asked_for(tmp_path, gallery):
    items = gallery(models=("b", "a"), aspects=("9:16", "1:1"), prompts=1)
    for item in items:
        path = tmp_path / f"{item['model']}{item['width']}.png"
        Image.new("RGB", (item["width"], item["height"]), (ord(item["model"]), item["width"] // 2, 0)).save(path)
        item["file"] = str(path)
    context = {"models": ["a", "absent", "b"], "spec": {"aspects": ("1:1", "3:2", "9:16")}}
    (path,) = sheet.write_sheets(items, tmp_path, context)
    with Image.open(path) as image:
        found = [image.getpixel((x, 200)) for x in range(image.width)]
    expected = [(ord(model), width // 2, 0) for model in "ab" for width in (256, 192)]
    assert [pixel for pixel in dict.fromkeys(found) if pixel in expected] == expected


def test_an_image_that_is_lost_or_broken_leaves_a_field_not_an_error(tmp_path, gallery):
    items = gallery(models=("dit",), aspects=("1:1",), prompts=3)
    (tmp_path / "broken.png").write_bytes((tmp_path / "1x1-200.png").read_bytes()[:60])
    (tmp_path / "notes.png").write_text("no image")
    files = [str(tmp_path / name) for name in ("absent.png", "broken.png", "notes.png")]
    items = [item | {"file": file} for item, file in zip(items, files, strict=True)]
    (path,) = sheet.write_sheets(items, tmp_path, {})
    assert pixels(path, (0xEE, 0xEE, 0xEE)) > 3 * 0.9 * sheet.HEIGHT**2


def test_of_several_images_the_first_is_shown(tmp_path, gallery):
    first, second = gallery(prompts=1), gallery(prompts=1, colour=(30, 30, 200))
    (path,) = sheet.write_sheets([item | {"index": 1} for item in second] + first, tmp_path, {})
    assert pixels(path, (30, 30, 200)) == 0 < pixels(path, (200, 30, 30))


def test_sheets_of_a_longer_report_are_removed(tmp_path, gallery):
    sheet.write_sheets(gallery(), tmp_path, {})
    sheet.write_sheets(gallery(prompts=2), tmp_path, {})
    assert [path.name for path in tmp_path.glob("contact_sheet*")] == ["contact_sheet.png"]
    assert sheet.write_sheets([], tmp_path, {}) == []
    assert not list(tmp_path.glob("contact_sheet*"))


def test_captions_of_any_text_are_drawn_within_their_lines(tmp_path, gallery, nasty):
    (path,) = sheet.write_sheets(gallery(prompts=1, text=nasty), tmp_path, {"title": nasty})
    with Image.open(path) as image:
        image.load()
        edge = image.crop((image.width - sheet.MARGIN + 2, 0, image.width, image.height))
        assert image.height <= sheet.HEIGHT + sheet.CAPTION_LINES * sheet.LINE + 200
        assert edge.getcolors() == [(edge.width * edge.height, (255, 255, 255))]


def test_long_captions_wrap_and_end_in_an_ellipsis():
    lines = sheet._wrap("word " * 200, 300)
    assert len(lines) == sheet.CAPTION_LINES
    assert lines[-1].endswith("…")
    font = sheet._font(sheet.CAPTION_SIZE)
    assert all(font.getlength(line) <= 300 for line in lines)
    assert " ".join(sheet._wrap("one two three", 60)) == "one two three"
    assert "".join(sheet._wrap("x" * 60, 300)) == "x" * 60


def make_curves(models=("dit", "unet"), series=("variance", "deviation")):
    rows = [
        (model, f"{kind} {what}", step / 10, offset + step / 10)
        for offset, model in enumerate(models)
        for kind in ("guided", "conditional")
        for what in series
        for step in range(1, 11)
    ]
    return pd.DataFrame(rows, columns=["model", "series", "t", "value"], dtype=object)


def test_curves_are_drawn_in_a_panel_each(tmp_path):
    sizes = []
    for series in (("variance", "deviation"), ("deviation",)):
        with Image.open(*curves.write_curves(make_curves(series=series), tmp_path)) as image:
            sizes.append(image.size)
    assert sizes[0] == (2 * sizes[1][0], sizes[1][1])


def test_without_curves_an_old_picture_goes(tmp_path):
    curves.write_curves(make_curves(), tmp_path)
    assert curves.write_curves(None, tmp_path) == []
    assert curves.write_curves(make_curves(models=()), tmp_path) == []
    assert not (tmp_path / curves.NAME).exists()


def test_pictures_are_not_written_through_links(tmp_path, gallery):
    outside, folder = tmp_path / "outside", tmp_path / "run"
    outside.write_text("precious")
    folder.mkdir()
    for name in (curves.NAME, "contact_sheet.png"):
        (folder / name).symlink_to(outside)
    curves.write_curves(make_curves(), folder)
    sheet.write_sheets(gallery(prompts=1), folder, {})
    assert outside.read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == ["contact_sheet.png", curves.NAME]
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_any_model_name_can_label_a_curve(tmp_path, corpus):
    assert curves.write_curves(make_curves(models=corpus, series=("variance",)), tmp_path)


def test_labels_keep_apart_and_move_no_more_than_they_must():
    gap = curves.LABEL_GAP
    assert curves.spread([0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9])
    assert curves.spread([0.5, 0.5]) == pytest.approx([0.5 - gap / 2, 0.5 + gap / 2])
    assert curves.spread([0.5, 0.5, 0.5 + gap, 0.9]) == pytest.approx(
        [0.5 - gap * 2 / 3, 0.5 + gap / 3, 0.5 + gap * 4 / 3, 0.9]
    )
    assert curves.spread([]) == []


def test_missing_values_leave_a_gap_not_an_error(tmp_path):
    table = make_curves()
    table.loc[table["model"] == "unet", "value"] = float("nan")
    assert curves.write_curves(table, tmp_path)
