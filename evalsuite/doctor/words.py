"""What an examination says: tables and sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalsuite.doctor.findings import Examination, Finding, Ladder, MetricReport
from evalsuite.doctor.floor import DRAWS, LIMITS
from evalsuite.doctor.interventions import TABLE
from evalsuite.doctor.roles import ABOUT
from evalsuite.sections import Section
from evalsuite.verdicts import number, p_words
from reports.digits import Number, decimals, show

FIRST, COLUMN = 18, 13
"""Characters of the first column and of one for a metric."""
LONGEST = 11
"""Characters of a metric's name on one line."""
NOT_ASKED = "·"
STAR = " *"
BELOW = "below it"
LEGEND = (
    "sees, or from LEVEL: the metric finds it worse, from that weakest level on (p after correction for the whole "
    "table at most 0.05, and the interval of the paired difference excludes 0); blind: a large change is excluded (of "
    "1 standard deviation of single images' scores, for distances of 2 between real sets); cannot tell: these "
    "images are too few; moves, unmoved: where a change is not worse, or neither direction is better."
)
WELL = "Every metric does what it must: none finds worse images better, and those that read prompts see wrong ones."
ONLY_HERE = "All of this is for these images and prompts: another set may show a metric more, or less."


def sections(found: Examination, width: int | None = None) -> list[Section]:
    """The whole examination in short: verdicts, floors, what fails, and how to read it.

    Args:
        found: what to tell.
        width: characters of a line; where not all metrics fit beside each other there are several tables.
    """
    head = f"{found.title}: {_counts(found)}"
    parts = [
        Section(head if not place else "", ("", *map(_heading, some)), _matrix(some), ())
        for place, some in enumerate(_chunks(found.metrics, width))
    ]
    stars = [f"* {words}" for metric in found.metrics for words in _stars(metric)]
    parts.append(Section("", notes=[*stars, LEGEND, ONLY_HERE]))
    if floors := [metric for metric in found.metrics if metric.floor or metric.floor_note]:
        parts.append(_floors(floors))
    left = [f"{name} is left out: {why}" for name, why in found.left_out.items()]
    if found.notes or left:
        parts.append(Section("", notes=[*found.notes, *left]))
    parts.append(Section("", notes=[*failures(found)] or _all_well(found)))
    return parts


def details(found: Examination) -> list[Section]:
    """Every metric on every level, for the report's file."""
    return [
        Section(
            f"{metric.name}: {metric.title}{_claim(metric)}",
            ("done", "verdict", "effect by level", "strongest level", "p", "would see", "ladder"),
            [_detail(metric, ladder) for ladder in metric.ladders.values()],
            _unit_note(metric),
        )
        for metric in found.metrics
    ]


def failures(found: Examination) -> Iterator[str]:
    """A sentence for everything that a metric must do and does not."""
    for metric in found.metrics:
        for ladder in metric.failures:
            yield f"FAILS: {metric.name} on {ladder.title}: {_why(ladder)}"
    if not found.real and any(metric.role == "distance" and metric.failures for metric in found.metrics):
        yield "It may be these images and not the metric: `evalsuite doctor --metrics` alone looks at real ones."


def cell(ladder: Ladder | None) -> str:
    """The verdict in a word or two."""
    if ladder is None:
        return NOT_ASKED
    verdict, mark = ladder.verdict, STAR if ladder.verdict.failed or _went_back(ladder) else ""
    if ladder.first is not None and ladder.first.label:
        return f"from {ladder.first.label}{mark}"
    return f"{'WRONG WAY' if verdict.word == 'wrong way' else verdict.word}{mark}"


def table_of_interventions() -> Section:
    """What is done, for the report's file."""
    lines = [(one.title, one.about, ", ".join(level.label for level in one.levels if level.label)) for one in TABLE]
    return Section("What is done", ("name", "done to every image or prompt", "levels"), lines)


def _counts(found: Examination) -> str:
    texts = f", {found.texts} prompts" if found.texts else ""
    return f"{found.images} images{texts}, {found.families} families"


def _chunks(metrics: Sequence[MetricReport], width: int | None) -> list[Sequence[MetricReport]]:
    beside = max(1, len(metrics) if width is None else (width - FIRST) // COLUMN)
    return [metrics[start : start + beside] for start in range(0, len(metrics), beside)]


def _heading(metric: MetricReport) -> str:
    """A name on as many lines as it takes, with the direction that is better."""
    family, sign, network = metric.name.partition("@")
    arrow = {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]
    if len(family) > LONGEST:
        head, _, tail = family.rpartition("_")
        family = f"{head}_\n{tail}" if head else family
    return f"{family}{arrow}\n{sign}{network}" if sign else f"{family}{arrow}"


def _matrix(metrics: Sequence[MetricReport]) -> list[tuple[str, ...]]:
    lines = [(one.title, *(cell(metric.ladders.get(one.key)) for metric in metrics)) for one in TABLE]
    return [line for line in lines if any(word != NOT_ASKED for word in line[1:])]


def _went_back(ladder: Ladder) -> bool:
    return bool(ladder.verdict.wrong or ladder.verdict.back)


def _stars(metric: MetricReport) -> Iterator[str]:
    for ladder in metric.ladders.values():
        if ladder.verdict.word != "wrong way" and _went_back(ladder):
            trifle = ", a trifle" if ladder.must and not ladder.verdict.failed else ""
            yield f"{metric.name} on {ladder.title}: {_back(ladder)}{trifle}"


def _back(ladder: Ladder) -> str:
    findings = ladder.findings
    said = []
    for place in sorted({*ladder.verdict.wrong, *ladder.verdict.back}):
        weaker = findings[place - 1] if place and place in ladder.verdict.back else None
        than = weaker.label if weaker else "the images as they are"
        effect = findings[place].effect
        size = None if effect is None else abs(effect - ((weaker.effect or 0.0) if weaker else 0.0))
        by = "" if size is None else f" by {size:.2g} standard deviations"
        said.append(f"finds {findings[place].label or 'these'} better than {than}{by}")
    return ", ".join(said)


def _why(ladder: Ladder) -> str:
    if ladder.verdict.word == "wrong way":
        return "it finds them better"
    if _went_back(ladder):
        return _back(ladder)
    return "it does not see it"


def _all_well(found: Examination) -> list[str]:
    open_ = [
        f"{metric.name} on {ladder.title}"
        for metric in found.metrics
        for ladder in metric.ladders.values()
        if ladder.must == "seen" and ladder.verdict.word == "cannot tell"
    ]
    if open_:
        return [f"Nothing fails, but these images are too few to tell of {', '.join(open_)}."]
    return [WELL]


def _floors(metrics: Sequence[MetricReport]) -> Section:
    lines, notes = [], []
    for metric in metrics:
        floor, row = metric.floor, metric.row
        if floor is None:
            notes.append(f"{metric.name} has no floor: {metric.floor_note}")
            continue
        digits = decimals([Number(row.value, row.low, row.high, row.n), Number(floor.value, floor.low, floor.high, 1)])
        lines.append(
            (
                metric.name,
                show(Number(row.value, row.low, row.high, row.n), digits),
                f"n={floor.n}" if floor.own is None else f"{number(floor.own, digits)}, n={floor.n}",
                f"{number(floor.value, digits)} [{number(floor.low, digits)}, {number(floor.high, digits)}]",
                number(floor.itself, digits),
                _reading(metric),
            )
        )
    low, high = LIMITS
    drawn = f"mean of {DRAWS} draws, and from {low:g} % to {high:g} % of them"
    notes.insert(0, f"Drawn of real images: {drawn}; drawn of these as many, for a fair reading.")
    if any(_reading(metric) == BELOW for metric in metrics):
        notes.append("Nearer to the reference than real images are: has the model learned these very images?")
    header = ("the floor", "these images", "drawn of them", "drawn of real", "from itself", "these are")
    return Section("", header, lines, notes)


def _reading(metric: MetricReport) -> str:
    floor = metric.floor
    if floor is None or floor.own is None:
        return "real"
    return "above it" if floor.own > floor.high else BELOW if floor.own < floor.low else "at it"


def _detail(metric: MetricReport, ladder: Ladder) -> tuple[str, ...]:
    last = ladder.findings[-1]
    digits = decimals([Number(last.difference, last.low, last.high, last.n)])
    limits = "" if last.low is None else f" [{number(last.low, digits)}, {number(last.high, digits)}]"
    change = f"{number(last.difference, digits, sign=True)}{limits}, n={last.n}" if last.note == "" else last.note
    return (
        ladder.title,
        cell(ladder),
        ", ".join(map(_level, ladder.findings)),
        change,
        p_words(last.p_holm),
        "-" if last.visible is None else f"{last.visible:.2g}",
        ladder.verdict.shape or "-",
    )


def _level(finding: Finding) -> str:
    effect = (
        "-" if finding.effect is None else f"{finding.effect:+.2f}".replace("-0.00", "0.00").replace("+0.00", "0.00")
    )
    return f"{finding.label}: {effect}" if finding.label else effect


def _claim(metric: MetricReport) -> str:
    return "" if metric.higher_is_better is None else f", {ABOUT[metric.role]}"


def _unit_note(metric: MetricReport) -> list[str]:
    if not metric.unit_of_effect or metric.spread is None:
        return []
    above = "higher" if metric.higher_is_better is None else "the expected way"
    return [f"Effects, above 0 {above}, are in {metric.unit_of_effect}: {metric.spread:.3g} ({metric.unit})."]
