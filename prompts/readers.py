"""Files to entries: JSONL, JSON, CSV, TSV and plain text, and the published sets written in them.

The published forms need no switch, their own column and key names are understood:
PartiPrompts (TSV: Prompt, Category, Challenge, Note), GenEval (JSONL: tag, include, prompt),
HPDv2 (JSON: a flat list of strings) and DrawBench (CSV: Prompts, Category).
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prompts.prompt import Entry, PromptError, make_prompt, printable

MAX_BYTES = 64 * 2**20  # a larger file is no list of prompts
TEXT_NAMES = ("text", "prompt", "prompts", "caption")
ID_NAMES = ("id", "prompt_id")
BASE_NAMES = ("base",)
TAG_NAMES = ("tags", "tag", "category", "categories", "challenge")
_KNOWN = TEXT_NAMES + ID_NAMES + BASE_NAMES + TAG_NAMES
_EXAMPLE = '{"id": "cat-1", "text": "a cat"}'


def read(path: Path) -> list[Entry]:
    """Entries of a file, by its suffix.

    Raises:
        PromptError: the file is missing, too large, not UTF-8, of an unknown kind, or malformed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise PromptError(f"{printable(path)}: unknown kind of prompt file; use one of {', '.join(READERS)}")
    return with_own_ids(list(reader(printable(path), decode(path))))


def decode(path: Path) -> str:
    """A file's text.

    Raises:
        PromptError: the file is missing, too large, or not UTF-8.
    """
    where = printable(path)
    try:
        if not path.is_file():
            what = "not a file" if path.exists() else "no such file"
            raise PromptError(f"{where}: {what}; check the path")
        if path.stat().st_size > MAX_BYTES:
            raise PromptError(f"{where}: larger than {MAX_BYTES // 2**20} MiB; split it into several sets")
        data = path.read_bytes()
    except OSError as error:
        raise PromptError(f"{where}: cannot be read ({error.strerror}); check the path and its rights") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptError(f"{where}:{line}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None


def with_own_ids(entries: list[Entry]) -> list[Entry]:
    """Number repeated texts that were named after themselves: published sets do repeat a prompt."""
    seen: Counter[str] = Counter()
    result = []
    for place, prompt, named in entries:
        seen[prompt.id] += not named
        if not named and seen[prompt.id] > 1:
            fields = (f"{prompt.id}-{seen[prompt.id]}", prompt.text, prompt.base, prompt.tags)
            prompt = make_prompt(place, *fields)
        result.append(Entry(place, prompt, named))
    return result


def _jsonl(where: str, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"{where}:{number}"
            yield _entry(place, _parse(place, line))


def _json(where: str, text: str) -> Iterator[Entry]:
    data = _parse(where, text) if text.strip() else []
    if not isinstance(data, list):
        raise PromptError(f"{where}: not a list; write the prompts as [...], or one object a line in a .jsonl")
    for number, item in enumerate(data, start=1):
        yield _entry(f"{where}, item {number}", {"text": item} if isinstance(item, str) else item)


def _parse(place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}" if "\n" in text.strip() else f"column {error.colno}"
        raise PromptError(f"{place}: bad JSON: {error.msg} at {at}; write {_EXAMPLE}") from None
    except (ValueError, RecursionError):  # an integer of thousands of digits, brackets nested too deeply
        raise PromptError(f"{place}: bad JSON: too large a number or too deep a nesting; write {_EXAMPLE}") from None


def _entry(place: str, item: object) -> Entry:
    if not isinstance(item, dict):
        raise PromptError(f"{place}: {type(item).__name__} where an object is needed; write {_EXAMPLE}")
    _refuse_misspellings(place, item)
    text = _string(place, item, TEXT_NAMES)
    if text is None:
        raise PromptError(f'{place}: no prompt; add "text": as in {_EXAMPLE}')
    id, base = _string(place, item, ID_NAMES), _string(place, item, BASE_NAMES)
    return Entry(place, make_prompt(place, id, text, base, _tags(place, item)), id is not None)


def _refuse_misspellings(place: str, item: Mapping[str, Any]) -> None:
    """Other people's extra keys are theirs; a near miss of one of ours would be lost in silence."""
    for key in item:
        if key.lower() in _KNOWN:
            continue
        close = difflib.get_close_matches(key.lower(), _KNOWN, n=1, cutoff=0.85)
        if close:
            raise PromptError(f"{place}: key '{printable(key)}' is unknown; did you mean '{close[0]}'?")


def _string(place: str, item: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    given = {key: value for key, value in item.items() if key.lower() in names and value is not None}
    if len(given) > 1:
        raise PromptError(f"{place}: {' and '.join(map(printable, given))} say the same; keep one of them")
    for key, value in given.items():
        if not isinstance(value, str):
            raise PromptError(f"{place}: '{key}' is {printable(json.dumps(value))}; write it as a string, in quotes")
        return value
    return None


def _tags(place: str, item: Mapping[str, Any]) -> list[str]:
    tags: list[str] = []
    for key, value in item.items():
        if key.lower() not in TAG_NAMES or value is None:
            continue
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(tag, str) for tag in values):
            raise PromptError(f'{place}: \'{key}\' must be a list of strings; write ["animals", "counting"]')
        tags.extend(values)
    return tags


def _csv(where: str, text: str) -> Iterator[Entry]:
    yield from _table(where, csv.reader(io.StringIO(text, newline=""), strict=True))


def _tsv(where: str, text: str) -> Iterator[Entry]:
    # Tab-separated text has no quoting: PartiPrompts has prompts that begin with a quotation mark.
    yield from _table(where, csv.reader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))


def _table(where: str, rows: Any) -> Iterator[Entry]:
    header: list[str] | None = None
    try:
        for cells in rows:
            place = f"{where}:{rows.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(place, cells)
                continue
            if len(cells) > len(header):
                raise PromptError(
                    f"{place}: {len(cells)} cells under {len(header)} headings; put text that has a separator in quotes"
                )
            yield _entry(place, _record(header, cells))
    except csv.Error as error:
        raise PromptError(f"{where}:{rows.line_num}: bad table: {error}; close every quotation mark") from None


def _header(place: str, cells: list[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    if not set(header) & set(TEXT_NAMES):
        raise PromptError(
            f"{place}: no heading for the prompt among '{printable(', '.join(cells))}'; "
            f"head that column with one of {', '.join(TEXT_NAMES)}"
        )
    twice = [name for name, count in Counter(header).items() if count > 1 and name in _KNOWN]
    if twice:
        raise PromptError(f"{place}: two columns are headed '{twice[0]}'; keep one of them")
    return header


def _record(header: list[str], cells: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}
    if "tags" in record:
        record["tags"] = [tag for tag in record["tags"].split(";") if tag.strip()]
    return record


def _txt(where: str, text: str) -> Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"{where}:{number}"
            yield Entry(place, make_prompt(place, None, line.strip(), None, ()), False)


READERS: dict[str, Callable[[str, str], Iterator[Entry]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".txt": _txt,
}
