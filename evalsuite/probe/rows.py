"""Estimates as rows in long form, with the protocol that says what may be compared."""

from __future__ import annotations

from collections.abc import Mapping

from evalsuite.digest import digest
from evalsuite.probe.ask import Questions
from evalsuite.probe.bank import Bank
from evalsuite.probe.estimates import Estimate
from evalsuite.probe.numbers import Place
from evalsuite.probe.quantities import VERSION, Quantity, of_metric
from evalsuite.probe.spec import FINE
from evalsuite.rows import Row
from evalsuite.stats import LEVEL, cluster_error, interval

COARSE = f"carries the solver's own error: use midpoint or heun and {FINE} steps or more"


def rows_of(label: str, numbers: Mapping[Place, Estimate], bank: Bank, questions: Questions) -> list[Row]:
    """All rows of a model, in the order of its numbers.

    Args:
        label: of the model.
        numbers: its estimates.
        bank: what it was shown.
        questions: what it was asked.
    """
    protocols: dict[str, str] = {}
    found = []
    for place, estimate in numbers.items():
        quantity, field = of_metric(place.metric)
        if place.metric not in protocols:
            protocols[place.metric] = protocol(quantity, field, bank, questions)
        found.append(_row(label, place, estimate, quantity, protocols[place.metric], questions))
    return found


def protocol(quantity: Quantity, field: str, bank: Bank, questions: Questions) -> str:
    """A short hash over all that a number's meaning depends on, then the same in words.

    A quantity without the latents' scale depends on the bank's recipe alone, so that it may be compared over latent
    spaces; one with it depends on the bank itself.
    """
    shown = bank.sha256 if quantity.of_one_space else bank.recipe
    words = [f"{'bank' if quantity.of_one_space else 'bank recipe'} {shown[:8]}"]
    if quantity.where == "bank":
        times = questions.times
        words.append(f"{len(bank.images)} images x {bank.draws} draws{' in pairs' if bank.antithetic else ''}")
        words.append(f"{len(times)} times from {times[0]:g} to {times[-1]:g}")
        facts: list[object] = [list(times)]
    else:
        run, scale = questions.run, questions.guidance[field]
        words.append(f"{questions.paths} paths, {run.sampler} {run.steps} steps")
        words.append(f"{'guidance ' + format(scale, 'g') if field == 'guided' else 'no guidance'}")
        facts = [list(questions.span), scale]
        if questions.span != (0.0, 1.0):
            words.append(f"t from {questions.span[0]:.3f} to {questions.span[1]:.3f}")
    words.append(questions.run.dtype)
    mark = digest(["probe", quantity.key, field, VERSION, shown, facts, words])[:8]
    return f"{mark} v{VERSION}; {'; '.join(words)}"


def _row(label: str, place: Place, found: Estimate, quantity: Quantity, protocol: str, questions: Questions) -> Row:
    low = high = None
    method = "none"
    if found.value is not None and quantity.key == "v_target":
        method = "exact"
    elif found.value is not None:
        ends = interval(found.value, cluster_error(found.influences.tolist(), 1), found.n)
        low, high = _within(ends.low, quantity), _within(ends.high, quantity)
        method = f"{LEVEL:.0%} t over images (n={found.n})" + ("" if found.values is not None else ", of influences")
    coarse = quantity.where == "path" and (questions.run.sampler == "euler" or questions.run.steps < FINE)
    note = "; ".join(part for part in (found.note, COARSE if coarse else "") if part)
    return Row(
        model=label,
        metric=place.metric,
        slice=place.slice,
        value=found.value,
        low=low,
        high=high,
        n=found.n,
        unit=quantity.unit,
        higher_is_better=quantity.higher_is_better,
        protocol=protocol,
        method=method,
        note=note,
    )


def _within(end: float | None, quantity: Quantity) -> float | None:
    """An end of an interval, or the possible value that is nearest to it."""
    if end is None:
        return None
    end = end if quantity.least is None else max(end, quantity.least)
    return end if quantity.most is None else min(end, quantity.most)
