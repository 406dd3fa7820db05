"""The published page: what was measured, where, and how far it is from the goals. Text from plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from collect import MET, MISSED, OPEN, is_drawn, judged

from reports.text import markdown

NONE, ABSENT = "—", "not installed"
TITLES = {
    "fid_features": "FID features from PNG files, each package's own resize rule",
    "frechet": "Fréchet distance from means and covariances",
    "hps": "HPS of PNG files",
    "sampling": "Images of a class-conditional DiT",
    "scaling": "Cost against work",
    "decode_memory": "Decoding large pictures",
    "dit_parts": "Parts of a DiT-XL/2 block",
    "precision": "What each choice does to the pixels",
    "end_to_end": "A whole run beside its generation alone",
}
INTRODUCTION = """# Benchmarks

Made by one command, which runs every script of `benchmarks/` after the other and writes this page, `results.json`, the
plots and, under `raw/`, every single timing:

```sh
python benchmarks/publish.py
```

Arms of a comparison work on the same files, weights (random: none are fetched) and seeds. Their answers are compared
first; an arm whose answer is farther from ours than the tolerance is *different work* and gets no ratio. Then they run
in turn, round by round, the order reversed every other round. **x ours** is the median over the n rounds of the peer's
time over ours in the same round, with a 95 % bootstrap interval: above 1, evalsuite is faster; rows below 1 are kept.
A goal is *met* where the whole interval reaches it, *missed* where none of it does, else *undecided*. CPU time is of
the process and its children, and holds on a busy machine; times by the wall are given where the machine was quiet.
*Of limit* is the share of the fastest matrix multiplication that the same threads reached in the same run.
"""
RATIOS, SCALING = "\n![Ratios to peers](ratios.svg)\n", "\n![Cost against work](scaling.svg)\n"


def page(found: Mapping[str, Any], rehearsal: bool = False) -> str:
    """README.md.

    Args:
        found: see `collect.collect`.
        rehearsal: whether the sizes are too small to mean anything.
    """
    parts = [INTRODUCTION]
    if rehearsal:
        parts.insert(1, "\n**A rehearsal: sizes too small to say anything.**\n")
    parts += [RATIOS] if any(map(is_drawn, found["rows"])) else []
    parts += ["\n", *_goals(found), "\n## Where it was measured\n\n", *_conditions(found["conditions"])]
    for source, conditions in found["conditions"].items():
        rows, figures, curves = (
            [one for one in found[kind] if one["source"] == source] for kind in ("rows", "figures", "curves")
        )
        benchmark = next((one["benchmark"] for one in (*rows, *figures, *curves)), source)
        parts += ["\n## ", markdown(TITLES.get(benchmark, benchmark)), "\n\n"]
        if conditions.get("command"):
            parts += [f"`python benchmarks/{conditions['command']}`, with "]
        parts += [", ".join(_packages(conditions["packages"])), ".\n\n"]
        parts += [*_table(rows), "\n" if rows and figures else "", *_figures(figures)]
        parts += [SCALING] if curves and benchmark == "scaling" else []
    return "".join(parts)


def _goals(found: Mapping[str, Any]) -> Iterator[str]:
    verdicts = [one["verdict"] for one in judged(found)]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in (MET, OPEN, MISSED))
    yield f"Goals: {counts}.\n" if verdicts else "Goals: none was judged.\n"


def _conditions(conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Machines, and a line per measurement."""
    machines: dict[str, str] = {}
    lines = []
    for source, about in conditions.items():
        place = machines.setdefault(_machine(about), f"M{len(machines) + 1}")
        others = NONE if about["others"] is None else f"{about['others']:.2f}"
        state = "**contended**: only CPU times are quoted" if about["contended"] else "quiet"
        seconds = NONE if about["seconds"] is None else f"{about['seconds']:.0f}"
        load = f"{about['load_before']:.2f}"
        lines.append([source, place, str(about.get("threads", NONE)), load, others, state, seconds])
    for text, place in machines.items():
        yield f"- **{place}**: {markdown(text)}\n"
    yield "\n"
    head = ["measurement", "machine", "threads", "load before", "cores used by others", "machine was", "seconds"]
    yield from _lines(head, lines)


def _machine(about: Mapping[str, Any]) -> str:
    """Its class: no names, no paths."""
    gpu = f"; {about['gpu']}, {about.get('driver_version', '')}".rstrip(", ") if "gpu" in about else ""
    flags = ", ".join(about["cpu_flags"])
    return f"{about['cpu']}, {about['cpus']} CPUs ({flags}){gpu}; {about['system']}, Python {about['python']}"


def _packages(versions: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{name} {version}" for name, version in versions.items() if version != ABSENT)


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    head = ["work", "arm", "CPU", "wall", "x ours, CPU time", "x ours, wall", "of limit", "answers apart", "goal", ""]
    cells = list(map(_cells, rows))
    again = [after["case"] == before["case"] for before, after in pairwise(rows)]
    for line, repeated in zip(cells[1:], again, strict=True):
        line[0] = "" if repeated else line[0]
    yield from _lines(head, cells, right=(2, 3, 4, 5, 6))


def _cells(row: Mapping[str, Any]) -> list[str]:
    own = row["arm"] == row["ours"]
    cpu = row["ratio"] if row["clock"] == "cpu_s" else None
    goal = NONE if row["goal"] is None else f"{row['goal']:g}: {row['verdict'] or 'not judged'}"
    apart = NONE if not row["difference"] else f"{row['difference']:.1e} {row['measure']}"
    return [
        markdown(row["case"]),
        f"**{markdown(row['arm'])}**" if own else markdown(row["arm"]),
        seconds(row["cpu_s"], row["unit"]),
        seconds(row["wall_s"], row["unit"]) if row["quiet"] else NONE,
        spread(cpu),
        spread(row["ratio_wall"]),
        NONE if row["share"] is None else f"{row['share']:.0%}",
        apart,
        goal,
        markdown(row["note"]),
    ]


def _figures(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not figures:
        return
    head = ["figure", "value", "rounds", "goal"]
    yield from _lines(head, map(_figure, figures), right=(1,))


def _figure(one: Mapping[str, Any]) -> list[str]:
    sign = {"least": "at least", "most": "at most", "": ""}[one["sense"]]
    told = f"{sign} {quantity(one['goal'], one['unit'])}: {one['verdict'] or 'not judged'}"
    goal = NONE if one["goal"] is None else told
    value = quantity(one["value"], one["unit"]) if one["quoted"] else "not quoted: contended"
    if one["quoted"] and one["low"] is not None:
        value += f" [{quantity(one['low'], one['unit'])}, {quantity(one['high'], one['unit'])}]"
    return [markdown(one["name"]), value, str(one["rounds"] or NONE), goal]


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit."""
    if value is None:
        return NONE
    if unit == "share":
        return f"{value:.1%}"
    time, _, of = unit.partition(" per ")
    return seconds(value, of) if time == "s" else f"{significant(value)} {unit}"


def spread(ratio: Mapping[str, Any] | None) -> str:
    """A ratio with its interval and rounds."""
    if ratio is None:
        return NONE
    span = "" if ratio["low"] is None else f" [{significant(ratio['low'])}, {significant(ratio['high'])}]"
    return f"{significant(ratio['value'])}{span}, n = {ratio['rounds']}"


def seconds(value: float | None, unit: str) -> str:
    """A time in a unit of its own size, per unit of work."""
    if value is None:
        return NONE
    per = f" / {unit}" if unit else ""
    for factor, name in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(value) * factor >= 1 or name == "µs":
            return f"{significant(value * factor)} {name}{per}"
    raise AssertionError("unreachable")


def significant(value: float) -> str:
    """Three digits, without powers of ten."""
    rounded = float(f"{value:.3g}")
    if rounded == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def _lines(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n"
    yield f"|{'|'.join('--:' if place in right else '---' for place in range(len(head)))}|\n"
    for row in rows:
        yield f"| {' | '.join(row)} |\n"
