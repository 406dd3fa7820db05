"""Names of metrics: a family, the network it is computed with after an ``@``, or a ``module:attribute``. Light."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evalsuite.errors import InputError
from evalsuite.metrics.families import FAMILIES
from evalsuite.registry import METRICS
from evalsuite.scorers import FP32, ScorerName, scorer_name


def parse(name: str) -> tuple[str, ScorerName | None]:
    """Family and network of a name; the network is None where none is named or needed.

    For a metric of another package or of the user's own, the name itself and None.

    Raises:
        InputError: an unknown name, or a network that cannot serve the family.
    """
    family, sign, rest = name.partition("@")
    if family not in FAMILIES:
        METRICS.target(family if sign else name)
        return name, None
    if not sign:
        return family, None
    about = FAMILIES[family]
    if not about.kinds:
        raise InputError(f"metric {name!r}: {family} looks at no image: name it without @{rest}")
    scorer = scorer_name(rest, about.rule)
    if scorer.kind not in about.kinds:
        raise InputError(
            f"metric {name!r}: {family} is not computed with {scorer.id}; use {family}@{about.published}"
            f" or {family}@{about.bundled}"
        )
    return family, scorer


def in_full(
    names: Iterable[str], here: Callable[[ScorerName], bool], compared_by: ScorerName | None = None, backend: str = ""
) -> tuple[str, ...]:
    """Names with their networks: those of published scorers whose weights are here, the bundled ones otherwise.

    Args:
        names: as the user wrote them.
        here: whether a network's weights are on this machine.
        compared_by: the network that made the reference which the user gave; None where it fits every network.
        backend: a rule that every HPS gets, such as ``hpsv2``.

    Raises:
        InputError: as parse does, or the reference is of a network that cannot serve a family.
    """
    return tuple(dict.fromkeys(_in_full(name, here, compared_by, backend) for name in names))


def _in_full(name: str, here: Callable[[ScorerName], bool], compared_by: ScorerName | None, backend: str) -> str:
    family, scorer = parse(name)
    about = FAMILIES.get(family)
    if about is None or not about.kinds:
        return name
    if scorer is None and about.compares and compared_by is not None:
        return f"{family}@{parse(f'{family}@{compared_by.id}')[1].id}"  # type: ignore[union-attr]
    if scorer is None:
        published = scorer_name(about.published)
        scorer = published if here(published) else scorer_name(about.bundled)
    if backend and scorer.kind == "hps" and not scorer.rule and scorer.precision == FP32:
        scorer = scorer_name(f"{scorer.id}-{backend}")
    return f"{family}@{scorer.id}"
