"""Names that are looked up without importing what they name.

A name is either ours (a catalogue of ``module:attribute`` targets), installed by another package (an entry
point), or a ``module:attribute`` of the user's own. Nothing of it is imported before it is asked for by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError


@dataclass(frozen=True, slots=True)
class Registry:
    """The names of one kind.

    Attributes:
        kind: what a name stands for, in error messages.
        group: entry-point group that other packages add names to.
        catalog: returns our own names and their targets.
        own: whether users may write ``module:attribute`` in place of a name.
        also: what else they may write, in error messages.
        absent: returns names that would be ours, and why they are not here.
    """

    kind: str
    group: str
    catalog: Callable[[], Mapping[str, str]]
    own: bool = False
    also: str = ""
    absent: Callable[[], Mapping[str, str]] = dict

    def targets(self) -> dict[str, str]:
        """Every known name and its target; ours win over an entry point of the same name."""
        installed = {point.name: point.value for point in entry_points(group=self.group)}
        return installed | dict(self.catalog())

    def target(self, name: str) -> str:
        """Where a name leads.

        Raises:
            InputError: unknown; says the nearest name and lists all of them.
        """
        known = self.targets()
        if name in known:
            return known[name]
        if self.own and all(part.isidentifier() for part in name.replace(":", ".", 1).split(".")) and ":" in name:
            return name
        if name in (missing := self.absent()):
            raise InputError(f"{self.kind} {name!r}: {missing[name]}")
        near = get_close_matches(name, known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ";"
        own = f"{self.also}, or module:attribute of your own" if self.own else ""
        raise InputError(f"no {self.kind} {name!r}{hint} known: {', '.join(sorted(known)) or 'none'}{own}")

    def load(self, name: str) -> Any:
        """The object behind a name: a module, or its attribute.

        Raises:
            InputError: unknown name, a module that cannot be imported, or an attribute it does not have.
        """
        target = self.target(name)
        module_name, _, attribute = target.partition(":")
        if target == name:
            _make_importable(Path.cwd())
        try:
            found = import_module(module_name)
            for part in filter(None, attribute.split(".")):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise InputError(f"{self.kind} {name!r} cannot be loaded from {target}: {error}") from error
        return found


def _make_importable(folder: Path) -> None:
    """A console script, unlike ``python -m``, does not look for modules where the user stands."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _models() -> Mapping[str, str]:
    from backbones import CATALOG

    return CATALOG


def _absent_models() -> Mapping[str, str]:
    from backbones import ABSENT

    return ABSENT


def _metrics() -> Mapping[str, str]:
    from evalsuite.metrics import CATALOG

    return CATALOG


MODELS = Registry(
    "model", "evalsuite.backbones", _models, own=True, also=", a path, hf:owner/repo", absent=_absent_models
)
METRICS = Registry("metric", "evalsuite.metrics", _metrics, own=True)
PROMPTS = Registry("prompt set", "evalsuite.prompts", dict)
