"""A survey as tables, for the terminal and for Markdown. Text from outside is never read as markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalsuite.cost import names
from evalsuite.cost.survey import Survey
from evalsuite.cost.words import percent, si, times
from evalsuite.rows import Row
from reports.digits import MISSING
from reports.text import clean, markdown

FORWARD = ("size", "tokens", "forward\nFLOP", "core", "proj.", "MLP", "conv.", "other", "decode\nFLOP",
           "picture\nFLOP", "activa-\ntions")  # fmt: skip
CONTRAST = ("size", "tokens", "core", "linear\ncore", "the rest", "forward", "forward with\nlinear att.",
            "forward\nin pixels", "picture\nin pixels")  # fmt: skip
MEASURED = ("size", "pass", "fastest to slowest", "passes", "of limit", "activations\nseen", "decode")
LEGEND = (
    "A forward is one prediction for one picture; 2 FLOP are one multiply-add. core: queries with keys and scores with"
    " values; proj.: attention's projections."
)
Found = Mapping[str, Mapping[str, Row]]  # slice -> metric -> row


class Grid(NamedTuple):
    """A table: what it is of, its columns, its lines."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[str]]


class Block(NamedTuple):
    """What is told of a model."""

    name: str
    about: str
    grids: list[Grid]
    facts: list[str]


def table(found: Survey) -> RenderableType:
    """All of it; 100 columns are enough."""
    parts: list[RenderableType] = []
    for block in blocks(found):
        parts += [Text(clean(block.name), "bold"), Text(clean(block.about), "dim"), Text()]
        for grid in block.grids:
            parts += [Text(clean(grid.title)), _grid(grid), Text()]
        parts += [Text(clean(fact)) for fact in block.facts] + [Text()]
    parts += [Padding(Text(clean(note), "dim"), (0, 1)) for note in (LEGEND, *found.notes)]
    return Group(*parts)


def text_markdown(found: Survey) -> str:
    """All of it as Markdown."""
    said: list[str] = []
    for block in blocks(found):
        said += [f"## {markdown(block.name)}", "", markdown(block.about), ""]
        for grid in block.grids:
            said += [markdown(grid.title), "", *_lines(grid), ""]
        said += [f"- {markdown(fact)}" for fact in block.facts] + [""]
    return "\n".join([*said, *(f"- {markdown(note)}" for note in (LEGEND, *found.notes))]) + "\n"


def blocks(found: Survey) -> Iterator[Block]:
    """What is told of each model."""
    for model in found.models:
        by: dict[str, dict[str, Row]] = {}
        for row in found.rows:
            if row.model == model:
                by.setdefault(row.slice, {})[row.metric] = row
        whole = by.pop(names.WHOLE)
        grids = [
            Grid("A forward, and a whole picture", FORWARD, [_forward(where, at) for where, at in by.items()]),
            Grid("At twice the side; with linear attention; with pixels in place of latents", CONTRAST,
                 [_contrast(where, at) for where, at in by.items()]),
        ]  # fmt: skip
        if any(metric in at for at in by.values() for metric in (names.SHARE, names.PEAK)):
            grids.append(_measured(found, whole, by))
        yield Block(model, _about(whole), grids, [*_facts(whole, by)])


def _about(whole: Mapping[str, Row]) -> str:
    kinds = ((names.WEIGHTS, "denoiser"), (names.TEXT_WEIGHTS, "text"), (names.VAE_WEIGHTS, "VAE"))
    sizes = [f"{word} {si(whole[key].value, 'B')} {whole[key].protocol}" for key, word in kinds if key in whole]
    text = f"; a prompt's text {si(whole[names.TEXT].value, 'FLOP')}" if names.TEXT in whole else ""
    return f"{si(whole[names.PARAMETERS].value)} parameters: {', '.join(sizes)}{text}"


def _forward(where: str, at: Mapping[str, Row]) -> Sequence[str]:
    whole = at[names.FORWARD].value
    parts = (names.CORE, names.PROJECTIONS, names.MLP, names.CONVOLUTION, names.OTHER)
    tokens = at[names.TOKENS].value
    return (
        _size(where),
        MISSING if tokens is None else f"{tokens:.0f}",
        si(whole),
        *(percent(at[part].value, whole) for part in parts),
        si(at[names.VAE].value) if names.VAE in at else MISSING,
        si(at[names.PICTURE].value),
        si(at[names.ACTIVATIONS].value, "B"),
    )


def _contrast(where: str, at: Mapping[str, Row]) -> Sequence[str]:
    doubled = (names.DOUBLED_TOKENS, names.DOUBLED_CORE, names.DOUBLED_LINEAR, names.DOUBLED_REST,
               names.DOUBLED_FORWARD)  # fmt: skip
    return (
        _size(where),
        *(times(at[metric].value) for metric in doubled),
        times(_ratio(at[names.LINEAR].value, at[names.SOFTMAX].value)),
        times(_ratio(at[names.PIXEL].value, at[names.FORWARD].value)),
        times(_ratio(at[names.PIXEL_PICTURE].value, at[names.PICTURE].value)),
    )


def _measured(found: Survey, whole: Mapping[str, Row], by: Found) -> Grid:
    lines = []
    for where, at in by.items():
        seen, share, peak, decode = (at.get(key) for key in (names.PASS, names.SHARE, names.PEAK, names.VAE_PASS))
        span = f"{si(seen.low, 's')} to {si(seen.high, 's')}" if seen and seen.low is not None else MISSING
        lines.append(
            (
                _size(where),
                si(seen.value if seen else None, "s"),
                span,
                str(seen.n) if seen and seen.value is not None else MISSING,
                percent(share.value, 1) if share else MISSING,
                si(peak.value if peak else None, "B"),
                si(decode.value if decode else None, "s"),
            )
        )
    limit = si(whole[names.LIMIT].value, "FLOP/s")
    return Grid(f"Measured on {found.device}; its matrix products reach {limit} in {found.plan.dtype}", MEASURED, lines)


def _facts(whole: Mapping[str, Row], by: Found) -> Iterator[str]:
    yield _from(whole[names.OVERTAKES], "attention's core costs more than everything else")
    yield _from(whole[names.LINEAR_PAYS], "linear attention costs less than softmax")
    for at in list(by.values())[:1]:
        yield f"a picture: {at[names.PICTURE].note}; activations: {at[names.ACTIVATIONS].protocol}"
    left_out: dict[tuple[str, str], str] = {}
    for where, at in by.items():
        for row in (at[metric] for metric in (names.PASS, names.VAE_PASS) if metric in at):
            if row.value is None:
                left_out.setdefault((row.metric, row.note), _size(where))
    for (metric, reason), size in left_out.items():
        yield f"{'a pass' if metric == names.PASS else 'decoding'} from {size} on was not measured: {reason}"


def _from(row: Row, what: str) -> str:
    if row.value is None:
        return f"{what}: {row.note}"
    return f"{what}: {row.note or f'from {row.value:.0f} x {row.value:.0f} pixels on'}"


def _ratio(value: float | None, over: float | None) -> float | None:
    return value / over if value is not None and over else None


def _size(where: str) -> str:
    kind, _, size = where.partition("=")
    return f"{size}x{size}" if kind == "side" else size


def _grid(grid: Grid) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), collapse_padding=True)
    for place, name in enumerate(grid.header):
        drawn.add_column(Text(name), justify="right" if place else "left", no_wrap=True)
    for line in grid.lines:
        drawn.add_row(*(Text(clean(cell)) for cell in line))
    return drawn


def _lines(grid: Grid) -> Iterator[str]:
    yield f"| {' | '.join(markdown(name.replace('-' + chr(10), '').replace(chr(10), ' ')) for name in grid.header)} |"
    yield f"|{' --- |' * len(grid.header)}"
    for line in grid.lines:
        yield f"| {' | '.join(markdown(cell) for cell in line)} |"
