"""Published sets whose folders and file names say something that the files themselves do not.

HPDv2 is a folder of one JSON list per style, DPG-Bench one of a text file per prompt, T2I-CompBench a text file per
category. GenEval's own script writes each prompt beside its images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from prompts import readers
from prompts.prompt import Entry, Prompt, PromptError, make_prompt, make_set, printable

HPDV2_STYLES = ("anime", "concept-art", "paintings", "photo")
GENEVAL_METADATA = "metadata.jsonl"
_COMPBENCH = re.compile(
    r"(3d_spatial|color|complex|non_spatial|numeracy|shape|spatial|texture)_(?:train|val)\.txt", re.IGNORECASE
)
_NOT_PROMPTS = ("readme", "license")


def read(path: Path) -> list[Entry]:
    """Entries of a file, or of a folder as HPDv2 and DPG-Bench have it.

    Raises:
        PromptError: neither, or a file that breaks a rule.
    """
    if path.suffix.lower() in readers.READERS or not path.is_dir():
        return _tagged(path, readers.read(path))
    return _styles(path) or _one_a_file(path)


def image_id(style: str, number: int) -> str:
    """Id of an HPDv2 prompt, counted from 0 within its style: image ``anime/00012.jpg`` shows ``anime-00012``."""
    return f"{style}-{number:05d}"


def geneval_prompts(folder: Path, names: Iterable[str]) -> dict[str, Prompt]:
    """Prompts of the numbered folders that GenEval's script fills; ids are those of its own prompt file.

    Args:
        folder: what the script was given as its output folder.
        names: of the numbered folders in it, in order; each has a ``metadata.jsonl``.

    Raises:
        PromptError: a metadata file that does not hold one prompt.
    """
    entries = []
    for name in names:
        path = folder / name / GENEVAL_METADATA
        found = readers.read(path)
        if len(found) != 1:
            raise PromptError(f"{printable(path)}: {len(found)} prompts; GenEval has one beside its images")
        entries += found
    prompts = make_set("geneval", str(folder), readers.with_own_ids(entries)).prompts
    return dict(zip(names, prompts, strict=True))


def _tagged(path: Path, entries: list[Entry]) -> list[Entry]:
    """T2I-CompBench tells a prompt's category by its file's name alone."""
    match = _COMPBENCH.fullmatch(path.name)
    if match is None:
        return entries
    tag = match[1].lower()
    return [entry._replace(prompt=replace(entry.prompt, tags=(*entry.prompt.tags, tag))) for entry in entries]


def _styles(folder: Path) -> list[Entry]:
    entries = []
    for style in HPDV2_STYLES:
        path = folder / f"{style}.json"
        if path.exists():
            for number, entry in enumerate(readers.read(path)):
                prompt = Prompt(image_id(style, number), entry.prompt.text, tags=(style,))
                entries.append(Entry(entry.place, prompt, named=True))
    return entries


def _one_a_file(folder: Path) -> list[Entry]:
    where = printable(folder)
    paths = sorted(path for path in _files(folder) if path.suffix.lower() == ".txt")
    if not paths:
        styles = ", ".join(f"{style}.json" for style in HPDV2_STYLES)
        raise PromptError(f"{where}: a folder without prompts; name a file, or a folder of {styles} or of .txt files")
    texts = {path: readers.decode(path).strip() for path in paths}
    lists = [path for path, text in texts.items() if "\n" in text]
    if 2 * len(lists) > len(texts):
        raise PromptError(
            f"{where}: {printable(lists[0].name)} has several lines, but a folder of .txt files is one prompt a file;"
            " name the one file to use"
        )
    entries = []
    for path, text in texts.items():
        entries.append(Entry(printable(path), make_prompt(printable(path), path.stem, text, None, ()), named=True))
    return entries


def _files(folder: Path) -> list[Path]:
    try:
        names = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise PromptError(f"{printable(folder)}: cannot be read ({error.strerror}); check its rights") from None
    return [path for path in names if path.stem.lower() not in _NOT_PROMPTS]
