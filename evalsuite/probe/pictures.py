"""Which pictures a bank shows, with which captions, and their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from evalsuite.errors import InputError
from evalsuite.folder import FolderImage, read_folder
from evalsuite.images import BadImage, Pixels, read_rgb
from evalsuite.prepare import prompt_set
from evalsuite.probe.spec import NO_CAPTIONS, Recipe
from evalsuite.progress import Progress, plain
from evalsuite.records import pixel_sha256
from evalsuite.reference_images import PICTURES
from prompts import Prompt

CAPTIONS = "captions.jsonl"
"""Beside the pictures of the package: a prompt file whose ids are their names."""


class Picture(NamedTuple):
    """A picture as the models are shown it."""

    id: str  # its path within the folder
    caption: str | None
    width: int  # pixels
    height: int
    pixel_sha256: str  # of size and RGB bytes
    rgb: Pixels  # (H, W, 3) uint8


def chosen(recipe: Recipe, progress: Progress) -> list[Picture]:
    """The pictures of a bank: as many as asked for, from every size in turn, in the order of their names.

    Raises:
        InputError: no such folder, no images, too few, a corrupt one, or prompts that do not match.
    """
    folder = PICTURES if recipe.data is None else Path(recipe.data)
    prompts = _prompts(recipe, progress)
    found = read_folder(folder, prompts, progress=progress)
    if bad := [image for image in found.entries if image.status == "corrupt"]:
        raise InputError(f"{bad[0].file}: {bad[0].reason}; {len(bad)} images are corrupt: remove them")
    there = [image for image in found.entries if image.file is not None]
    if len(there) < recipe.images:
        shows = "" if prompts is None else " that show one of the prompts"
        raise InputError(f"{folder}: has {len(there)} images{shows}, {recipe.images} are asked for: use --images")
    with_captions = recipe.prompts != NO_CAPTIONS
    return [_picture(image, folder, recipe.size, with_captions) for image in _in_turn(there)[: recipe.images]]


def as_tensor(pictures: Iterable[Picture]) -> Tensor:
    """Pictures of one size as (B, 3, H, W), fp32 in [0, 1]."""
    stacked = torch.from_numpy(np.stack([picture.rgb for picture in pictures]))  # (B, H, W, 3)
    return stacked.permute(0, 3, 1, 2).float() / 255


def fitted(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture scaled to cover (width, height), its centre cut out: Pillow's bicubic, which antialiases."""
    width, height = size
    image = Image.fromarray(rgb)
    scale = max(width / image.width, height / image.height)
    inner = (width / scale, height / scale)
    left, top = (image.width - inner[0]) / 2, (image.height - inner[1]) / 2
    box = (left, top, left + inner[0], top + inner[1])
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))


def _prompts(recipe: Recipe, progress: Progress) -> Sequence[Prompt] | None:
    if recipe.prompts is not None and recipe.prompts != NO_CAPTIONS:
        return prompt_set(recipe.prompts, progress).prompts
    if recipe.data is None:
        return prompt_set(str(PICTURES / CAPTIONS), progress).prompts
    return None


def _picture(image: FolderImage, folder: Path, size: tuple[int, int] | None, with_caption: bool) -> Picture:
    assert image.file is not None
    try:
        rgb = read_rgb(image.file)
    except BadImage as error:
        raise InputError(f"{image.file}: {error}; it was sound a moment ago") from error
    rgb = rgb if size is None else fitted(rgb, size)
    caption = image.prompt.text if with_caption and image.prompt is not None else None
    name = plain(image.file.relative_to(folder).as_posix())
    return Picture(name, caption, rgb.shape[1], rgb.shape[0], pixel_sha256(rgb), np.ascontiguousarray(rgb))


def _in_turn(images: Sequence[FolderImage]) -> list[FolderImage]:
    """The first of every size, the second of every size, and so on: any number of them is as mixed as can be."""
    groups: dict[tuple[int, int], list[FolderImage]] = {}
    for image in images:
        groups.setdefault((image.width, image.height), []).append(image)
    rounds = zip_longest(*(groups[size] for size in sorted(groups)))
    return [image for image in chain.from_iterable(rounds) if image is not None]
