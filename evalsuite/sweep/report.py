"""``sweep.md``: what to take and why, the picture, every point, and where its images are."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from evalsuite.manifest import ELSEWHERE
from evalsuite.sections import Section
from evalsuite.spec import RunSpec
from evalsuite.sweep import tables, words
from evalsuite.sweep.grid import AXES
from evalsuite.sweep.plan import Ask
from evalsuite.sweep.run import Sweep
from reports.text import markdown


def report(found: Sweep, *, picture: bool) -> str:
    """The whole report as Markdown.

    Args:
        found: the sweep.
        picture: whether there is a picture beside it.
    """
    first, *rest = tables.sections(found)
    return (
        "\n\n".join(
            [
                f"# {markdown(words.title(found))}",
                *(f"**{markdown(said)}**" for said in words.sentences(found)),
                *(["![The metric against what an image costs](front.png)"] if picture else []),
                *_table(first),
                *(part for section in rest for part in _section(section)),
                "## Runs",
                *_table(_runs(found)),
                "## Reproduce",
                f"```sh\n{command(found.plan.ask)}\n```",
            ]
        )
        + "\n"
    )


def command(ask: Ask) -> str:
    """A command line that makes the same sweep: what differs from the defaults."""
    default, lines = RunSpec(), ["evalsuite", "sweep"]
    for key, value in ask.spec.to_json().items():
        if key == "models":
            lines += [word for name in value for word in ("--model", name)]
        elif key not in (*AXES, *ELSEWHERE) and value != default.to_json()[key]:
            text = ",".join(value) if isinstance(value, list) else str(value)
            lines += [f"--{key.replace('_', '-')}", text]
    for axis in AXES:
        lines += [f"--{axis}", ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in getattr(ask.grid, axis))]
    lines += [] if ask.metric is None else ["--metric", ask.metric]
    lines += [] if ask.against == "seconds" else ["--against", ask.against]
    lines += ["--by", ",".join(ask.by)] if ask.by else []
    lines += [] if ask.budget is None else ["--budget", f"{ask.budget:g}s"]
    return shlex.join(lines)


def _runs(found: Sweep) -> Section:
    lines = [
        (
            line.number,
            line.point.name,
            f"{line.images} of {line.point.images}",
            line.point.folder,
        )
        for line in found.lines
    ]
    return Section("", ("", "point", "images", "folder"), lines)


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield f"## {markdown(section.title[0].upper() + section.title[1:])}"
    yield from _table(section)
    if section.notes:
        yield "\n".join(f"- {markdown(note)}" for note in section.notes if note)


def _table(section: Section) -> Iterator[str]:
    if section.header:
        rows = [[markdown(cell) for cell in row] for row in (section.header, *section.lines)]
        rows.insert(1, ["---"] * len(section.header))
        yield "\n".join(f"| {' | '.join(row)} |" for row in rows)
