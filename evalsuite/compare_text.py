"""A comparison as a terminal table, Markdown or CSV. Text from outside is never read as markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from textwrap import wrap

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalsuite.compare import Comparison
from evalsuite.difference import Difference
from evalsuite.fitted_table import Fitted
from evalsuite.pairing import KINDS
from evalsuite.ranking import Ranking
from evalsuite.verdicts import digits_of, number, p_words
from reports.digits import Number, decimals
from reports.text import clean, markdown

MAX_LABEL = 9  # characters of a model's name on one line
MAX_NAME = 22  # characters of a metric's name on one line
WORDS = {"better": "better", "worse": "worse", "differs": "differs", "none": "not seen", "untested": "not tested"}
LINE = ("metric", "difference", "p (Holm)", "W/T/L", "visible", "to settle")


def table(found: Comparison) -> RenderableType:
    """The headline, a table for each kind of slice, and the notes; 100 columns are enough."""
    parts: list[RenderableType] = [Text(clean(" against ".join(found.labels[:2])), "bold")]
    if len(found.labels) > 2:
        parts = [Text(clean(", ".join(found.labels)), "bold")]
    parts += [Text(), Text(clean(found.headline)), Text()]
    for kind in ("all", *KINDS):
        if len(found.labels) == 2 and (lines := _of_kind(found.differences, kind)):
            parts += [_fitted(found.labels, kind, lines), Text()]
        elif rankings := [ranking for ranking in found.rankings if ranking.slice.partition("=")[0] == kind]:
            parts += [_ranks(found.labels, kind, rankings), Text()]
    parts += [Padding(Text(clean(note), "dim"), (0, 1)) for note in found.notes]
    return Group(*parts)


def text_markdown(found: Comparison) -> str:
    """Headline, tables and notes."""
    said = [f"**{markdown(found.headline)}**", ""]
    if len(found.labels) == 2:
        a, b = (clean(label) for label in found.labels)
        header = ["metric", "slice", a, b, *LINE[1:], "verdict"]
        said += _rows(header, ([d.metric, d.slice, *cells(d)] for d in found.differences))
    else:
        header = ["metric", "slice", *found.labels]
        said += _rows(header, ([r.metric, r.slice, *_placed(found.labels, r)] for r in found.rankings))
    return "\n".join([*said, "", *(f"- {markdown(note)}" for note in found.notes)]) + "\n"


def text_csv(found: Comparison) -> str:
    """A line for each difference, with every number in full."""
    out = io.StringIO()
    lines = [d.to_json() for d in found.differences]
    names = [name for name in lines[0] if name != "wins"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, "wins", "ties", "losses"])
    for line in lines:
        wins = line["wins"] or {"wins": None, "ties": None, "losses": None}
        writer.writerow([*(csv_cell(line[name]) for name in names), wins["wins"], wins["ties"], wins["losses"]])
    return out.getvalue()


def cells(d: Difference) -> list[str]:
    """What a line says of a difference: both values, it, p, wins, what is visible, prompts to settle, verdict."""
    digits = digits_of(d)
    limits = "" if d.low is None else f" [{number(d.low, digits)}, {number(d.high, digits)}]"
    won = f"{d.wins.wins}/{d.wins.ties}/{d.wins.losses}" if d.wins else "-"
    settle = "-" if d.to_settle is None else str(d.to_settle) if d.to_settle < 1_000_000 else ">1e6"
    return [
        number(d.a, digits),
        number(d.b, digits),
        number(d.value, digits, sign=True) + limits,
        p_words(d.p_holm),
        won,
        number(d.visible, digits),
        settle,
        WORDS[d.verdict],
    ]


def _fitted(labels: Sequence[str], kind: str, lines: Sequence[Difference]) -> Fitted:
    names = LINE[1:]
    return Fitted(names, len(names) - 3, lambda count: _grid(labels, kind, lines, names[:count]), "--format json")


def _grid(labels: Sequence[str], kind: str, lines: Sequence[Difference], names: Sequence[str]) -> Table:
    grid = _empty(kind)
    for label in labels:
        grid.add_column(_heading(label), justify="right", no_wrap=True)
    for name in names:
        grid.add_column(Text(name.replace(" ", "\n")), justify="right", overflow="fold")
    before = ""
    for d in lines:
        seen = d.verdict in ("better", "worse", "differs")
        if kind != "all" and d.metric != before:
            grid.add_row(metric_name(d.metric, d.higher_is_better))
        first = metric_name(d.metric, d.higher_is_better) if kind == "all" else _part(d.slice)
        found = cells(d)
        found[2] += " *" if seen else "  "
        grid.add_row(first, *(Text(cell, "bold" if seen else "") for cell in found[: 2 + len(names)]))
        before = d.metric
    return grid


def _ranks(labels: Sequence[str], kind: str, rankings: Sequence[Ranking]) -> Table:
    grid = _empty(kind)
    for label in labels:
        grid.add_column(_heading(label), no_wrap=True)
    before = ""
    for ranking in rankings:
        if kind != "all" and ranking.metric != before:
            grid.add_row(metric_name(ranking.metric, ranking.higher_is_better))
        name = metric_name(ranking.metric, ranking.higher_is_better) if kind == "all" else _part(ranking.slice)
        grid.add_row(name, *(Text(cell) for cell in _placed(labels, ranking)))
        before = ranking.metric
    return grid


def _empty(kind: str) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), collapse_padding=True)
    grid.add_column(Text("metric" if kind == "all" else f"metric, by {kind}"), no_wrap=True)
    return grid


def metric_name(metric: str, higher: bool | None) -> Text:
    """The metric with the direction that is better, broken before its network where it is long."""
    arrow = {True: " ↑", False: " ↓", None: ""}[higher]
    family, sign, rest = clean(metric).partition("@")
    whole = f"{family}{sign}{rest}{arrow}"
    return Text(whole if len(whole) <= MAX_NAME else f"{family}{arrow}\n  {sign}{rest}")


def _part(name: str) -> Text:
    return Text(f"  {clean(name.partition('=')[2])}")


def _heading(label: str) -> Text:
    """A model's label on as many lines as it takes."""
    return Text("\n".join(wrap(clean(label), MAX_LABEL) or [""]))


def _placed(labels: Sequence[str], ranking: Ranking) -> list[str]:
    """Each model's value and letters, in the order of the labels."""
    digits = decimals([Number(place.value, None, None, ranking.n) for place in ranking.places])
    found = {place.label: f"{number(place.value, digits)} {place.letters}" for place in ranking.places}
    return [found[label] for label in labels]


def _of_kind(lines: Iterable[Difference], kind: str) -> list[Difference]:
    return [line for line in lines if line.slice.partition("=")[0] == kind]


def _rows(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(markdown(cell) for cell in header)} |",
        f"|{' --- |' * len(header)}",
        *(f"| {' | '.join(markdown(cell) for cell in line)} |" for line in lines),
    ]


def csv_cell(value: object) -> object:
    """Text without control characters that a spreadsheet does not take for a formula; numbers as they are."""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
