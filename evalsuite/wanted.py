"""From the names of metrics to measures, each with the network that it is computed with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from evalsuite.errors import InputError
from evalsuite.metric_names import parse
from evalsuite.metrics.base import Measure
from evalsuite.metrics.families import FAMILIES
from evalsuite.registry import METRICS
from evalsuite.scorers import SCENES, ScorerName, scorer_name


class Wanted(NamedTuple):
    """A metric that is asked for; ``scorer`` is None where no network looks at the images."""

    name: str
    scorer: ScorerName | None
    measures: tuple[Measure, ...]


def wanted(name: str) -> Wanted:
    """A metric by its name in full: one of ours, of another package, or ``module:attribute``.

    Raises:
        InputError: unknown, or not a Measure, nor a module with MEASURES.
    """
    family, scorer = parse(name)
    if family in FAMILIES:
        about = FAMILIES[family]
        scorer = scorer or (scorer_name(about.bundled) if about.kinds else None)
        return Wanted(name, scorer, METRICS.load(family)(scorer))
    found = METRICS.load(name)
    measures = (found,) if isinstance(found, Measure) else getattr(found, "MEASURES", ())
    if not measures or not all(isinstance(measure, Measure) for measure in measures):
        raise InputError(f"metric {name!r} is a {type(found).__name__}: name a Measure, or a module with MEASURES")
    networks = frozenset({"encoder", "images", "preference", "reference"})
    uses = frozenset().union(*(measure.uses for measure in measures))
    return Wanted(name, SCENES if uses & networks else None, tuple(measures))


def by_scorer(metrics: Iterable[Wanted]) -> dict[ScorerName | None, list[Measure]]:
    """Measures by network, so that each is loaded once; in the order asked for."""
    groups: dict[ScorerName | None, list[Measure]] = {}
    for metric in metrics:
        groups.setdefault(metric.scorer, []).extend(metric.measures)
    return groups
