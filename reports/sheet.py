"""Contact sheets: every prompt's images side by side, all models and aspect ratios at one height."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.files import write_bytes
from reports.text import clean

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

HEIGHT = 192  # pixels of every image
WIDEST = 4.0  # width / height; wider images are shown less tall
PER_SHEET = 60  # images, about
WIDTH = 1500  # pixels of a sheet, about: blocks stand side by side up to here
NARROWEST = 600  # pixels: room for a title
MARGIN, GAP, MODEL_GAP, BLOCK_GAP, ROW_GAP = 32, 8, 28, 48, 30
TITLE_SIZE, MODEL_SIZE, SMALL_SIZE, CAPTION_SIZE, CAPTION_LINES = 26, 20, 14, 17, 3
LINE = 23  # pixels of a caption's line
PAPER, INK, FAINT, RULE, EMPTY = "#ffffff", "#222222", "#767676", "#dddddd", "#eeeeee"


class Column(NamedTuple):
    """Where in a block the images of one model and aspect ratio go."""

    model: str
    aspect: str
    x: int
    width: int


class Block(NamedTuple):
    """One prompt's images, by model and aspect ratio."""

    prompt_id: str
    text: str
    files: Mapping[tuple[str, str], Path]


def write_sheets(gallery: Iterable[Mapping[str, Any]], folder: Path, context: Mapping[str, Any]) -> list[Path]:
    """Draw contact_sheet.png, contact_sheet-2.png, ...; return their paths.

    Args:
        gallery: images with model, prompt_id, text, aspect, width, height, index, file. Of several
            indices the lowest is shown. An image that cannot be read leaves a grey field.
        folder: where the sheets go; sheets left over from an earlier report are removed.
        context: `title`, `models` and the `aspects` of `spec`, see `reports.write_all`.
    """
    for old in folder.glob("contact_sheet*.png"):
        old.unlink()
    items = sorted(gallery, key=lambda item: int(item["index"]))  # stable: order of prompts is kept
    if not items:
        return []
    columns = _columns(items, context.get("models", ()), context.get("spec", {}).get("aspects", ()))
    width = columns[-1].x + columns[-1].width
    blocks = _blocks(items)
    across = max(1, min(len(blocks), (WIDTH + BLOCK_GAP) // (width + BLOCK_GAP)))
    rows = [blocks[start : start + across] for start in range(0, len(blocks), across)]
    height = max(1, PER_SHEET // (across * len(columns)))  # rows of a sheet
    pages = [rows[start : start + height] for start in range(0, len(rows), height)]
    paths = []
    for number, page in enumerate(pages, start=1):
        title = clean(context.get("title") or "Contact sheet") + (f" ({number} of {len(pages)})" if pages[1:] else "")
        path = folder / ("contact_sheet.png" if number == 1 else f"contact_sheet-{number}.png")
        picture = BytesIO()
        _draw_page(page, columns, across, title).save(picture, "PNG")
        paths.append(write_bytes(picture.getvalue(), path))
    return paths


def _columns(items: Sequence[Mapping[str, Any]], models: Iterable[str], aspects: Iterable[str]) -> list[Column]:
    """Columns of what is there, in the order asked for; what was not asked for follows as it appears."""
    widths: dict[tuple[str, str], int] = {}
    for item in items:
        key = str(item["model"]), str(item["aspect"])
        ratio = min(int(item["width"]) / int(item["height"]), WIDEST)
        widths[key] = max(widths.get(key, 1), round(HEIGHT * ratio))
    models = dict.fromkeys([*models, *(model for model, _ in widths)])
    aspects = dict.fromkeys([*aspects, *(aspect for _, aspect in widths)])
    columns: list[Column] = []
    x = 0
    for model in models:
        present = [aspect for aspect in aspects if (model, aspect) in widths]
        for aspect in present:
            columns.append(Column(model, aspect, x, widths[model, aspect]))
            x += widths[model, aspect] + GAP
        x += MODEL_GAP - GAP if present else 0
    return columns


def _blocks(items: Sequence[Mapping[str, Any]]) -> list[Block]:
    texts: dict[str, str] = {}
    files: dict[str, dict[tuple[str, str], Path]] = {}
    for item in items:
        texts.setdefault(str(item["prompt_id"]), clean(item["text"]))
        place = str(item["model"]), str(item["aspect"])
        files.setdefault(str(item["prompt_id"]), {}).setdefault(place, Path(item["file"]))
    return [Block(id, text, files[id]) for id, text in texts.items()]


def _draw_page(rows: Sequence[Sequence[Block]], columns: Sequence[Column], across: int, title: str) -> Image.Image:
    from PIL import Image, ImageDraw

    block_width = columns[-1].x + columns[-1].width
    captions = [[_wrap(block.text, block_width) for block in row] for row in rows]
    heights = [HEIGHT + 10 + SMALL_SIZE + 6 + LINE * max(map(len, row)) + ROW_GAP for row in captions]
    top = MARGIN + TITLE_SIZE + 24 + MODEL_SIZE + SMALL_SIZE + 22
    width = max(NARROWEST, across * (block_width + BLOCK_GAP) - BLOCK_GAP)
    page = Image.new("RGB", (width + 2 * MARGIN, top + sum(heights) + MARGIN - ROW_GAP), PAPER)
    draw, font = ImageDraw.Draw(page), _font(TITLE_SIZE, bold=True)
    draw.text((MARGIN, MARGIN), _fit(title, width, font), INK, font)
    y = top
    for number, (row, lines, height) in enumerate(zip(rows, captions, heights, strict=True)):
        for place, (block, caption) in enumerate(zip(row, lines, strict=True)):
            x = MARGIN + place * (block_width + BLOCK_GAP)
            if number == 0:
                _draw_headings(draw, columns, (x, y), repeated=place > 0)
            _draw_block(page, draw, block, columns, (x, y), caption)
        y += height
    return page


def _draw_headings(
    draw: ImageDraw.ImageDraw, columns: Sequence[Column], corner: tuple[int, int], repeated: bool
) -> None:
    (x, y), large, small = corner, _font(MODEL_SIZE, bold=True), _font(SMALL_SIZE)
    last = {column.model: column.x + column.width for column in columns}
    first = {column.model: column.x for column in reversed(columns)}
    if not repeated or len(first) > 1:
        for model, start in first.items():
            text = _fit(clean(model), last[model] - start, large)
            draw.text((x + start, y - SMALL_SIZE - MODEL_SIZE - 18), text, INK, large)
    if not repeated or len(columns) > 1:
        for column in columns:
            draw.text((x + column.x, y - SMALL_SIZE - 8), clean(column.aspect), FAINT, small)


def _draw_block(
    page: Image.Image,
    draw: ImageDraw.ImageDraw,
    block: Block,
    columns: Sequence[Column],
    corner: tuple[int, int],
    caption: Sequence[str],
) -> None:
    x, y = corner
    for column in columns:
        image = _thumbnail(block.files.get((column.model, column.aspect)), column.width)
        page.paste(image, (x + column.x, y))
        box = (x + column.x - 1, y - 1, x + column.x + image.width, y + image.height)
        draw.rectangle(box, outline=RULE)  # so that a white background has an edge
    y += HEIGHT + 10
    small, width = _font(SMALL_SIZE), columns[-1].x + columns[-1].width
    draw.text((x, y), _fit(clean(block.prompt_id), width, small), FAINT, small)
    for number, line in enumerate(caption):
        draw.text((x, y + SMALL_SIZE + 6 + LINE * number), line, INK, _font(CAPTION_SIZE))


def _thumbnail(path: Path | None, width: int) -> Image.Image:
    from PIL import Image, ImageDraw, ImageOps

    problem = "missing"
    if path is not None:
        try:
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
                return ImageOps.contain(image.convert("RGB"), (width, HEIGHT), Image.Resampling.LANCZOS)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            problem = "unreadable"
    field = Image.new("RGB", (width, HEIGHT), EMPTY)
    ImageDraw.Draw(field).text((width / 2, HEIGHT / 2), problem, FAINT, _font(SMALL_SIZE), anchor="mm")
    return field


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    import matplotlib as mpl
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` pixels; a word longer than that is broken; what exceeds the last line is cut."""
    font, lines = _font(CAPTION_SIZE), [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            lines += [""] if lines[-1] and font.getlength(lines[-1] + letter) > width else []
            lines[-1] += letter
    if len(lines) > CAPTION_LINES:
        lines[CAPTION_LINES - 1 :] = [_fit(" ".join(lines[CAPTION_LINES - 1 :]), width, font)]
    return lines


def _fit(text: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
