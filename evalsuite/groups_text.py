"""A comparison of training seeds as a table, Markdown, CSV or JSON. Text from outside is never read as markup."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalsuite.compare_text import WORDS, csv_cell, metric_name
from evalsuite.fitted_table import Fitted
from evalsuite.groups import GroupComparison, GroupDifference, SeedValue
from evalsuite.groups_words import about, headline, notes, of_seeds, seed_digits, settled
from evalsuite.pairing import KINDS
from evalsuite.verdicts import digits_of, number, p_words, sentence
from reports.digits import Number, show
from reports.text import clean, markdown

LEAST = 3  # columns after the metric that are never left out: both means and their difference
LINE = ("difference", "p (Holm)", "seed sd", "from seeds", "visible", "seeds to settle", "prompt error")


def table(found: GroupComparison) -> RenderableType:
    """The headline, a table for each kind of slice, each seed's own mean, and the notes; 100 columns are enough."""
    parts: list[RenderableType] = [Text(clean(about(found)), "bold"), Text(), Text(clean(headline(found))), Text()]
    for kind in ("all", *KINDS):
        if lines := [one for one in found.found if one.test.slice.partition("=")[0] == kind]:
            parts += [_fitted(tuple(found.groups), kind, lines), Text()]
    parts += [_seeds(found, name) for name in found.groups]
    parts += [Padding(Text(clean(note), "dim"), (0, 1)) for note in notes(found)]
    return Group(*parts)


def text_markdown(found: GroupComparison) -> str:
    """Headline, what the seeds say of each metric, tables and notes."""
    whole = [one for one in found.found if one.test.slice == "all"]
    said = [f"{markdown(about(found))}: **{markdown(headline(found))}**", ""]
    said += [f"- {markdown(one.test.metric)}: {markdown(of_seeds(one))}" for one in whole]
    header = ["metric", "slice", *found.groups, *LINE, "verdict"]
    said += ["", *_rows(header, [[one.test.metric, one.test.slice, *_cells(one)] for one in found.found])]
    labels = [label for labels in found.groups.values() for label in labels]
    said += ["", *_rows(["each seed", "slice", *labels], [_of_each(one) for one in found.found])]
    return "\n".join([*said, "", *(f"- {markdown(note)}" for note in notes(found))]) + "\n"


def text_csv(found: GroupComparison) -> str:
    """A line for each difference, with every number in full; models' values are ``label value`` with semicolons."""
    out = io.StringIO()
    lines = [_flat(one) for one in found.found]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(lines[0])
    writer.writerows([csv_cell(value) for value in line.values()] for line in lines)
    return out.getvalue()


def text_json(found: GroupComparison) -> str:
    """All of it."""
    data = {
        "groups": [
            {"name": name, "models": [{"label": label, "about": found.about[label]} for label in labels]}
            for name, labels in found.groups.items()
        ],
        "headline": headline(found),
        "differences": [_plain(one) for one in found.found],
        "refused": [refusal._asdict() for refusal in found.refused],
        "left_out": list(found.left_out),
        "unpaired": [{name: getattr(image, name) for name in image.__dataclass_fields__} for image in found.unpaired],
        "settings": [{"name": name, "first": one, "second": other} for name, one, other in found.settings],
        "notes": list(notes(found)),
    }
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)


def _plain(one: GroupDifference) -> dict[str, Any]:
    kept = {name: value for name, value in one.test.to_json().items() if name not in ("wins", "effect", "to_settle")}
    spreads = [
        {"name": s.name, "sd": s.sd, "training_sd": s.training, "prompt_error": s.error}
        | {"seeds": [seed._asdict() for seed in s.seeds]}
        for s in (one.first, one.second)
    ]
    return kept | {
        "dof": one.dof,
        "seed_share": one.seed_share,
        "seeds_to_settle": one.seeds_to_settle,
        "groups": spreads,
        "sentence": sentence(one.test),
        "seeds_sentence": of_seeds(one),
    }


def _flat(one: GroupDifference) -> dict[str, Any]:
    line = {k: value for k, value in _plain(one).items() if k not in ("groups", "sentence", "seeds_sentence")}
    for place, spread in (("a", one.first), ("b", one.second)):
        line |= {f"{place}_sd": spread.sd, f"{place}_training_sd": spread.training, f"{place}_error": spread.error}
        line[f"{place}_seeds"] = "; ".join(f"{seed.label} {seed.value!r}" for seed in spread.seeds)
    return line


def _cells(one: GroupDifference) -> list[str]:
    """What a line says: both means, their difference, p, the seeds' part of it, and what could be seen."""
    test, digits = one.test, digits_of(one.test)
    both = (one.first, one.second)
    errors = [number(spread.error, digits) for spread in both]
    return [
        number(test.a, digits),
        number(test.b, digits),
        f"{number(test.value, digits, sign=True)} [{number(test.low, digits)}, {number(test.high, digits)}]",
        p_words(test.p_holm),
        " / ".join(number(spread.sd, digits) for spread in both),
        "-" if one.seed_share is None else f"{one.seed_share:.0%}",
        number(test.visible, digits),
        settled(one),
        "-" if one.first.error is None else " / ".join(errors),
        WORDS[test.verdict],
    ]


def _fitted(groups: Sequence[str], kind: str, lines: Sequence[GroupDifference]) -> Fitted:
    names = (*groups, *LINE)
    return Fitted(names, LEAST, lambda count: _grid(kind, lines, names[:count]), "--format md")


def _grid(kind: str, lines: Sequence[GroupDifference], names: Sequence[str]) -> Table:
    grid = _empty("metric" if kind == "all" else f"metric, by {kind}")
    for name in names:
        grid.add_column(Text(clean(name).replace(" ", "\n")), justify="right", no_wrap=True)
    before = ""
    for one in lines:
        test, seen = one.test, one.test.verdict in ("better", "worse", "differs")
        title = metric_name(test.metric, test.higher_is_better)
        if kind != "all" and test.metric != before:
            grid.add_row(title)
        first = title if kind == "all" else Text(f"  {clean(test.slice.partition('=')[2])}")
        found = _cells(one)
        found[2] += " *" if seen else "  "
        grid.add_row(first, *(Text(cell, "bold" if seen else "") for cell in found[: len(names)]))
        before = test.metric
    return grid


def _seeds(found: GroupComparison, group: str) -> RenderableType:
    """Each model's own value on all images, with its interval over prompts."""
    grid = _empty(f"each seed of {group}")
    labels = found.groups[group]
    for label in labels:
        grid.add_column(Text(clean(label)), justify="right", overflow="fold")
    for one in found.found:
        if one.test.slice == "all":
            spread = one.first if one.first.name == group else one.second
            name = metric_name(one.test.metric, one.test.higher_is_better)
            grid.add_row(name, *(_value(seed, seed_digits(one), one.test.n) for seed in spread.seeds))
    return Group(grid, Text())


def _of_each(one: GroupDifference) -> list[str]:
    seeds = (*one.first.seeds, *one.second.seeds)
    return [one.test.metric, one.test.slice, *(_value(seed, seed_digits(one), one.test.n) for seed in seeds)]


def _value(seed: SeedValue, digits: int, n: int) -> str:
    return show(Number(seed.value, seed.low, seed.high, n), digits)


def _empty(title: str) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), collapse_padding=True)
    grid.add_column(Text(clean(title)), no_wrap=True)
    return grid


def _rows(header: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(markdown(cell) for cell in header)} |"
    yield f"|{' --- |' * len(header)}"
    yield from (f"| {' | '.join(markdown(cell) for cell in line)} |" for line in lines)
