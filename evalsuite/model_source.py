"""What a model's name means, before anything of it is imported: a registered name, a factory, a file, or a hub id.

    dit                                     a registered name: ours, or an entry point of ``evalsuite.backbones``
    my.module:make                          a function of the user's own
    ./checkpoints/step-40000, model.pt      a file or folder
    hf:owner/repo[/file][@revision]         a snapshot that the hub's own tool has put on this machine

Each may end in ``?key=value&key=value``: arguments for that model alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from evalsuite.errors import InputError
from evalsuite.registry import MODELS

PREFIX = "hf:"
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Every part begins with a letter or digit; so "..", absolute paths and queries cannot come in.
_HUB = re.compile(
    r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:/(?P<file>\w[\w.-]*(?:/\w[\w.-]*)*))?(?:@(?P<revision>\w[\w.-]*(?:/\w[\w.-]*)*))?",
    re.A,
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A parsed name.

    Attributes:
        kind: ``name`` and ``factory`` are looked up in the registry, ``path`` and ``hub`` are loaded from files.
        target: the name without its arguments.
        args: what stands after ``?``.
    """

    kind: Literal["name", "factory", "path", "hub"]
    target: str
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        """Whether a loader reads it."""
        return self.kind in ("path", "hub")


def parse(name: str) -> ModelSource:
    """What a name means. A registered name wins over a folder that is called the same: write ``./dit`` for that.

    Raises:
        InputError: nothing of the kind; says the nearest name. Or arguments that are not ``key=value``.
    """
    target, mark, text = name.partition("?")
    args = arguments(text.split("&"), f"model {name!r}") if mark else {}
    if target.startswith(PREFIX):
        if _HUB.fullmatch(target) is None:
            raise InputError(f"model {name!r}: not a hub id; write hf:owner/repo, hf:owner/repo@revision")
        return ModelSource("hub", target, args)
    if target not in MODELS.targets() and _is_path(target):
        return ModelSource("path", target, args)
    return ModelSource("factory" if MODELS.target(target) == target else "name", target, args)


def arguments(pairs: Iterable[str], where: str) -> dict[str, str]:
    """``key=value`` texts as a mapping.

    Args:
        pairs: such as ``("vae=./vae", "guidance_channels=3")``.
        where: for the error message.

    Raises:
        InputError: one is no pair, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not _KEY.fullmatch(key) or key in found:
            wrong = "names a key twice" if key in found else "is no argument"
            raise InputError(f"{where}: {pair!r} {wrong}: write key=value")
        found[key] = value
    return found


def locate(source: ModelSource) -> Path:
    """The file or folder that a path or hub source stands for; nothing is downloaded.

    Raises:
        InputError: it is not on this machine; for a hub id with the command that fetches it.
    """
    if source.kind == "hub":
        return _snapshot(source.target)
    path = Path(source.target).expanduser()
    if not _exists(path):
        raise InputError(f"model {source.target!r}: no such file or folder: correct the path")
    return path


def labels(models: Sequence[str]) -> dict[str, str]:
    """Short names for people, one for each model: a path's last part, a repository without its owner.

    Where two would be the same, both keep the name that was given. The given name stays the model's identity.
    """
    short = {name: _label(name) for name in models}
    taken = list(short.values())
    return {name: label if taken.count(label) == 1 else name for name, label in short.items()}


def _label(name: str) -> str:
    target = name.partition("?")[0]
    if target.startswith(PREFIX):
        owner_and_repo, _, revision = target.removeprefix(PREFIX).partition("@")
        repo = owner_and_repo.partition("/")[2]
        return f"{repo}@{revision[:8]}" if revision else repo
    if os.sep not in target and not target.endswith(SUFFIXES):
        return target
    last = Path(target).name
    return (last.rpartition(".")[0] if last.endswith(SUFFIXES) else last) or target


def _is_path(target: str) -> bool:
    return os.sep in target or target in (".", "..") or target.endswith(SUFFIXES) or _exists(Path(target))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # such as a name that is too long
        return False


def _snapshot(target: str) -> Path:
    from evalsuite.weights import places

    match = _HUB.fullmatch(target)
    assert match is not None  # parse has looked
    repo, file, revision = match["repo"], match["file"], match["revision"]
    path = places.snapshot(repo, revision or "main") / (file or "")
    if not _exists(path):
        words = " ".join([repo, *filter(None, [file]), *(["--revision", revision] if revision else [])])
        raise InputError(
            f"model {target!r} is not on this machine: fetch it with `huggingface-cli download {words}`"
            " (`hf download` in newer versions), with HF_HOME and HF_HUB_CACHE as they are now"
        )
    return path
