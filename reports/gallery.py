"""The gallery: images of one prompt, index and size side by side; first where the models are furthest apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reports.contents import Contents, Image, Metric
from reports.digits import TIMES, Number, decimals
from reports.thumbnails import SHOWN, data_uri
from reports.verdict import amount

EXTREMES = 6
"""Groups shown first for either model."""
KEPT = 24
"""Groups of either side that are shown for each metric, whatever else is left out."""
LONGEST = 600  # characters of a prompt that are shown
ALT = 300  # characters of it that a screen reader is told

Group = tuple[str, int, int, int]


class Score(NamedTuple):
    """A metric's value of one image, as it is shown."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a group."""

    id: str
    number: int  # the model's place in the order
    model: str
    alt: str
    uri: str
    missing: str  # why there is no picture
    scores: tuple[Score, ...]
    facts: str


@dataclass(frozen=True, slots=True)
class Card:
    """A group as the page has it."""

    id: str
    prompt_id: str
    text: str
    tags: tuple[str, ...]
    aspect: str
    size: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Cards in three parts, and what filters and the script need.

    Attributes:
        gains: groups in which the first model is furthest ahead by the first metric.
        losses: likewise of the second.
        rest: all others, in their order.
        metrics: that single images have, so that groups can be ordered by them.
        tags: that occur, sorted.
        aspects: that occur.
        data: for the script: metrics with their digits and directions, labels, values by picture, tags by card.
        shown: images in the page.
        planned: images of the run.
    """

    gains: tuple[Card, ...]
    losses: tuple[Card, ...]
    rest: tuple[Card, ...]
    metrics: tuple[Metric, ...]
    tags: tuple[str, ...]
    aspects: tuple[str, ...]
    data: Mapping[str, Any]
    shown: int
    planned: int


def gallery(contents: Contents) -> Gallery:
    """Arrange the images of a report."""
    metrics = comparable(contents)
    digits = {m.name: decimals(Number(i.scores.get(m.name), None, None, 1) for i in contents.images) for m in metrics}
    groups = grouped(contents.images)
    first, second = extremes(groups, metrics[0], contents.labels, EXTREMES) if metrics else ([], [])
    place = {key: number for number, key in enumerate(groups)}
    cards = {key: _card(key, place[key], groups[key], contents, metrics, digits) for key in groups}
    values = {
        picture.id: [image.scores.get(metric.name) for metric in metrics]
        for key in groups
        for picture, image in zip(cards[key].pictures, groups[key], strict=True)
    }
    about = [
        {"name": m.name, "title": m.title, "higher": m.higher_is_better, "digits": digits[m.name]} for m in metrics
    ]
    return Gallery(
        gains=tuple(cards[key] for key in first),
        losses=tuple(cards[key] for key in second),
        rest=tuple(cards[key] for key in groups if key not in {*first, *second}),
        metrics=tuple(metrics),
        tags=tuple(sorted({tag for image in contents.images for tag in image.tags})),
        aspects=tuple(dict.fromkeys(image.aspect for image in contents.images if image.aspect)),
        data={
            "metrics": about,
            "labels": list(contents.labels),
            "values": values,
            "cards": {
                card.id: {"prompt": card.prompt_id, "aspect": card.aspect, "tags": list(card.tags)}
                for card in cards.values()
            },
            "extremes": EXTREMES,
        },
        shown=len(contents.images),
        planned=max(contents.planned, len(contents.images)),
    )


def grouped(images: Iterable[Image]) -> dict[Group, list[Image]]:
    """Images by what they share, in the order in which they come."""
    groups: dict[Group, list[Image]] = {}
    for image in images:
        groups.setdefault(image.group, []).append(image)
    return groups


def comparable(contents: Contents) -> list[Metric]:
    """Metrics that single images have and that all models share a protocol of; those with a direction first."""
    protocols: dict[str, set[str]] = {}
    for row in contents.rows:
        protocols.setdefault(row["metric"], set()).add(row["protocol"])
    having = {name for image in contents.images for name in image.scores}
    found = [m for m in contents.metrics if m.name in having and len(protocols.get(m.name, ())) < 2]
    return sorted(found, key=lambda metric: metric.higher_is_better is None)


def extremes(
    groups: Mapping[Group, Sequence[Image]], metric: Metric, labels: Sequence[str], count: int
) -> tuple[list[Group], list[Group]]:
    """Groups in which the first of the models is furthest ahead, and the second; of one model its best and worst.

    A metric without a direction counts as if higher were ahead.
    """
    lead = {key: found for key, images in groups.items() if (found := _lead(images, metric, labels)) is not None}
    order = sorted(lead, key=lambda key: -lead[key])  # stable
    if len(labels) > 1:
        return [k for k in order[:count] if lead[k] > 0], [k for k in order[::-1][:count] if lead[k] < 0]
    half = len(order) // 2
    return order[: min(count, half)], order[::-1][: min(count, half)]


def _lead(images: Sequence[Image], metric: Metric, labels: Sequence[str]) -> float | None:
    values = {image.model: image.scores.get(metric.name) for image in images}
    first, second = values.get(labels[0]), values.get(labels[1]) if len(labels) > 1 else 0.0
    if first is None or second is None:
        return None
    return (first - second) * (-1 if metric.higher_is_better is False else 1)


def choose(contents: Contents, limit: int = SHOWN) -> list[Image]:
    """The images to show of a report whose images have no picture yet: whole groups, in their order.

    All of them where they are few; else the furthest apart by each metric, and then others evenly.
    """
    groups = grouped(contents.images)
    wanted: dict[Group, None] = {}
    for metric in comparable(contents):
        for side in extremes(groups, metric, contents.labels, KEPT):
            wanted |= dict.fromkeys(side)
    others = [key for key in groups if key not in wanted]
    room = limit - sum(len(groups[key]) for key in wanted)
    share = sum(len(groups[key]) for key in others)
    step = max(1.0, share / room) if room > 0 else float(len(others) + 1)
    wanted |= dict.fromkeys(others[int(k * step)] for k in range(int(len(others) / step + 1e-9)))
    kept, count = set(), 0
    for key in wanted:
        if count + len(groups[key]) <= limit:
            kept.add(key)
            count += len(groups[key])
    return [image for key in groups if key in kept for image in groups[key]]


def _card(
    key: Group,
    place: int,
    images: Sequence[Image],
    contents: Contents,
    metrics: Sequence[Metric],
    digits: Mapping[str, int],
) -> Card:
    first = images[0]
    text = cut(first.text, LONGEST) or "(no prompt)"
    size = f"{first.width} {TIMES} {first.height}" if first.width else ""
    pictures = tuple(_picture(f"{place}-{n}", image, contents, metrics, digits) for n, image in enumerate(images))
    return Card(f"g{place}", first.prompt_id, text, first.tags, first.aspect, size, pictures)


def _picture(
    id: str, image: Image, contents: Contents, metrics: Sequence[Metric], digits: Mapping[str, int]
) -> Picture:
    facts = [image.prompt_id, image.aspect, f"image {image.index}" if image.index else ""]
    facts += ["" if image.seed is None else f"seed {image.seed}", "" if image.status == "ok" else image.status]
    scores = [
        Score(metric.title, amount(image.scores[metric.name], digits[metric.name]))
        for metric in metrics
        if metric.name in image.scores
    ]
    missing = "" if image.webp else image.reason or image.status
    return Picture(
        id=id,
        number=contents.labels.index(image.model),
        model=image.model,
        alt=f"{image.model}: {cut(image.text, ALT) or image.prompt_id}",
        uri=data_uri(image.webp) if image.webp else "",
        missing=missing,
        scores=tuple(scores),
        facts=" · ".join(fact for fact in facts if fact),
    )


def cut(text: str, longest: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
