"""The first thing a report says: who is better, and what the run could have seen. The tests were made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.contents import Contents
from reports.digits import MAX_DECIMALS, MINUS, MISSING, Number, decimals, show
from reports.recipe import words

SEEN = ("better", "worse", "differs")
LONGEST = 40  # characters of a setting
MANY = 1_000_000  # prompts; more are not worth counting


@dataclass(frozen=True, slots=True)
class Sight:
    """What a run can see of one metric, and what is open."""

    name: str
    title: str
    visible: str
    difference: str
    settled: str
    prompts: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first screen: a headline, what it rests on, and the limits of the run's sight."""

    headline: str
    findings: tuple[str, ...]
    sights: tuple[Sight, ...]
    cannot: tuple[str, ...]


def verdict(contents: Contents, numbers: Mapping[str, str]) -> Verdict:
    """What a report opens with.

    Args:
        contents: of the report.
        numbers: of a single model, title of each metric to its value as shown.
    """
    compared = contents.comparison
    if compared is None:
        known = tuple(f"{name}: {value}" for name, value in numbers.items())
        return Verdict(_alone(contents), known, (), _lost(contents))
    if len(compared["labels"]) > 2:
        return Verdict(_of_rankings(compared), tuple(_ranked(contents, compared)), (), _lost(contents))
    place = {metric.name: number for number, metric in enumerate(contents.metrics)}
    whole = sorted(whole_of(compared), key=lambda d: place.get(d["metric"], len(place)))
    return Verdict(
        _of_two(whole, compared["labels"]),
        tuple(_findings(contents, whole, compared)),
        tuple(_sights(contents, whole)),
        _lost(contents),
    )


def whole_of(compared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Differences on all images."""
    return [d for d in compared["differences"] if d["slice"] == "all"]


def digits_of(d: Mapping[str, Any]) -> int:
    """Decimals that a difference's interval supports."""
    if d["low"] is None or d["high"] is None or d["low"] == d["high"]:
        return decimals(Number(value, None, None, d["n"]) for value in (d["a"], d["b"]))
    return decimals([Number((d["low"] + d["high"]) / 2, d["low"], d["high"], d["n"])])


def amount(value: float | None, digits: int, sign: bool = False) -> str:
    """A value at so many decimals, with its sign where asked for."""
    text = show(Number(value, None, None, 1), digits)
    nothing = value is None or (digits <= MAX_DECIMALS and float(text) == 0)
    return text if nothing or not sign else f"{MINUS}{text.removeprefix('-')}" if text.startswith("-") else f"+{text}"


def prompts_to_settle(d: Mapping[str, Any]) -> str:
    """How many prompts would tell."""
    count = d["to_settle"]
    return "" if count is None else "over a million" if count > MANY else f"{count:,}"


def _alone(contents: Contents) -> str:
    if not contents.models:
        return "Nothing was scored."
    if len(contents.models) > 1:
        return f"{', '.join(contents.labels)}: not compared."
    (model,) = contents.models
    lost = "" if model.scored == model.planned else f" of {model.planned:,}"
    return f"{model.label}: {model.scored:,}{lost} images scored."


def _of_two(whole: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> str:
    a, b = labels
    tested = [d for d in whole if d["verdict"] != "untested" and d["higher_is_better"] is not None]
    ahead, behind = (sum(d["verdict"] == word for d in tested) for word in ("better", "worse"))
    if not tested:
        return f"{a} and {b} could not be tested against each other."
    if ahead and behind:
        return f"A trade: {a} is better on {_metrics(ahead)}, {b} on {behind}."
    if ahead or behind:
        best, other = (a, b) if ahead else (b, a)
        count = ahead + behind
        on = f"all {count} metrics" if 1 < count == len(tested) else _of(count, len(tested))
        return f"{best} is better than {other} on {on}."
    if all(d["value"] == 0 and not d["error"] for d in tested):
        return f"{a} and {b} score the same on every image."
    return f"No difference seen between {a} and {b}."


def _of(count: int, total: int) -> str:
    return _metrics(count) if total == 1 else f"{count} of {total} metrics"


def _metrics(count: int) -> str:
    return f"{count} metric" if count == 1 else f"{count} metrics"


def _findings(contents: Contents, whole: Sequence[Mapping[str, Any]], compared: Mapping[str, Any]) -> Iterable[str]:
    titles = {metric.name: metric.title for metric in contents.metrics}
    for d in whole:
        if d["verdict"] in ("better", "worse"):
            yield f"{titles.get(d['metric'], d['metric'])}: {d['sentence']}."
    directed = [d for d in whole if d["verdict"] != "untested" and d["higher_is_better"] is not None]
    if unseen := [titles.get(d["metric"], d["metric"]) for d in directed if d["verdict"] == "none"]:
        none = len(unseen) == len(directed) > 1
        yield f"{'None of the metrics tells them apart:' if none else 'No difference seen on'} {_join(unseen)}."
    if untested := [titles.get(d["metric"], d["metric"]) for d in whole if d["verdict"] == "untested"]:
        yield f"Not tested: {_join(untested)}."
    if other := [titles.get(d["metric"], d["metric"]) for d in whole if d["verdict"] == "differs"]:
        yield f"They differ on {_join(other)}, where neither direction is better."
    if refused := dict.fromkeys(r["metric"] for r in compared["refused"] if r["slice"] == "all"):
        yield f"Not compared: {_join(titles.get(name, name) for name in refused)}."


def _sights(contents: Contents, whole: Sequence[Mapping[str, Any]]) -> Iterable[Sight]:
    titles = {metric.name: metric.title for metric in contents.metrics}
    for d in whole:
        if d["visible"] is None or d["higher_is_better"] is None:
            continue
        digits = digits_of(d)
        settled = "seen" if d["verdict"] in SEEN else prompts_to_settle(d) or MISSING
        name = d["metric"]
        yield Sight(
            name,
            titles.get(name, name),
            amount(d["visible"], digits),
            amount(d["value"], digits, sign=True),
            settled,
            f"{d['prompts']:,}" if d["prompts"] else MISSING,
        )


def _of_rankings(compared: Mapping[str, Any]) -> str:
    whole = [r for r in compared["rankings"] if r["slice"] == "all" and r["higher_is_better"] is not None]
    alone: dict[str, int] = {}
    for ranking in whole:
        top = [place["label"] for place in ranking["places"] if "a" in place["letters"]]
        if len(top) == 1:
            alone[top[0]] = alone.get(top[0], 0) + 1
    if not whole:
        return "No metric ranks all models."
    if not alone:
        return "No model stands alone at the top of any metric."
    first = sorted(alone.items(), key=lambda item: -item[1])
    said = [f"{label} is best on {_of(count, len(whole))}" for label, count in first]
    return f"{'; '.join(said)}."


def _ranked(contents: Contents, compared: Mapping[str, Any]) -> Iterable[str]:
    titles = {metric.name: metric.title for metric in contents.metrics}
    place = {name: number for number, name in enumerate(titles)}
    for ranking in sorted(compared["rankings"], key=lambda r: place.get(r["metric"], len(place))):
        if ranking["slice"] != "all" or ranking["higher_is_better"] is None:
            continue
        name = titles.get(ranking["metric"], ranking["metric"])
        top = [place["label"] for place in ranking["places"] if "a" in place["letters"]]
        last = {letter for place in ranking["places"] for letter in place["letters"]}
        if last == {"a"}:
            yield f"{name}: no two can be told apart."
        else:
            rest = f", not told apart from {_join(top[1:])}" if len(top) > 1 else ""
            yield f"{name}: {top[0]} is first{rest}."


def _lost(contents: Contents) -> tuple[str, ...]:
    """What no number of this report can say."""
    said = [
        f"{model.label}: {model.planned - model.scored:,} of {model.planned:,} images have no score."
        for model in contents.models
        if model.scored < model.planned
    ]
    compared = contents.comparison
    if len(contents.models) == 1:
        said.append(f"Whether {contents.labels[0]} is better or worse than another model: report two of them together.")
    if compared is not None:
        if compared["settings"]:
            shown = [f"{s['name']} {_setting(s['first'])} / {_setting(s['second'])}" for s in compared["settings"]]
            said.append(f"Settings differ, and a difference may be theirs: {', '.join(shown)}.")
        if images := compared["unpaired"]:
            said.append(f"{len(images):,} images have no partner and are left out of every difference.")
        if compared["seeds"]["different"]:
            said.append("Some pairs began from other noise: the tests hold, and see less than with equal seeds.")
    return (*said, *(f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}" for note in contents.notes))


def _setting(value: Any) -> str:
    text = words(value.get("name", "") if isinstance(value, Mapping) else value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _join(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
