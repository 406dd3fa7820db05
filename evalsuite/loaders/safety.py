"""What a folder of a model may not hold: code, or a wish to have some run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.loaders.detect import read_json

LIBRARIES = ("diffusers", "transformers", "stable_diffusion")
"""Where components of a pipeline may come from; the last is diffusers' folder of Stable Diffusion's safety checker."""
_CODE = re.compile(r"\.(py|pyc|pyd|so|dll)", re.I)
_WISHES = ("auto_map", "custom_pipeline", "custom_pipelines", "_custom_pipeline", "trust_remote_code")


def refuse_code(folder: Path) -> None:
    """Refuse a model's folder that brings code, or a configuration that asks for some.

    Args:
        folder: of a diffusers model; links in it are followed.

    Raises:
        InputError: names the file and what in it is refused. Nothing was imported.
    """
    for path in sorted(folder.rglob("*")):
        if _CODE.fullmatch(path.suffix):
            raise InputError(f"{path}: refused, a model's folder may bring no code: take a copy without it")
        if path.suffix == ".json" and path.name.endswith(("config.json", "model_index.json")):
            _check(path, read_json(path))


def _check(path: Path, config: Any) -> None:
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a JSON object of settings: take the published file")
    for name in _WISHES:
        if config.get(name):
            raise InputError(f"{path}: refused, {name} asks for code of its own, and none is run")
    if not isinstance(config.get("_class_name", ""), str):
        raise InputError(f"{path}: refused, _class_name {config['_class_name']!r} names a pipeline of its own")
    if path.name != "model_index.json":
        return
    for name, entry in config.items():
        if not isinstance(entry, list):
            continue
        strange = len(entry) != 2 or not all(part is None or isinstance(part, str) for part in entry)
        if strange or entry[0] not in (None, *LIBRARIES):
            raise InputError(f"{path}: refused, {name} comes from {entry!r}, not from {', '.join(LIBRARIES[:2])}")
