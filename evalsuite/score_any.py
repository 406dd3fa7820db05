"""Which kind of folder it is that the user wants scored: a run of ours, or images made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.elsewhere import PROTOCOLS, Made, score_made
from evalsuite.errors import InputError
from evalsuite.pipeline import Outcome, rescore
from evalsuite.progress import Progress
from evalsuite.scoring import Scoring


def score_any(folder: Path, scoring: Scoring, made: Mapping[str, Any], progress: Progress) -> Outcome:
    """Score a folder.

    Args:
        folder: a run folder (it has run.json), or one with images.
        scoring: how.
        made: fields of Made, for images made elsewhere; None where they are open.
        progress: told of the stages.

    Raises:
        InputError: not a folder, or an option that its kind does not take.
    """
    given = {key: value for key, value in made.items() if value is not None}
    if (folder / "run.json").is_file():
        if given:
            flag = next(iter(given)).replace("_", "-")
            raise InputError(f"{folder} is a run folder, which knows its prompts and images: leave out --{flag}")
        return rescore(folder, scoring, progress=progress)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "is not there"
        raise InputError(f"{folder} {what}: name a run folder, or a folder of images")
    protocol = given.get("protocol")
    if protocol is not None and protocol not in PROTOCOLS:
        raise InputError(f"--protocol {protocol!r} is unknown: use {', '.join(PROTOCOLS)}")
    count = given.get("num_images")
    if count is not None and count < 1:
        raise InputError(f"--num-images is {count}: use a whole number from 1")
    return score_made(Made(folder=folder, **given), scoring, progress=progress)
