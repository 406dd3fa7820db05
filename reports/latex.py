r"""The table of scores in LaTeX with booktabs. Text from outside is escaped letter by letter: no command survives."""

from __future__ import annotations

from collections.abc import Iterable

from reports import html_table
from reports.contents import Contents
from reports.digits import MINUS, TIMES
from reports.text import clean

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\symbol{34}", "`": r"\symbol{96}", "'": r"\symbol{39}", "-": "{-}",
    "±": r"$\pm$", MINUS: "$-$", "—": "{---}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", TIMES: r"$\times$",
}  # fmt: skip
"""What is special to TeX, or a ligature; the rest stays: LuaLaTeX and XeLaTeX set any script."""
ARROWS = {"higher is better": " ↑", "lower is better": " ↓"}


def escape(text: object) -> str:
    """Text on one line that LaTeX prints letter by letter, in text and in a cell."""
    return "".join(_SPECIAL.get(char, char) for char in clean(text))


def table(contents: Contents) -> str:
    """A ``table`` environment; it needs the package booktabs."""
    compared = contents.comparison
    two = compared is not None and len(compared["labels"]) == 2
    header = ["Metric", *contents.labels, *(["Difference", "95 %", "p (Holm)"] if two else [])]
    columns = "l" + "r" * (len(header) - 1)
    body = []
    for line in html_table.lines(contents):
        values = [rf"\textbf{{{escape(v.text)}}}" if v.best else _value(v) for v in line.values]
        rest = [escape(cell or "—") for cell in (line.difference, line.limits, line.p)] if two else []
        body.append([escape(f"{line.name}{ARROWS.get(line.direction, '')}"), *values, *rest])
    lines = [
        "% \\usepackage{booktabs}",
        *(f"% {name}: {protocol}" for name, protocol in sorted(_protocols(contents))),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(contents, two)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(map(escape, header)),
        r"\midrule",
        *map(_row, body),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _value(value: html_table.Value) -> str:
    letters = rf" \textsuperscript{{{escape(value.letters)}}}" if value.letters else ""
    return f"{escape(value.text)}{letters}"


def _caption(contents: Contents, two: bool) -> str:
    said = [f"{contents.title}. Intervals are 95 %."]
    if two:
        first, second = contents.labels
        said.append(f"Differences are {first} minus {second}; bold where one was seen to be better.")
    elif contents.comparison is not None:
        said.append("Models that share a letter cannot be told apart.")
    return escape(" ".join(said))


def _protocols(contents: Contents) -> set[tuple[str, str]]:
    return {(clean(row["metric"]), clean(row["protocol"])) for row in contents.rows}


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
