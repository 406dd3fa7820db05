"""Prompts: what a model is asked to show, where the asking comes from, and the sets that ship with us.

``load`` takes the name of a bundled set or the path of a JSONL, JSON, CSV, TSV or TXT file.
Standard library only.
"""

from prompts.library import BUNDLED, load, select
from prompts.prompt import Prompt, PromptError, PromptSet

__all__ = ["BUNDLED", "Prompt", "PromptError", "PromptSet", "load", "select"]
