"""A prompt set from code; one that is a file needs no package: `evalsuite run --prompts FILE`."""

from __future__ import annotations

from importlib import resources

import prompts
from prompts import PromptSet


def weather() -> PromptSet:
    """Return four prompts; the file could as well be made here."""
    with resources.as_file(resources.files("evalsuite_example") / "weather.jsonl") as path:
        return prompts.load(str(path))
