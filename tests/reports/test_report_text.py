import io
import unicodedata

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from reports import console, markdown
from reports.text import clean
from reports.text import markdown as escape


def shown(tokens):
    """The text a reader of rendered Markdown sees, and the kinds of everything that is not text."""
    text, kinds = "", set()
    for token in tokens:
        if token.type in ("text", "text_special"):
            text += token.content
        elif token.children is not None:
            inner, more = shown(token.children)
            text, kinds = text + inner, kinds | more
        else:
            kinds.add(token.type.removesuffix("_open").removesuffix("_close"))
    return text, kinds


def parse(text):
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)


def test_clean_text_is_one_printable_line(nasty):
    text = clean(nasty)
    assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert clean(text) == text
    text.encode()


def test_cleaning_keeps_what_is_harmless():
    for text in ("مرحبا بالعالم", "猫 🐱 👩‍🚀 é", "a [/b] c | *x*"):
        assert clean(text) == text
    assert clean("\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2Jend\u202e") == "red end"


def test_escaped_text_reads_as_itself_in_a_paragraph(nasty):
    assert shown(parse(escape(nasty))) == (clean(nasty), {"paragraph"})


def test_escaped_text_reads_as_itself_in_a_list_item(nasty):
    assert shown(parse(f"- {escape(nasty)}")) == (clean(nasty), {"bullet_list", "list_item", "paragraph"})


def test_escaped_text_reads_as_itself_in_a_table_cell(nasty):
    text, kinds = shown(parse(f"| head |\n| --- |\n| {escape(nasty)} |"))
    assert text == "head" + clean(nasty)
    assert kinds == {"table", "thead", "tbody", "tr", "th", "td"}


def test_numbers_are_not_disfigured():
    assert [escape(text) for text in ("0.5", "-1.5 ±0.1", "+3", "16:9", "4.0")] == [
        "0.5", "-1.5 ±0.1", "+3", "16:9", "4.0",
    ]  # fmt: skip


@pytest.fixture
def everywhere(frame, row, nasty):
    """Rows and context that have the text in every place a user's text can reach."""
    rows = frame(
        row(model=model, metric=f"m{nasty}", slice=slice_, unit=nasty, protocol=nasty, method=nasty, note=nasty)
        for model in (f"a{nasty}", f"b{nasty}")
        for slice_ in ("all", f"aspect={nasty}", f"tag={nasty}")
    )
    context = {
        "title": nasty, "models": {f"a{nasty}": nasty}, "prompts": {"name": nasty}, "spec": {nasty: [nasty]},
        "versions": {nasty: nasty}, "notes": [nasty], "command": nasty,
    }  # fmt: skip
    return rows, context


def test_the_report_keeps_its_shape_whatever_the_text(everywhere):
    text = markdown.report(*everywhere)
    tokens = parse(text)
    table = {"table", "thead", "tbody", "tr", "th", "td"}
    assert shown(tokens)[1] <= table | {"heading", "paragraph", "bullet_list", "list_item", "fence", "strong"}
    assert sum(token.type == "heading_open" for token in tokens) == 6
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]


@pytest.mark.parametrize("width", [40, 100])
def test_the_console_shows_any_text_and_obeys_none(everywhere, nasty, width):
    rows, _ = everywhere
    output = io.StringIO()
    plain = Console(file=output, width=width, color_system=None)
    plain.print(console.table(rows, title=nasty, notes=[nasty]))
    printed = output.getvalue()
    assert not [c for c in printed if unicodedata.category(c) == "Cc" and c != "\n"]
    squeezed = "".join(printed.split())
    assert "".join(clean(nasty).split()) in squeezed


@pytest.mark.parametrize(("models", "whole"), [(("dit", "unet"), True), (("dit", "unet", "toy", "other"), False)])
def test_at_80_columns_the_longest_metric_is_whole_for_two_models_and_no_column_is_lost(frame, row, models, whole):
    metric, output = "v_variance_conditional@trajectory", io.StringIO()
    rows = frame(
        row(metric=metric, model=model, slice=part, value=value, low=value - 0.0023, high=value + 0.0023, n=77)
        for model, value in zip(models, (0.1234, 0.2345, 0.3456, 0.4567), strict=False)
        for part in ("all", "aspect=16:9")
    )
    Console(file=output, width=80, color_system=None).print(console.table(rows, models=models))
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert (output.getvalue().count(metric) == 2) is whole
    assert output.getvalue().count("77") == 2
    assert output.getvalue().count("0.1234") == 2
