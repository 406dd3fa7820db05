"""YAML from anyone: text, lists and mappings only, of at most 1 MB, without aliases and doubled names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from evalsuite.errors import InputError

LARGEST = 1 << 20


def read_text(path: Path, wanted: str) -> str:
    """A small UTF-8 file; its byte-order mark is dropped.

    Args:
        path: of the file.
        wanted: what to name instead, and what such a file holds, for the errors: ``a .yaml file; it holds rules``.

    Raises:
        InputError: not there, too large, or not UTF-8.
    """
    name, _, holds = wanted.partition("; ")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name {name}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    if len(data) > LARGEST:
        raise InputError(f"{path} is larger than 1 MB: {holds}")
    return text


def load(text: str, path: Path) -> Any:
    """What a YAML text holds, every scalar as text.

    Raises:
        InputError: not YAML, an alias, or a doubled name.
    """
    try:
        return yaml.load(text, Loader=_Plain)  # derives from BaseLoader: makes text, lists and mappings only
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


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
