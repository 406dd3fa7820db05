"""A subject against what it might be, as rows: twice the side, the other kind of attention, pixels for latents."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from evalsuite.cost import names
from evalsuite.cost.count import Counts
from evalsuite.cost.curves import NONE, PADS, UNKNOWN, Curves
from evalsuite.cost.growth import Quadratic, overtakes
from evalsuite.cost.names import row
from evalsuite.cost.plan import Plan
from evalsuite.cost.rows import picture
from evalsuite.cost.size import Size
from evalsuite.rows import Row

ON_PIXELS = "it works on pixels already"
ABSENT = "there is none of it"
DOUBLED = (
    names.DOUBLED_TOKENS, names.DOUBLED_CORE, names.DOUBLED_LINEAR, names.DOUBLED_REST, names.DOUBLED_FORWARD,
)  # fmt: skip
ALWAYS, NEVER = "at every size", "at no size"
SAME = "the same network, a pixel for each latent; no VAE"


def doubled(counts: Counts, curves: Curves, size: Size) -> Iterator[Row]:
    """How many times as much there is at twice both sides."""
    name, twice = counts.subject.name, size.times(2)
    if refused := counts.subject.refuses(twice):
        yield from (row(name, metric, size.slice, None, note=refused) for metric in DOUBLED)
        return
    a, b, words = counts.split("denoiser", size), counts.split("denoiser", twice), curves.words() or 0
    linear = curves.cores(size).linear, curves.cores(twice).linear
    pairs = ((a.longest - words, b.longest - words), (a.core, b.core), linear, (a.rest, b.rest), (a.total, b.total))
    for metric, (before, after) in zip(DOUBLED, pairs, strict=True):
        grown = None if not before or after is None else after / before
        note = f"16 but for {words} tokens of text" if words and metric == names.DOUBLED_CORE else ""
        yield row(name, metric, size.slice, grown, note=ABSENT if grown is None else note)


def kinds(counts: Counts, curves: Curves, size: Size) -> Iterator[Row]:
    """A forward with softmax attention, and with linear attention."""
    found, rest = curves.cores(size), counts.split("denoiser", size).rest
    for metric, core in ((names.SOFTMAX, found.softmax), (names.LINEAR, found.linear)):
        yield row(counts.subject.name, metric, size.slice, None if core is None else rest + core, note=found.origin)


def in_pixels(counts: Counts, plan: Plan, size: Size) -> Iterator[Row]:
    """The same network where a pixel is what a latent was."""
    subject = counts.subject
    within = size.times(subject.factor)
    refused = ON_PIXELS if subject.factor == 1 else subject.refuses(within)
    if refused:
        for metric in (names.PIXEL, names.PIXEL_PICTURE):
            yield row(subject.name, metric, size.slice, None, note=refused)
        return
    yield row(subject.name, names.PIXEL, size.slice, counts.split("denoiser", within).total, note=SAME)
    yield row(subject.name, names.PIXEL_PICTURE, size.slice, picture(counts, plan, size, in_pixels=True), note=SAME)


def crossings(counts: Counts, curves: Curves) -> Iterator[Row]:
    """Sides of squares from which attention's core costs more than the rest, and more than linear attention would."""
    name = counts.subject.name
    yield _crossing(name, names.OVERTAKES, curves.core(), curves.rest())
    kinds = curves.kind("softmax"), curves.kind("linear")
    if None in kinds and curves.origin() in (NONE, UNKNOWN):
        yield row(name, names.LINEAR_PAYS, names.WHOLE, None, names.SOLVED, curves.origin())
    else:
        yield _crossing(name, names.LINEAR_PAYS, *kinds)


def _crossing(name: str, metric: str, rising: Quadratic | None, other: Quadratic | None) -> Row:
    if rising is None or other is None:
        return row(name, metric, names.WHOLE, None, names.SOLVED, PADS)
    area = overtakes(rising, other)
    if area is None:
        return row(name, metric, names.WHOLE, None, names.SOLVED, NEVER)
    return row(name, metric, names.WHOLE, sqrt(area), names.SOLVED, "" if area else ALWAYS)
