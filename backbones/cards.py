"""A weights file and the JSON card beside it, which says what the file is and how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from torch import nn

from backbones.checkpoint import CheckpointError, save_half, sha256_of

if TYPE_CHECKING:
    from dataclasses import Field

Card = dict[str, Any]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Config = TypeVar("Config", bound=_Dataclass)
Module = TypeVar("Module", bound=nn.Module)


def publish(
    folder: Path,
    name: str,
    modules: Mapping[str, nn.Module],
    config: _Dataclass,
    facts: Mapping[str, object],
) -> Card:
    """Write `<folder>/<name>.safetensors` in half precision and `<folder>/<name>.json`; return the card.

    Args:
        folder: exists already.
        name: of the files, and on the card.
        modules: key prefix -> module: {"denoiser": ..., "text": ...} or {"vae": ...}.
        config: the main module's configuration.
        facts: the rest of the card: "kind" ("dit", "unet" or "vae"), "vocabulary" and "text" (the text
            encoder's configuration) of a denoiser, "data", "recipe", "steps", "seeds", ...
    """
    digest = save_half(folder / f"{name}.safetensors", modules)
    card = {"name": name, **facts, "config": asdict(config), "sha256": digest}
    (folder / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def read_card(folder: Path, name: str) -> Card:
    """Return the card `<folder>/<name>.json` of a weights file that matches the card's SHA-256.

    Raises:
        CheckpointError: a file is missing, the card is not a JSON object with a name, kind, config and
            sha256, or the weights' SHA-256 differs.
    """
    path, weights = folder / f"{name}.json", folder / f"{name}.safetensors"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        digest = sha256_of(weights)
    except OSError as error:
        raise CheckpointError(f"{error.filename}: {error.strerror}; reinstall the package") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON; reinstall the package") from error
    missing = [key for key in ("name", "kind", "config", "sha256") if not isinstance(card, dict) or key not in card]
    if missing:
        raise CheckpointError(f"{path}: the card lacks {', '.join(missing)}")
    if digest != card["sha256"]:
        raise CheckpointError(f"{weights}: SHA-256 {digest[:12]} is not the card's {str(card['sha256'])[:12]}")
    return dict(card)


def build(module: Callable[[Config], Module], kind: type[Config], values: object) -> Module:
    """Make a module from a card's JSON configuration; lists become tuples.

    Raises:
        CheckpointError: not a table, a field that `kind` lacks or misses, or values that make no module.
    """
    if not isinstance(values, dict):
        raise CheckpointError(f"{kind.__name__}: the card holds {values!r}, not a table")
    try:
        return module(
            kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{kind.__name__}: {str(error).splitlines()[0]}") from error
