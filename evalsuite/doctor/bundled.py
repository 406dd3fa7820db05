"""What travels with the package, byte for byte; and which published weights are on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import backbones
from evalsuite import encoders
from evalsuite.doctor.checks import Check
from evalsuite.encoders.bundle import sha256
from evalsuite.errors import InputError
from evalsuite.images import find_images
from evalsuite.reference_images import PICTURES
from prompts import BUNDLED, PromptError, load

FOLDERS = tuple(Path(package.__file__ or "").parent / "weights" for package in (backbones, encoders))
REINSTALL = "reinstall evalsuite"


def check_bundled(given: Sequence[str] = ()) -> list[Check]:
    """Weights and data of the package, then published weights.

    Args:
        given: ``NAME=PATH`` pairs of weight files.
    """
    return [*check_weights(FOLDERS), *check_scorer(), check_prompts(), *check_published(given)]


def check_weights(folders: Sequence[Path]) -> list[Check]:
    """A line for all weight files that are those on their cards, and one for each that is not."""
    faults, count, size = [], 0, 0
    for folder in folders:
        cards = sorted(folder.glob("*.json"))
        if not cards:
            faults.append(Check("bundled weights", "fail", f"{folder} has no weights", REINSTALL))
        for card in cards:
            path = card.with_suffix(".safetensors")
            try:
                data, expected = path.read_bytes(), json.loads(card.read_text(encoding="utf-8"))["sha256"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                reason = error.strerror if isinstance(error, OSError) else type(error).__name__
                faults.append(Check(f"weights {card.stem}", "fail", f"{path}: cannot be read ({reason})", REINSTALL))
                continue
            found = sha256(data)
            if found != expected:
                words = f"{path}: sha256 {found[:12]} is not its card's {str(expected)[:12]}"
                faults.append(Check(f"weights {card.stem}", "fail", words, REINSTALL))
            count, size = count + 1, size + len(data)
    return faults or [
        Check("bundled weights", "ok", f"{count} files, {size / 1e6:.0f} MB, each with its card's sha256")
    ]


def check_scorer() -> list[Check]:
    """Whether the scorer loads, and its reference is its own."""
    from evalsuite.encoders import preference, scenes
    from evalsuite.reference import load_reference

    try:
        encoder, reference = scenes.load(), load_reference()
        preference.load()
    except InputError as error:
        return [Check("bundled scorer", "fail", str(error), REINSTALL)]
    pictures = len(find_images(PICTURES))
    if not reference.made_by(encoder.id, encoder.fingerprint):
        words = f"its reference was made by {reference.extractor} {reference.fingerprint[:12]}, it is"
        return [Check("bundled scorer", "fail", f"{words} {encoder.fingerprint[:12]}", REINSTALL)]
    if not pictures:
        return [Check("bundled scorer", "fail", f"{PICTURES} has no reference pictures", REINSTALL)]
    behind = sum(moments.n for moments in reference.aspects.values())
    return [
        Check("bundled scorer", "ok", f"loads; its reference is of {behind} renders, {pictures} of them as pictures")
    ]


def check_prompts() -> Check:
    """Whether every prompt set of the package can be read."""
    faults, counts = [], {}
    for name in BUNDLED:
        try:
            counts[name] = len(load(name).prompts)
        except (PromptError, OSError) as error:
            faults.append(f"{name}: {error}")
    if faults:
        return Check("prompt sets", "fail", "; ".join(faults), REINSTALL)
    return Check("prompt sets", "ok", ", ".join(f"{name} {count}" for name, count in counts.items()))


def check_published(given: Sequence[str] = ()) -> list[Check]:
    """A line for each published file that is here, and one for all that are not."""
    from evalsuite.weights import find
    from evalsuite.weights.catalogue import lookup, said

    checks, absent = [], []
    for entry in map(lookup, find.names()):
        try:
            path = find.locate(entry, given)
        except InputError as error:
            checks.append(Check(f"weights {entry.name}", "fail", str(error), "correct EVALSUITE_WEIGHTS or --weights"))
            continue
        if path is None:
            absent.append(f"{entry.name} ({said(entry.size)})")
        else:
            remedy = f"`evalsuite weights verify {entry.name}` reads it in full"
            checks.append(Check(f"weights {entry.name}", "ok", f"{path}, {said(path.stat().st_size)}", remedy))
    if absent:
        remedy = "`evalsuite weights fetch NAME`, for published metrics"
        checks.append(Check("published weights", "info", f"not here: {', '.join(absent)}", remedy))
    return checks
