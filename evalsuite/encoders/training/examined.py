"""The outcome of an examination, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backbones.training.data import HELD_OUT_ASPECT
from evalsuite.aspects.shares import share
from evalsuite.encoders.training.measures import ABOUT
from evalsuite.stats import Interval, clustered_mean


@dataclass(frozen=True, slots=True)
class Examined:
    """Pictures of one source at one size.

    Attributes:
        name: the model, or what they are else.
        aspect: such as 16:9.
        width: pixels.
        height: pixels.
        texts: (n,) captions.
        verdicts: (n,) what each gets right, by measure.
        distance: Frechet distance of all on the scorer's features from the reference of this ratio.
    """

    name: str
    aspect: str
    width: int
    height: int
    texts: tuple[str, ...]
    verdicts: tuple[dict[str, bool], ...]
    distance: float

    def hits(self, measure: str) -> tuple[list[bool], list[str]]:
        """Of the pictures that a measure applies to: whether they are right, and their captions."""
        pairs = [(v[measure], text) for text, v in zip(self.texts, self.verdicts, strict=True) if measure in v]
        return [hit for hit, _ in pairs], [text for _, text in pairs]


def against_ratio(found: Sequence[Examined], name: str, measure: str) -> Interval | None:
    """Share at the held-out ratio minus that at the others, caption by caption; None where there is no such pair.

    Student's t interval; where all captions agree, the share that may still differ (Wilson) to either side.
    """
    own = [each for each in found if each.name == name]
    means = []
    for part in ([e for e in own if e.aspect == HELD_OUT_ASPECT], [e for e in own if e.aspect != HELD_OUT_ASPECT]):
        by_text: dict[str, list[bool]] = {}
        for each in part:
            for hit, text in zip(*each.hits(measure), strict=True):
                by_text.setdefault(text, []).append(hit)
        means.append({text: sum(hits) / len(hits) for text, hits in by_text.items()})
    both = sorted(means[0].keys() & means[1].keys())
    if not both:
        return None
    change = clustered_mean([means[0][text] - means[1][text] for text in both], both)
    if change.error != 0:
        return change
    most = share([False] * len(both), both).high  # of the captions may differ, though none of these does
    return change._replace(low=change.value - (most or 0), high=change.value + (most or 0))


def as_json(found: Sequence[Examined]) -> dict[str, Any]:
    """All figures: by ratio, source and measure; shares in [0, 1]."""
    ratios: dict[str, Any] = {}
    for each in found:
        cells: dict[str, Any] = {"pictures": len(each.texts), "fd": each.distance}
        for measure in ABOUT:
            hits, texts = each.hits(measure)
            cells[measure] = share(hits, texts)._asdict() | {"n": len(hits)} if hits else None
        ratios.setdefault(each.aspect, {"width": each.width, "height": each.height})[each.name] = cells
    changes: dict[str, Any] = {}
    for name in dict.fromkeys(each.name for each in found):
        for measure in ABOUT:
            if change := against_ratio(found, name, measure):
                figures = {"value": change.value, "low": change.low, "high": change.high, "n": change.clusters}
                changes.setdefault(name, {})[measure] = figures
    return {"ratios": ratios, f"{HELD_OUT_ASPECT} minus others": changes}


def as_markdown(found: Sequence[Examined], last: str) -> str:
    """A table for each ratio, then the change at the held-out one; the source called ``last`` is the last column."""
    names = sorted({each.name for each in found}, key=lambda name: (name == last, name))
    parts = []
    for aspect in dict.fromkeys(each.aspect for each in found):
        here = {each.name: each for each in found if each.aspect == aspect}
        one = next(iter(here.values()))
        counts = ", ".join(sorted({str(len(each.texts)) for each in here.values()}))
        title = f"### {aspect} ({one.width} x {one.height} pixels), {counts} captions"
        rows = [(m, [_share(here[name], m) if name in here else "" for name in names]) for m in ABOUT]
        rows.append(("FD on scorer features", [f"{here[name].distance:.3f}" if name in here else "" for name in names]))
        parts.append(f"{title}\n\n{_table('right pictures', names, rows)}")
    if len({each.aspect == HELD_OUT_ASPECT for each in found}) == 2:
        rows = [(m, [_change(against_ratio(found, name, m)) for name in names]) for m in ABOUT]
        title = f"### {HELD_OUT_ASPECT}, held out of training, minus the other ratios, caption by caption"
        parts.append(f"{title}\n\n{_table('points', names, rows)}")
    notes = [f"- *{measure}*: {words}." for measure, words in ABOUT.items()]
    return "\n\n".join([*parts, "\n".join(notes)])


def _table(corner: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = [f"| {corner} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    return "\n".join([*head, *(f"| {title} | {' | '.join(cells)} |" for title, cells in rows)])


def _share(each: Examined, measure: str) -> str:
    """`91.0 % [86.2, 94.2], n = 200`."""
    hits, texts = each.hits(measure)
    if not hits:
        return "n = 0"
    value, low, high = share(hits, texts)
    return f"{100 * value:.1f} %{_ends(low, high)}, n = {len(hits)}"


def _change(change: Interval | None) -> str:
    """`-1.5 [-4.0, +1.0], n = 200`."""
    if change is None:
        return "n = 0"
    return f"{100 * change.value:+.1f}{_ends(change.low, change.high, '+')}, n = {change.clusters}"


def _ends(low: float | None, high: float | None, sign: str = "") -> str:
    return "" if low is None or high is None else f" [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
