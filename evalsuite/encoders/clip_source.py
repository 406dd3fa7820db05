"""Where a CLIP network comes from: the catalogue, open_clip's own list, a repository of the hub, or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from evalsuite.encoders.clip import CLIPEncoder
from evalsuite.encoders.clip import load as load_clip
from evalsuite.encoders.clip_config import CONFIG, WEIGHTS, from_file, from_tag, weights_in
from evalsuite.errors import InputError
from evalsuite.scorers import ScorerName
from evalsuite.weights import find, places
from evalsuite.weights.catalogue import Weights, lookup

ARCHITECTURES = {"vit-l-14": "ViT-L-14-quickgelu", "vit-l-14-336": "ViT-L-14-336-quickgelu"}
_REPOSITORY = re.compile(r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w.-]*))?", re.A)


def load(name: ScorerName, device: str = "cpu", given: Iterable[str] = ()) -> CLIPEncoder:
    """An encoder by name; the network is built when it first sees an image or a text.

    Args:
        name: of kind ``clip``.
        device: where to compute.
        given: ``NAME=PATH`` pairs of weight files.

    Raises:
        InputError: unknown, or its weights or configuration are not here.
    """
    if name.weights:
        path, known = find.ready(name.weights, given)
        return load_clip(path, known.source_sha256, ARCHITECTURES[name.network], name.rule, name.id, device)
    if _is_tagged(name.network):
        tagged = from_tag(*name.network.split(":", 1))
        path, known = find.ready(f"hf:{tagged.repo}/{tagged.file}@main", given)
        return load_clip(path, known.source_sha256, tagged.config, name.rule, name.id, device)
    folder = _folder(name.network)
    config, weights = from_file(folder / CONFIG), weights_in(folder)
    path, known = find.opened(Weights(name.network, "a network of the user's", weights.name), weights)
    return load_clip(path, known.source_sha256, config, name.rule, name.id, device)


def absent(name: ScorerName, given: Iterable[str] = ()) -> str | None:
    """One line on what is not here and how to get it; None where all is.

    Raises:
        InputError: a name that open_clip does not know, or not the name of a repository.
    """
    if _is_tagged(name.network):
        tagged = from_tag(*name.network.split(":", 1))
        entry = lookup(f"hf:{tagged.repo}/{tagged.file}@main")
        return None if find.locate(entry, given) else find.missing(entry)
    try:
        folder = _folder(name.network)
        weights_in(folder)
    except InputError as error:
        return str(error)
    return None if (folder / CONFIG).is_file() else f"{folder}: no {CONFIG}: copy it from the network's publisher"


def _is_tagged(network: str) -> bool:
    return ":" in network and not network.startswith("hf:") and "/" not in network


def _folder(network: str) -> Path:
    if not network.startswith("hf:"):
        folder = Path(network).expanduser()
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: name one with {CONFIG} and {WEIGHTS}")
        return folder
    match = _REPOSITORY.fullmatch(network)
    if match is None:
        raise InputError(f"{network!r} is no repository of the hub: write hf:owner/name or hf:owner/name@revision")
    repo, revision = match["repo"], match["revision"] or "main"
    folder = places.snapshot(repo, revision)
    if not (folder / CONFIG).is_file():
        at = f" --revision {revision}" if match["revision"] else ""
        raise InputError(
            f"CLIP {network} is not here: fetch it with `hf download {repo} {CONFIG} {WEIGHTS}{at}`,"
            " or name a folder with these files"
        )
    return folder
