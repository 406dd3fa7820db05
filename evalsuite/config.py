"""Run files: a RunSpec in YAML or TOML. Values are read as text and take their type from the field they fill."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from evalsuite.errors import InputError
from evalsuite.spec import REAL, WHOLE, RunSpec

LARGEST = 1 << 20
LISTS = ("models", "aspects", "metrics")
NOTHING = ("", "~", "null")


def read(path: str | Path) -> dict[str, Any]:
    """The settings of a run file, by field of RunSpec; hyphens in names count as underscores.

    Raises:
        InputError: not there, too large, not UTF-8, not YAML or TOML, an unknown or doubled setting, or an alias.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a .yaml or .toml file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    if len(data) > LARGEST:
        raise InputError(f"{path} is larger than 1 MB: a run file holds settings only")
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
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise InputError(f"{where} is {value!r}: write a list, such as [a, b], or a,b")
        return tuple(item.strip() for item in items)
    if isinstance(value, Mapping | list):
        raise InputError(f"{where} has parts: write one value")
    if isinstance(value, str) and value in NOTHING and name in ("limit", "threads", "output_dir"):
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


class _Plain(yaml.BaseLoader):
    """Scalars stay the text they are (16:9 is no number, no is no False); aliases and doubled names are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "aliases are refused", None)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{name} appears twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _yaml(text: str, path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(text, Loader=_Plain)  # derives from BaseLoader: makes text, lists and mappings only
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if found is None or found == "":
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise InputError(f"{path} is no list of settings: write lines such as steps: 20")
    return found


def _all(names: Mapping[str, Any]) -> str:
    return f"known: {', '.join(names)}"
