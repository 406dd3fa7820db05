"""What there is to choose from, without importing any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backbones
from evalsuite.errors import InputError
from evalsuite.metric_names import parse
from evalsuite.metrics.families import FAMILIES
from evalsuite.registry import METRICS, MODELS, PROMPTS
from prompts import BUNDLED, PromptError, load

if TYPE_CHECKING:
    from evalsuite.metrics.cards import MetricCard

Facts = dict[str, str]


def models() -> Facts:
    """Model names and a line on each; for one of another package, where it comes from."""
    return MODELS.targets() | dict(backbones.DESCRIPTIONS)


def metrics() -> Facts:
    """Metric names and what they compute."""
    from evalsuite.metrics.cards import bundled, published

    def about(family: str) -> str:
        cards = [*bundled(family)[:1], *published(family)[:1]]
        return f"{cards[0].title} ({', '.join(card.name for card in cards)})"

    return METRICS.targets() | {family: about(family) for family in FAMILIES}


def prompt_sets() -> Facts:
    """Prompt-set names and a line on each."""
    return PROMPTS.targets() | dict(BUNDLED)


def show(name: str) -> list[Facts]:
    """All that is known of a model, metric, prompt set or prompt file: one table of facts for each that has the name.

    Raises:
        InputError: nothing has it, or the prompt file breaks a rule.
    """
    found = [*_model(name), *_metric(name), *_probe(name), *_prompts(name)]
    if not found and name in backbones.ABSENT:
        raise InputError(f"model {name!r}: {backbones.ABSENT[name]}")
    if not found:
        known = [*models(), *metrics(), *prompt_sets()]
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise InputError(f"no model, metric or prompt set {name!r}; {hint}")
    return found


def _model(name: str) -> list[Facts]:
    if name not in models():
        return []
    facts = {"model": name, "about": models()[name], "from": MODELS.target(name)}
    card = Path(backbones.__file__).parent / "weights" / f"{name}.json"
    if name in backbones.CATALOG and card.is_file():
        facts |= _flat(json.loads(card.read_text(encoding="utf-8")))
        weights = card.with_suffix(".safetensors")
        facts["weights"] = f"{weights.stat().st_size / 1e6:.1f} MB" if weights.is_file() else "missing"
    return [facts]


def _flat(card: dict[str, Any]) -> Facts:
    """A card's settings; long lists such as a vocabulary are counted."""
    facts = {}
    for key, value in card.items():
        if isinstance(value, list):
            facts[key] = f"{len(value)} entries"
        elif isinstance(value, dict):
            facts[key] = ", ".join(f"{name} {part}" for name, part in value.items())
        else:
            facts[key] = str(value)
    return facts


def _metric(name: str) -> list[Facts]:
    cards = list(dict.fromkeys(card for key in FAMILIES for card in _cards(key, *name.partition("@")[::2])))
    better = {True: "higher", False: "lower", None: "neither"}
    return [
        {
            "metric": card.name,
            "title": card.title,
            "meaning": card.meaning,
            "range": card.range,
            "unit": card.unit,
            "better": better[card.higher_is_better],
            "comparable": card.comparable,
            "interval": card.interval,
            "sources": ", ".join(card.sources),
        }
        for card in cards
    ]


def _probe(name: str) -> list[Facts]:
    """Numbers of `evalsuite probe`: all of them by ``probe``, those of one kind by its id, with a field or without."""
    from evalsuite.probe.quantities import QUANTITIES

    better = {True: "higher", False: "lower", None: "neither"}
    every = {quantity: [quantity.metric(field) for field in quantity.fields] for quantity in QUANTITIES.values()}
    return [
        {
            "metric": quantity.metric("*"),
            "title": quantity.title,
            "meaning": quantity.meaning,
            "fields": ", ".join(filter(None, quantity.fields)) or "none: it is the bank's own",
            "unit": quantity.unit,
            "better": better[quantity.higher_is_better],
            "comparable": "the same bank" if quantity.of_one_space else "the same pictures, noise and times",
            "command": "evalsuite probe",
        }
        for quantity, names in every.items()
        if name in ("probe", f"probe_{quantity.key}", *names, *(metric.partition("@")[0] for metric in names))
    ]


def _cards(family: str, name: str, network: str) -> Iterator[MetricCard]:
    """Cards of a family that a name stands for: all of them by its own name, one by that of a companion."""
    from evalsuite.metrics.cards import bundled, cards_of, published

    own = [*bundled(family), *published(family)]
    if network and network not in {card.name.partition("@")[2] for card in own}:
        try:
            scorer = parse(f"{family}@{network}")[1]
        except InputError:
            return
        own, network = list(cards_of(family, scorer)), scorer.id if scorer else network
    for card in own:
        base, _, of = card.name.partition("@")
        if name in (family, base) and network in ("", of):
            yield card


def _prompts(name: str) -> list[Facts]:
    if name not in BUNDLED and not Path(name).exists():
        return []
    try:
        found = load(name)
    except PromptError as error:
        raise InputError(str(error)) from error
    tags = sorted({tag for prompt in found.prompts for tag in prompt.tags})
    return [
        {
            "prompts": found.name,
            "about": BUNDLED.get(name, found.source),
            "count": f"{len(found.prompts)}, {sum(prompt.base is not None for prompt in found.prompts)} of them edits",
            "tags": ", ".join(tags),
            "first": found.prompts[0].text,
            "sha256": found.sha256,
        }
    ]
