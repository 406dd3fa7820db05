"""A gate's verdict as a terminal table, Markdown, CSV or JUnit XML. Text from outside is never read as markup."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from xml.etree import ElementTree

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalsuite.compare_text import csv_cell, metric_name
from evalsuite.gate import ORDER, Gate, Judgement
from evalsuite.verdicts import number, p_words
from reports.digits import Number, decimals
from reports.text import clean, markdown

HEADER = ("verdict", "what", "rule", "value", "baseline", "difference", "p (Holm)")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
STYLES = {"fail": "bold red", "closed": "bold red", "pass": "green", "not gated": "dim"}


def headline(found: Gate) -> str:
    """``gate failed: 1 fail, 6 pass``."""
    counts = Counter(judgement.verdict for judgement in found.judgements)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict])
    return f"gate {'passed' if found.passed else 'failed'}: {words}"


def table(found: Gate) -> RenderableType:
    """Rules with their numbers, those that fail first, then why, and how they were judged."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), collapse_padding=True)
    for name in HEADER:
        right = name in ("value", "baseline", "difference", "p (Holm)")
        grid.add_column(
            Text(name.replace(" (", "\n(")),
            justify="right" if right else "left",
            no_wrap=name == "what",
            overflow="fold",
        )
    several = len({judgement.model for judgement in found.judgements}) > 1
    for judgement in found.judgements:
        cells = [Text(clean(cell)) for cell in _cells(judgement, several)]
        cells[0].stylize(STYLES[judgement.verdict])
        cells[1] = _lines(judgement, several)
        grid.add_row(*cells)
    parts: list[RenderableType] = [Text(headline(found), "bold"), Text(), grid, Text()]
    told = [j for j in found.judgements if j.verdict != "pass"]
    parts += [Text(clean(f"{j.verdict}: {what(j, several)}: {j.why}")) for j in told]
    return Group(*parts, *(Padding(Text(clean(note), "dim"), (0, 1)) for note in found.notes))


def text_markdown(found: Gate) -> str:
    """The same for a pull request: the headline, a table with the reasons, and the notes."""
    several = len({judgement.model for judgement in found.judgements}) > 1
    rows = [[*HEADER, "why"], *([*_cells(j, several), j.why] for j in found.judgements)]
    lines = [f"| {' | '.join(markdown(cell) for cell in row)} |" for row in rows]
    notes = [f"- {markdown(note)}" for note in found.notes]
    rule = f"|{' --- |' * len(rows[0])}"
    return "\n".join([f"### {markdown(headline(found))}", "", lines[0], rule, *lines[1:], "", *notes, ""])


def text_csv(found: Gate) -> str:
    """A line for each judgement, with every number in full."""
    out = io.StringIO()
    lines = found.to_json()["judgements"]
    writer = csv.DictWriter(out, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def junit(found: Gate) -> bytes:
    """JUnit XML: a test case for each rule and slice; closed ones are errors, those left out are skipped."""
    counts = Counter(judgement.verdict for judgement in found.judgements)
    about = {
        "name": "evalsuite gate",
        "tests": str(len(found.judgements)),
        "failures": str(counts["fail"]),
        "errors": str(counts["closed"]),
        "skipped": str(counts["not gated"]),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", {name: value for name, value in about.items() if name != "skipped"})
    suite = ElementTree.SubElement(root, "testsuite", about)
    for judgement in found.judgements:
        name = f"{what(judgement)}: {judgement.rule}"
        names = {"classname": _xml(judgement.model), "name": _xml(name), "time": "0"}
        case = ElementTree.SubElement(suite, "testcase", names)
        kind = {"fail": "failure", "closed": "error", "not gated": "skipped"}.get(judgement.verdict)
        if kind:
            told = {"message": _xml(judgement.why)} | ({} if kind == "skipped" else {"type": judgement.verdict})
            ElementTree.SubElement(case, kind, told)
        elif judgement.why:
            ElementTree.SubElement(case, "system-out").text = _xml(judgement.why)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def what(judgement: Judgement, with_model: bool = False) -> str:
    """Model, metric and slice, as far as they say something."""
    words = [judgement.model] if with_model else []
    words += [judgement.metric or "run"]
    return " ".join([*words, *([judgement.slice] if judgement.slice != "all" else [])])


def _lines(judgement: Judgement, with_model: bool) -> Text:
    """The same, one below the other."""
    parts = [Text(clean(judgement.model))] if with_model else []
    parts += [metric_name(judgement.metric or "run", None)]
    parts += [Text(f"  {clean(judgement.slice)}")] if judgement.slice != "all" else []
    return Text("\n").join(parts)


def _cells(judgement: Judgement, with_model: bool) -> list[str]:
    j = judgement
    digits = decimals([Number(j.value, j.low, j.high, j.n)] if j.low != j.high else [Number(j.value, None, None, j.n)])
    limits = "" if j.low is None else f"[{number(j.low, digits)}, {number(j.high, digits)}]"
    difference = "-" if j.difference is None else f"{number(j.difference, digits, sign=True)} {limits}"
    value = number(j.value, digits) + (f" {limits}" if j.difference is None and limits else "")
    p = p_words(j.p) if j.p is not None else "-"
    return [j.verdict, what(j, with_model), j.rule, value, number(j.baseline, digits), difference, p]


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 has no place for."""
    return NOT_XML.sub("?", text)
