"""Python and the packages, against the ranges that the installed evalsuite declares."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from evalsuite.doctor.checks import Check

OWN = "evalsuite"
FOR_US = ("test", "train")
"""Extras of who works on evalsuite itself."""
IMPORTED = ("numpy", "PIL", "torch", "torchvision", "torchmetrics", "open_clip", "safetensors", "pandas", "matplotlib")
"""Those that are compiled, or that break when they do not fit each other."""


def check_packages(installed: Callable[[str], str | None] | None = None) -> list[Check]:
    """Python, what is required, what is optional, and whether the large packages can be imported at all.

    Args:
        installed: name of a package to its version or None; by default those of this Python.
    """
    find = installed or _version
    try:
        about = metadata(OWN)
    except PackageNotFoundError:
        remedy = "pip install evalsuite, or `pip install -e .` in its folder"
        return [Check("packages", "warn", "evalsuite is not installed, so its requirements are unknown", remedy)]
    python = check_python(str(about["Requires-Python"] or ""), platform.python_version())
    needed = [Requirement(text) for text in about.get_all("Requires-Dist") or ()]
    return [python, *check_required(needed, find), *check_imports(IMPORTED), *check_extras(needed, find)]


def check_python(declared: str, found: str) -> Check:
    """Whether a version of Python is in the declared range, such as ``>=3.11``."""
    if SpecifierSet(declared).contains(found, prereleases=True):
        return Check("python", "ok", found)
    return Check("python", "fail", f"{found} is not {declared}", f"install Python {declared} and evalsuite in it")


def check_required(needed: Iterable[Requirement], find: Callable[[str], str | None]) -> list[Check]:
    """A line for all packages that fit, and one for each that does not."""
    own = [one for one in needed if not _extra(one) and (one.marker is None or one.marker.evaluate())]
    misfits = {one.name: _misfit(one, find(one.name)) for one in own}
    fitting = [f"{one.name} {find(one.name)}" for one in own if not misfits[one.name]]
    checks = [Check("packages", "ok", ", ".join(fitting))] if fitting else []
    return checks + [
        Check(one.name, "fail", misfits[one.name], f"pip install {_quoted(one)}") for one in own if misfits[one.name]
    ]


def check_imports(names: Sequence[str]) -> list[Check]:
    """A line for each package that cannot be imported, with its reason."""
    faults = []
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # whatever a broken installation raises
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            remedy = "reinstall it, with torch and torchvision of one release"
            faults.append(Check(f"import {name}", "fail", reason, remedy))
    return faults or [Check("imports", "ok", f"{len(names)} packages can be imported")]


def check_extras(needed: Iterable[Requirement], find: Callable[[str], str | None]) -> list[Check]:
    """A line for each optional part: there, not there, or there and out of its range."""
    groups: dict[str, list[Requirement]] = {}
    for one in needed:
        if (extra := _extra(one)) and extra not in FOR_US:
            groups.setdefault(extra, []).append(one)
    return [_extra_check(extra, group, find) for extra, group in sorted(groups.items())]


def _extra_check(extra: str, group: Sequence[Requirement], find: Callable[[str], str | None]) -> Check:
    versions: Mapping[str, str | None] = {one.name: find(one.name) for one in group}
    remedy = f"pip install 'evalsuite[{extra}]'"
    missing = [name for name, found in versions.items() if found is None]
    misfits = [words for one in group if versions[one.name] and (words := _misfit(one, versions[one.name]))]
    if misfits:
        return Check(f"extra {extra}", "warn", "; ".join(misfits), remedy)
    if missing:
        return Check(f"extra {extra}", "info", f"not installed: {', '.join(missing)}", remedy)
    return Check(f"extra {extra}", "ok", ", ".join(f"{name} {found}" for name, found in versions.items()))


def _extra(one: Requirement) -> str:
    """The extra that a requirement belongs to; empty for none."""
    if one.marker is None or one.marker.evaluate({"extra": ""}):
        return ""
    words = str(one.marker).replace("'", '"').split('extra == "')
    return words[1].partition('"')[0] if len(words) > 1 else ""


def _misfit(one: Requirement, found: str | None) -> str:
    if found is None:
        return f"{one.name} is not installed"
    return "" if one.specifier.contains(found, prereleases=True) else f"{one.name} {found} is not {one.specifier}"


def _quoted(one: Requirement) -> str:
    return f"'{one.name}{one.specifier}'"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
