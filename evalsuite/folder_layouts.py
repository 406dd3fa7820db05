"""Which file of a folder shows which prompt: by names alone, in the layouts that tools and benchmarks use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeAlias

from evalsuite.errors import InputError
from evalsuite.progress import plain
from prompts import Prompt
from prompts.published import GENEVAL_METADATA, HPDV2_STYLES, geneval_prompts, image_id

LAYOUTS = ("flat", "nested", "geneval", "hpdv2", "position", "unprompted")
_NUMBER = re.compile(r"[0-9]{1,9}")
_COUNTED = re.compile(r"(.+)[-_]([0-9]{1,9})_?")  # ComfyUI ends a name with an underscore
_HPDV2_FILE = re.compile(r"[0-9]{5}")

Files: TypeAlias = Sequence[PurePosixPath]


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that shows a prompt, or no prompt that is known; ``index`` counts the images of a prompt and size."""

    file: PurePosixPath
    prompt: Prompt | None
    index: int


class Layout(NamedTuple):
    """How a folder is arranged.

    Attributes:
        name: one of LAYOUTS.
        claims: files that show something.
        strangers: files that show no prompt of the set.
        prompts: those asked for; GenEval's own where none were; else none.
    """

    name: str
    claims: list[Claim]
    strangers: list[PurePosixPath]
    prompts: tuple[Prompt, ...]


def recognise(folder: Path, files: Files, prompts: Sequence[Prompt] | None) -> Layout:
    """The folder's layout.

    Args:
        folder: where the files are.
        files: paths within it, sorted; at least one.
        prompts: what the images show; None when it is not known.

    Raises:
        InputError: no file shows any of the prompts, or numbered files that do not fit them.
        PromptError: GenEval's metadata is damaged.
    """
    numbered = _geneval_folders(folder)
    if numbered:
        return _geneval(folder, numbered, files, prompts)
    if prompts is None:
        claims = [Claim(file, None, index) for index, file in enumerate(files)]
        return Layout("unprompted", claims, [], ())
    claims = _hpdv2(files, prompts)
    name = "hpdv2"
    if not claims:
        claims = _by_id(files, prompts)
        name = "flat" if all(len(claim.file.parts) == 1 for claim in claims) else "nested"
    if not claims:
        claims, name = _by_position(folder, files, prompts), "position"
    if not claims:
        raise InputError(
            f"{folder}: no image is named after a prompt: the first file is {plain(str(files[0]))}, the first prompt's"
            f" id {plain(prompts[0].id)!r}; name images ID.png, ID-K.png, ID_K.png or ID/K.png, or as GenEval"
            " (00000/samples/0000.png), HPDv2 (anime/00000.jpg) or by position (00000.png) do"
        )
    return Layout(name, claims, _others(files, claims), tuple(prompts))


def _others(files: Files, claims: Iterable[Claim]) -> list[PurePosixPath]:
    claimed = {claim.file for claim in claims}
    return [file for file in files if file not in claimed]


# GenEval: 00000/metadata.jsonl, 00000/samples/0000.png, 00000/grid.png


def _geneval_folders(folder: Path) -> list[str]:
    names = []
    for path in folder.iterdir():
        metadata = path / GENEVAL_METADATA
        # Links could lead out of the folder.
        if _NUMBER.fullmatch(path.name) and not path.is_symlink() and metadata.is_file() and not metadata.is_symlink():
            names.append(path.name)
    return sorted(names, key=lambda name: (int(name), name))


def _geneval(folder: Path, numbered: list[str], files: Files, prompts: Sequence[Prompt] | None) -> Layout:
    said = geneval_prompts(folder, numbered)
    shown = said if prompts is None else _asked_for(said, prompts)
    if not shown:
        assert prompts is not None
        raise InputError(
            f"{folder}: GenEval's metadata asks for other prompts: {plain(next(iter(said.values())).text)!r} is none of"
            f" those given, such as {plain(prompts[0].text)!r}; give the prompt file that the images were made from"
        )
    claims, ignored = [], set()
    for file in files:
        match file.parts:
            case (name, "samples", _) if name in shown and _NUMBER.fullmatch(file.stem):
                claims.append(Claim(file, shown[name], int(file.stem)))
            case (name, _) if name in said and file.stem == "grid":
                ignored.add(file)
    strangers = [file for file in _others(files, claims) if file not in ignored]
    return Layout("geneval", claims, strangers, tuple(said.values()) if prompts is None else tuple(prompts))


def _asked_for(said: dict[str, Prompt], prompts: Sequence[Prompt]) -> dict[str, Prompt]:
    """Folder name to the prompt of the same text: the one on the folder's own line, else the first that is free."""
    shown: dict[str, Prompt] = {}
    free = {prompt.id: prompt for prompt in prompts}
    for name, prompt in said.items():
        line = int(name)
        if line < len(prompts) and prompts[line].text == prompt.text and prompts[line].id in free:
            shown[name] = free.pop(prompts[line].id)
    by_text: dict[str, list[Prompt]] = {}
    for prompt in free.values():
        by_text.setdefault(prompt.text, []).append(prompt)
    for name, prompt in said.items():
        if name not in shown and by_text.get(prompt.text):
            shown[name] = by_text[prompt.text].pop(0)
    return shown


# HPDv2: anime/00000.jpg for prompt anime-00000


def _hpdv2(files: Files, prompts: Sequence[Prompt]) -> list[Claim]:
    ids = {prompt.id: prompt for prompt in prompts}
    claims = []
    for file in files:
        match file.parts:
            case (style, _) if style in HPDV2_STYLES and _HPDV2_FILE.fullmatch(file.stem):
                prompt = ids.get(image_id(style, int(file.stem)))
                if prompt is not None:
                    claims.append(Claim(file, prompt, 0))
    return claims


# By id: ID.png, ID-K.png, ID_K.png, ID/K.png, in any folder


class _Ids:
    """Prompts by id, whatever the case and the form of accents; a number also without its leading zeros."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._by_key = {_key(prompt.id): prompt for prompt in prompts}
        self._by_number: dict[int, list[Prompt]] = {}
        for prompt in prompts:
            if _NUMBER.fullmatch(prompt.id):
                self._by_number.setdefault(int(prompt.id), []).append(prompt)

    def find(self, text: str) -> Prompt | None:
        """The prompt of an id."""
        found = self._by_key.get(_key(text))
        if found is None and _NUMBER.fullmatch(text):
            same = self._by_number.get(int(text), [])
            found = same[0] if len(same) == 1 else None
        return found


def _key(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _by_id(files: Files, prompts: Sequence[Prompt]) -> list[Claim]:
    """Claims by the reading that shows the most prompts.

    Where ids are numbers, ``7/3.png`` is image 3 of prompt 7, or prompt 3 in a folder that is called 7.
    """
    ids = _Ids(prompts)
    readings = []
    for folder_first in (True, False):
        found = [(file, _read_name(file, ids, folder_first)) for file in files]
        readings.append([Claim(file, *named) for file, named in found if named is not None])
    return max(readings, key=lambda claims: len({claim.prompt for claim in claims}))


def _read_name(file: PurePosixPath, ids: _Ids, folder_first: bool) -> tuple[Prompt, int] | None:
    whole = file.with_name(file.stem)
    by_name = next(_exact(whole, ids), None) or next(_counted(whole, ids), None)
    by_folder = None
    if _NUMBER.fullmatch(file.stem):
        by_folder = next(((prompt, int(file.stem)) for prompt, _ in _exact(file.parent, ids)), None)
    return by_folder or by_name if folder_first else by_name or by_folder


def _exact(path: PurePosixPath, ids: _Ids) -> Iterator[tuple[Prompt, int]]:
    yield from ((prompt, 0) for prompt in map(ids.find, _endings(path)) if prompt is not None)


def _counted(path: PurePosixPath, ids: _Ids) -> Iterator[tuple[Prompt, int]]:
    for ending in _endings(path):
        match = _COUNTED.fullmatch(ending)
        prompt = ids.find(match[1]) if match is not None else None
        if match is not None and prompt is not None:
            yield prompt, int(match[2])


def _endings(path: PurePosixPath) -> Iterator[str]:
    """``a/b/c``, ``b/c``, ``c``: an id may have slashes."""
    return ("/".join(path.parts[start:]) for start in range(len(path.parts)))


# By position: 00000.png is the first prompt


def _by_position(folder: Path, files: Files, prompts: Sequence[Prompt]) -> list[Claim]:
    """Every folder of numbered images has one for each prompt, or it is refused: a guess would score wrong pairs."""
    groups: dict[PurePosixPath, list[PurePosixPath]] = {}
    for file in files:
        if _NUMBER.fullmatch(file.stem):
            groups.setdefault(file.parent, []).append(file)
    claims = []
    for parent, group in groups.items():
        where, numbers = plain(str(folder / parent)), [int(file.stem) for file in group]
        count = f"{where}: {len(group)} numbered images for {len(prompts)} prompts"
        if len(group) > len(prompts) and len(group) % len(prompts) == 0:
            raise InputError(
                f"{count}: which {len(group) // len(prompts)} show one prompt? name them ID-K.png or ID/K.png"
            )
        if len(group) != len(prompts):
            remedy = f"name each ID.png, or give the prompts ids such as {group[0].stem}"
            raise InputError(f"{count}: by position there is one for each; {remedy}")
        if sorted(numbers) != list(range(len(prompts))):
            raise InputError(
                f"{count}, from {min(numbers)} to {max(numbers)}: the first prompt's number is 0; number them from 0 to"
                f" {len(prompts) - 1}, or name each ID.png"
            )
        claims += [Claim(file, prompts[number], 0) for file, number in zip(group, numbers, strict=True)]
    return claims
