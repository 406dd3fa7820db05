"""A prompt, a set of them, and the rules that both keep."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # controls, lone surrogates, line and paragraph separators


class PromptError(ValueError):
    """A prompt set cannot be used. The message is one line: what, where, why, what to do."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing to show.

    Attributes:
        id: unique in its set whatever the case; NFC, without control characters.
        text: what the model is asked for, verbatim.
        base: id of the prompt that this one edits, or None. A base has no base itself.
        tags: what the prompt is about; scores are sliced by them.
    """

    id: str
    text: str
    base: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Checked prompts in their file's order.

    Attributes:
        name: of the bundled set, or the file's name without its suffix.
        prompts: at least one.
        source: ``bundled``, or the path that was read.
        sha256: over the canonical JSON of the prompts, so the same prompts have the same hash in any format.
    """

    name: str
    prompts: tuple[Prompt, ...]
    source: str
    sha256: str


class Entry(NamedTuple):
    """A prompt as read, before the checks that need the whole set."""

    place: str  # "anime.json, item 3" or "my.jsonl:3"
    prompt: Prompt
    named: bool  # whether the file gave the id


def printable(text: object) -> str:
    """Text on one line for a message: unprintable characters become escapes, long text loses its middle."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
    return line if len(line) <= 160 else f"{line[:100]} … {line[-50:]}"


def make_prompt(place: str, id: str | None, text: str, base: str | None, tags: Iterable[str]) -> Prompt:
    """One checked prompt; without an id it is named after its text.

    Raises:
        PromptError: empty text, or an id, base or tag that is empty or has control characters.
    """
    if not text.strip():
        raise PromptError(f"{place}: the prompt is empty; write its text or remove the entry")
    if any(unicodedata.category(c) == "Cs" for c in text):
        raise PromptError(f"{place}: the prompt has half of a surrogate pair; write the character itself")
    return Prompt(
        id=_label(place, "id", id) if id is not None else _id_from(text),
        text=text,
        base=_label(place, "base", base) if base is not None else None,
        tags=tuple(dict.fromkeys(_label(place, "tag", tag) for tag in tags)),
    )


def _label(place: str, what: str, value: str) -> str:
    label = unicodedata.normalize("NFC", value).strip()
    if not label:
        raise PromptError(f"{place}: the {what} is empty; give it letters or digits, or leave it out")
    if any(unicodedata.category(c) in _UNPRINTABLE for c in label):
        raise PromptError(f"{place}: {what} '{printable(label)}' has a control character; remove it")
    return label


def _id_from(text: str) -> str:
    """First words and a short hash: unchanged when lines are added, moved or the file is renamed."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return "-".join([*(word[:12] for word in words[:4]), digest])


def make_set(name: str, source: str, entries: Iterable[Entry]) -> PromptSet:
    """Check what only the whole set can show, and hash it.

    Raises:
        PromptError: no prompts, an id twice (ignoring case), a base that is unknown or has a base itself.
    """
    entries = list(entries)
    if not entries:
        raise PromptError(f"{printable(source)}: no prompts in it; add at least one")
    _check_ids(entries)
    _check_bases(entries)
    prompts = tuple(entry.prompt for entry in entries)
    return PromptSet(name, prompts, source, _sha256(prompts))


def _sha256(prompts: Iterable[Prompt]) -> str:
    canonical = json.dumps(
        [asdict(prompt) for prompt in prompts], ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_ids(entries: list[Entry]) -> None:
    places: dict[str, str] = {}
    for place, prompt, _ in entries:
        key = unicodedata.normalize("NFC", prompt.id.casefold())
        if key in places:
            raise PromptError(
                f"{place}: id '{printable(prompt.id)}' is taken by {places[key]} (case is ignored); "
                "give each prompt its own id"
            )
        places[key] = place


def _check_bases(entries: list[Entry]) -> None:
    prompts = {entry.prompt.id: entry.prompt for entry in entries}
    for place, prompt, _ in entries:
        if prompt.base is None:
            continue
        base = printable(prompt.base)
        if prompt.base == prompt.id:
            raise PromptError(f"{place}: '{base}' names itself as its base; name the prompt that it edits")
        if prompt.base not in prompts:
            raise PromptError(f"{place}: base '{base}' is no id of this set; add that prompt or correct the base")
        if prompts[prompt.base].base is not None:
            raise PromptError(
                f"{place}: base '{base}' is an edit itself; name the prompt at the root, "
                f"'{printable(prompts[prompt.base].base)}'"
            )
