"""Two models on one bank: every number of the first minus the second's, image by image."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from evalsuite.difference import Difference, with_holm
from evalsuite.paired import Contrast, of_influences, of_means
from evalsuite.pairing import clash
from evalsuite.power import to_settle
from evalsuite.probe.bank import Bank
from evalsuite.probe.estimates import Estimate
from evalsuite.probe.numbers import Place
from evalsuite.probe.quantities import of_metric
from evalsuite.rows import Row


class Refusal(NamedTuple):
    """A metric that two models are not compared on, and why."""

    first: str
    second: str
    metric: str
    why: str


@dataclass(frozen=True)
class Measured:
    """One model's part in a comparison.

    Attributes:
        label: of the model.
        numbers: its estimates.
        rows: the same with protocols.
        bank: what it was shown.
    """

    label: str
    numbers: Mapping[Place, Estimate]
    rows: Sequence[Row]
    bank: Bank


def differences(models: Sequence[Measured]) -> tuple[list[Difference], list[Refusal]]:
    """Of every pair of models, metric and slice; p after Holm over the metrics of a pair on ``all``, and over times.

    Args:
        models: on banks of one recipe; on one bank where they share a latent space.
    """
    found: list[Difference] = []
    refused: list[Refusal] = []
    for one, other in combinations(models, 2):
        pairs = list(_pairs(one, other, refused))
        found += with_holm([_difference(one, other, *pair) for pair in pairs], by_kind=True)
    return found, refused


def _pairs(one: Measured, other: Measured, refused: list[Refusal]) -> Iterator[tuple[Row, Row]]:
    theirs = {(row.metric, row.slice): row for row in other.rows}
    said: set[str] = set()
    for row in one.rows:
        partner = theirs.get((row.metric, row.slice))
        if partner is None or of_metric(row.metric)[0].key == "v_target":
            continue
        if why := clash(row.protocol, partner.protocol):
            if row.metric not in said:
                refused.append(Refusal(one.label, other.label, row.metric, _because(one, other, why)))
                said.add(row.metric)
            continue
        yield row, partner


def _because(one: Measured, other: Measured, why: str) -> str:
    if one.bank.latent_space != other.bank.latent_space:
        return "it has the scale of the latents, and theirs differ"
    return why


def _difference(one: Measured, other: Measured, row: Row, partner: Row) -> Difference:
    place = Place(row.metric, row.slice)
    a, b = one.numbers[place], other.numbers[place]
    quantity, field = of_metric(row.metric)
    about: dict[str, Any] = {
        "first": one.label,
        "second": other.label,
        "metric": row.metric,
        "title": quantity.title + (f", {field}" if field else ""),
        "unit": row.unit,
        "higher_is_better": row.higher_is_better,
        "slice": row.slice,
        "a": a.value,
        "b": b.value,
    }
    if a.value is None or b.value is None:
        return Difference(**about, n=a.n, note=a.note or b.note)
    return Difference(**about, **_tested(contrast(a, b, one.bank)))


def contrast(a: Estimate, b: Estimate, bank: Bank) -> Contrast:
    """The difference of two estimates over the same images of a bank, the first so many of which they are of."""
    assert a.value is not None
    assert b.value is not None
    names = [image.id for image in bank.images[: a.n]]
    if a.values is not None and b.values is not None:
        return of_means(a.values.tolist(), b.values.tolist(), names)
    added: dict[Hashable, float] = dict(zip(names, a.influences.tolist(), strict=True))
    taken: dict[Hashable, float] = dict(zip(names, b.influences.tolist(), strict=True))
    return of_influences(a.value, added, b.value, taken, a.n)


def _tested(found: Contrast) -> dict[str, Any]:
    ends, error = found.interval(), found.error
    return {
        "value": found.value,
        "error": error,
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "p": found.p(),
        "n": found.n,
        "prompts": found.n,
        "clusters": found.clusters,
        "effect": found.effect,
        "visible": found.visible,
        "to_settle": to_settle(found.value, error, found.clusters, found.n) if error and not found.same else None,
        "method": (ends.method if ends else "none").replace("over clusters", "over images").replace("G=", "n="),
    }
