"""Results that are a few small tables and some sentences: printed for people, as Markdown, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from evalsuite.options import SHOWN, option


class Form(StrEnum):
    """How they are printed."""

    table = "table"
    json = "json"
    md = "md"


AsForm = Annotated[Form, option("--format", "How to print the results.", SHOWN, "table")]


@dataclass(frozen=True, slots=True)
class Section:
    """A table with what is said about it.

    Attributes:
        title: above it; empty for none.
        header: names of columns; empty where there are sentences only.
        lines: cells, as many as the header.
        notes: sentences below it.
    """

    title: str
    header: Sequence[str] = ()
    lines: Sequence[Sequence[object]] = ()
    notes: Sequence[str] = field(default=())


def show(sections: Iterable[Section], data: Any, form: Form) -> None:
    """Print sections, or with ``json`` the data that they were made of."""
    from evalsuite import display

    if form is Form.json:
        display.write(json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False))
        return
    for number, section in enumerate(sections):
        if number:
            display.write("")
        if form is Form.md:
            display.write(to_markdown(section))
        else:
            _table(section)


def _table(section: Section) -> None:
    from evalsuite import display
    from evalsuite.progress import plain

    if section.title:
        display.write(f"{plain(section.title)}\n")
    if section.header:
        display.table(section.header, section.lines)
    for note in section.notes:
        display.write(plain(note))


def to_markdown(section: Section) -> str:
    """A section as Markdown, without a new line at its end."""
    from reports.text import markdown

    parts = [f"### {markdown(section.title)}"] if section.title else []
    if section.header:
        rows = [section.header, ["---"] * len(section.header), *section.lines]
        cells = [[str(cell) if row is rows[1] else markdown(cell) for cell in row] for row in rows]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in cells))
    parts += [markdown(note) for note in section.notes]
    return "\n\n".join(parts)
