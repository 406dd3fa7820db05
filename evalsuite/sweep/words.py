"""What a sweep says in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalsuite.progress import duration
from evalsuite.publish import BUNDLED_NOTE
from evalsuite.sweep.front import Duel
from evalsuite.sweep.outcome import Axes, Front
from evalsuite.sweep.run import Sweep
from evalsuite.verdicts import number, p_words
from reports.digits import Number, decimals


def cost_words(cost: float, axes: Axes) -> str:
    """``0.41 s``, or ``40 passes``."""
    return f"{cost:.0f} passes" if axes.against == "passes" else f"{seconds_words(cost)} s"


def seconds_words(seconds: float) -> str:
    """Three significant digits."""
    return f"{seconds:.3g}" if seconds < 1000 else f"{seconds:.0f}"


def title(found: Sweep) -> str:
    """``dit on smoke: hps@scenes against seconds per image, 12 points``."""
    plan = found.plan
    prompts = plan.points[0].manifest.prompts_name
    return (
        f"{', '.join(plan.models)} on {prompts}: {plan.axes.metric} against {plan.axes.against} per image,"
        f" {len(found.lines)} points"
    )


def advice(one: Front, axes: Axes) -> str:
    """Which setting to take and why, in a sentence."""
    taken, best = one.taken, one.best
    place = one.places[one.knee.place]
    what = f"{taken.point.name} ({cost_words(place.cost, axes)} an image)"
    if len(one.lines) == 1:
        return f"take {what}: the only point that is compared"
    if taken is best:
        if one.knee.untested:
            return f"take {what}: the best value; {one.knee.untested} of the others cannot be tested against it"
        rest = "every cheaper one is seen to be worse" if _cheaper(one) else "and none is cheaper"
        return f"take {what}: the best value, {rest}"
    dear = cost_words(one.places[one.knee.best].cost, axes)
    duel = one.knee.duel
    assert duel is not None
    doubt = "" if one.knee.worse else "; no point at all is seen to be worse, so that more prompts may change this"
    return (
        f"take {what}: the cheapest that is not seen to be worse than the best, {best.point.name} ({dear}):"
        f" {difference(duel, one.knee.p, one.knee.family)}{doubt}"
    )


def difference(duel: Duel, p: float | None, family: int) -> str:
    """A difference with its interval, p, and what would have been seen."""
    digits = decimals([Number((duel.low + duel.high) / 2, duel.low, duel.high, duel.n)])
    limits = f"95 % {number(duel.low, digits, True)} to {number(duel.high, digits, True)}"
    text = p_words(p)
    said = (
        f"{number(duel.value, digits, True)} ({limits}, p {'' if '<' in text else '= '}{text} after Holm over {family})"
    )
    seen = f"; one of {number(duel.visible, digits)} would be seen with a chance of 80 %" if duel.visible else ""
    return f"{said}{seen}"


def sentences(found: Sweep) -> Iterator[str]:
    """The advice for every model on all images."""
    for one in found.fronts:
        if one.part == "all":
            name = f"{one.model}: " if len(found.plan.models) > 1 else ""
            text = f"{name}{advice(one, found.plan.axes)}."
            yield text if name else text[0].upper() + text[1:]


def notes(found: Sweep) -> Iterator[str]:
    """What a reader must know, the sweep's own caveats first."""
    yield from _caveats(found)
    yield (
        "Intervals are 95 %. front: surely, seen to be better than every point that is not dearer; possibly, not seen"
        " to be beaten (behind N: N costs no more and scored better); no, N costs no more and is seen to be better."
        " Tests are paired, over the images that two points share."
    )
    if found.plan.axes.against == "seconds":
        yield (
            "Seconds are of an image when it is made, without scoring: the median over units, with quartiles; points"
            f" that differ in the scale of guidance alone do the same work and are timed together. {_where(found)}"
        )
    else:
        carried = any(facts.guided is not None for facts in found.plan.points[0].manifest.models.values())
        but = " and the model is not distilled" if carried else ""
        yield f"Passes are predictions of the sampler for an image, each counted twice where guidance is not 1{but}."
    if any("@scenes" in metric for line in found.lines if line.card is not None for metric in line.card.metrics):
        yield f"{BUNDLED_NOTE[0].upper()}{BUNDLED_NOTE[1:]}."


def _caveats(found: Sweep) -> Iterator[str]:
    out = [line for line in found.lines if line.status == "dropped"]
    state = found.state
    if state.budget is not None:
        said = f"Budget {duration(state.budget)}, spent {duration(state.spent)} making and scoring."
        yield f"{said} {len(out)} of {len(found.lines)} points were left behind." if out else said
    stopped = [line.number for line in found.lines if line.status == "stopped"]
    if stopped:
        yield f"The budget was spent before these points were made as far as the others: {_list(stopped)}."
    yield from _odd_times(found)
    short = [line for line in found.lines if line.status == "compared" and line.units < len(line.point.units)]
    if short:
        yield f"No point has all its images: compared on {short[0].images} of each; repeat with a larger --budget."
    for one in found.fronts:
        if one.part == "all" and one.knee.bend is not None:
            name = f"{one.model}: " if len(found.plan.models) > 1 else ""
            yield f"{name}For reference, the measured front bends most at point {one.lines[one.knee.bend].number}."


def _odd_times(found: Sweep) -> Iterator[str]:
    """Where more steps of the same kind took less time: the machine was not equally busy."""
    if found.plan.axes.against != "seconds":
        return
    timed = [(line, line.cost.value) for line in found.lines if line.cost is not None]
    for less, seconds in timed:
        for more, fewer in timed:
            (model, sampler, steps, guided), other = less.point.same_work, more.point.same_work
            if other == (model, sampler, other[2], guided) and steps < other[2] and seconds > fewer:
                yield (
                    f"Do not rely on the seconds: point {less.number} has fewer steps than point {more.number} and took"
                    " longer, so the machine was not equally busy. --against passes needs no clock."
                )
                return


def left_behind(found: Sweep) -> list[str]:
    """Why points are out of the comparison."""
    out = [line for line in found.lines if line.status in ("dropped", "failed")]
    return [f"{line.number} ({line.point.name}) {line.status} {line.why}" for line in out]


def _cheaper(one: Front) -> bool:
    return any(place.cost < one.places[one.knee.place].cost for place in one.places)


def _where(found: Sweep) -> str:
    manifest = found.plan.points[0].manifest
    return f"Measured on {manifest.machine.device_class}, batch {manifest.spec.batch_size}, {manifest.spec.dtype}."


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
