"""Run files: a RunSpec in YAML or TOML. Values are read as text and take their type from the field they fill."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evalsuite import plain_yaml
from evalsuite.errors import InputError
from evalsuite.spec import REAL, WHOLE, RunSpec

LISTS = ("models", "model_args", "aspects", "metrics", "weights")
NOTHING = ("", "~", "null")
NONE_MEANS_SOMETHING = ("limit", "threads", "output_dir", "reference", "shift")


def read(path: str | Path) -> dict[str, Any]:
    """The settings of a run file, by field of RunSpec; hyphens in names count as underscores.

    Raises:
        InputError: not there, too large, not UTF-8, not YAML or TOML, an unknown or doubled setting, or an alias.
    """
    path = Path(path)
    text = plain_yaml.read_text(path, "a .yaml or .toml file; a run file holds settings only")
    found = _toml(text, path) if path.suffix.lower() == ".toml" else _yaml(text, path)
    known = RunSpec().to_json()
    settings = {}
    for key, value in found.items():
        name = key.replace("-", "_")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise InputError(f"{path}: no setting {key!r}; {f'did you mean {near[0]}?' if near else _all(known)}")
        settings[name] = coerce(name, value, f"{path}: {key}")
    return settings


def coerce(name: str, value: Any, where: str) -> Any:
    """A value for a field of RunSpec, from text or from what TOML has already understood.

    Raises:
        InputError: it cannot be read as what the field holds.
    """
    if name in LISTS:
        items = [part for part in value.split(",") if value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise InputError(f"{where} is {value!r}: write a list, such as [a, b], or a,b")
        return tuple(item.strip() for item in items)
    if isinstance(value, Mapping | list):
        raise InputError(f"{where} has parts: write one value")
    if isinstance(value, str) and value in NOTHING and name in NONE_MEANS_SOMETHING:
        return None
    if name in WHOLE and isinstance(value, str) and value != "auto":
        return _number(int, value, where)
    if name in REAL and isinstance(value, str):
        return _number(float, value, where)
    return value


def _number(kind: type[int] | type[float], text: str, where: str) -> int | float:
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"{where} is {text!r}: write {wanted}") from None


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}") from error


def _yaml(text: str, path: Path) -> dict[str, Any]:
    found = plain_yaml.load(text, path)
    if found is None or found == "":
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InputError(f"{path} is no list of settings: write lines such as steps: 20")
    return found


def _all(names: Mapping[str, Any]) -> str:
    return f"known: {', '.join(names)}"
