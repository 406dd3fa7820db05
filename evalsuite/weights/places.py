"""Where weight files may lie, and where they may come from: what the environment and the options say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.weights.catalogue import Weights, lookup
from evalsuite.weights.record import beside

VARIABLE = "EVALSUITE_WEIGHTS"
_HUB = "https://huggingface.co"


def cache() -> Path:
    """Our own folder: ``weights`` under EVALSUITE_CACHE, or under the hub's folder for other packages' files."""
    own = os.environ.get("EVALSUITE_CACHE")
    return (Path(own).expanduser() if own else _hub_home() / "assets" / "evalsuite") / "weights"


def endpoint() -> str:
    """The hub, or the mirror that HF_ENDPOINT names."""
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def offline() -> str | None:
    """The variable that forbids downloads, or None."""
    yes = {"1", "on", "yes", "true"}
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((name for name in names if os.environ.get(name, "").lower() in yes), None)


def chosen(given: Iterable[str]) -> Mapping[str, Path]:
    """Files by name, from ``NAME=PATH`` options and, where no option names one, from EVALSUITE_WEIGHTS.

    Raises:
        InputError: not NAME=PATH, or an unknown name.
    """
    variable = os.environ.get(VARIABLE, "")
    pairs = [] if _folder() is not None else [part for part in variable.split(",") if part.strip()]
    return dict(_pair(text, VARIABLE) for text in pairs) | dict(_pair(text, "--weights") for text in given)


def candidates(entry: Weights) -> Iterator[Path]:
    """Where a file that nobody pointed at may be, best first; some of these exist."""
    folder = _folder()
    if folder is not None:
        yield folder / f"{entry.stem}.safetensors"
        if entry.sha256 is not None:  # else any file of such a name, and there are many, would be trusted
            yield folder / Path(entry.file).name
    ours = cache() / f"{entry.stem}.safetensors"
    if beside(ours).is_file():  # a file of ours is one that we vouch for; deleting its record is forgetting it
        yield ours
    if entry.repo is not None and entry.revision is not None:
        # Another package may have fetched it: 2 GB are not fetched twice.
        yield snapshot(entry.repo, entry.revision) / entry.file
    else:
        yield _torch_home() / "hub" / "checkpoints" / entry.file


def snapshot(repo: str, revision: str) -> Path:
    """Where huggingface_hub keeps a revision of a repository ``owner/name``: a commit, a tag or a branch."""
    folder = _hub_cache() / f"models--{repo.replace('/', '--')}"
    try:
        commit = (folder / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        commit = revision
    return folder / "snapshots" / (commit if re.fullmatch(r"[0-9a-f]{40}", commit) else revision)


def _folder() -> Path | None:
    """EVALSUITE_WEIGHTS when it is a folder: a path with a comma or an equals sign in it stays one path."""
    variable = os.environ.get(VARIABLE, "")
    return Path(variable).expanduser() if variable and Path(variable).expanduser().is_dir() else None


def _pair(text: str, where: str) -> tuple[str, Path]:
    name, sign, path = text.strip().partition("=")
    if not (name and sign and path):
        folder = ", or a folder that exists" if where == VARIABLE else ""
        raise InputError(f"{where} {text!r} names no file: write NAME=PATH{folder}, such as hps@v2.1=/data/hps.pt")
    return lookup(name).name, Path(path).expanduser()


def _home(variable: str, *rest: str) -> Path:
    named = os.environ.get(variable)
    user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(named) if named else Path(user, *rest)).expanduser()


def _hub_home() -> Path:
    return _home("HF_HOME", "huggingface")


def _hub_cache() -> Path:
    named = os.environ.get("HF_HUB_CACHE")
    return Path(named).expanduser() if named else _hub_home() / "hub"


def _torch_home() -> Path:
    return _home("TORCH_HOME", "torch")
