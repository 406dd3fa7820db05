"""A folder of images that any tool has made, as the images that should be there: found, missing, damaged or strange."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from evalsuite.errors import InputError
from evalsuite.folder_layouts import Claim, recognise
from evalsuite.images import SUFFIXES, BadImage, find_images, read_rgb
from evalsuite.progress import Progress, Silent, plain
from evalsuite.read_ahead import readers
from evalsuite.records import pixel_sha256
from prompts import Prompt, PromptError


@dataclass(frozen=True, slots=True)
class FolderImage:
    """An image that should be there.

    Attributes:
        prompt: what it shows, or None when no prompts are known.
        index: as its name has it, which of the images of this prompt and size; without prompts, its place in the list.
        file: None when missing.
        width: pixels; 0 when corrupt, or missing where the sizes are mixed.
        height: likewise.
        pixel_sha256: of size and RGB bytes; None when there are no pixels.
        status: ``constant`` when all pixels agree.
        reason: why it is not ok, in a few words; empty when it is.
    """

    prompt: Prompt | None
    index: int
    file: Path | None
    width: int
    height: int
    pixel_sha256: str | None
    status: Literal["ok", "missing", "corrupt", "constant"]
    reason: str


@dataclass(frozen=True, slots=True)
class FolderImages:
    """What a folder holds.

    Attributes:
        entries: by prompt in their order, then index and size; without prompts, by path.
        strangers: images that show none of the prompts, and links that lead to no image within the folder: paths
            within it, made printable, sorted.
        layout: one of evalsuite.folder_layouts.LAYOUTS.
        prompts: those asked for; GenEval's own where none were and the folder has them; else none.
    """

    entries: tuple[FolderImage, ...]
    strangers: tuple[str, ...]
    layout: str
    prompts: tuple[Prompt, ...]


def read_folder(
    folder: Path,
    prompts: Sequence[Prompt] | None,
    *,
    num_images: int | None = None,
    progress: Progress | None = None,
) -> FolderImages:
    """Find, match and decode every PNG, JPEG and WebP below a folder. Hidden names are left out.

    Links to files within the folder are followed, others are not. Each prompt should have ``num_images`` of every size
    that most of the prompts have; what it has fewer is missing.

    Args:
        folder: of images made by any tool, in one of evalsuite.folder_layouts.LAYOUTS.
        prompts: what the images show; None when that is not known.
        num_images: of each prompt and size; None means as many as the prompt that has most of them.
        progress: told of every image.

    Raises:
        InputError: not a folder, no images, none that shows a prompt, two files for one image, or more images of a
            prompt than ``num_images``.
    """
    if prompts is not None and not prompts:
        raise InputError(f"{folder}: no prompts to match its images with; give at least one, or none at all")
    if num_images is not None and num_images < 1:
        raise InputError(f"{folder}: {num_images} images of each prompt; say 1 or more")
    files, lost = _files(folder)
    try:
        layout = recognise(folder, files, prompts)
    except PromptError as error:
        raise InputError(str(error)) from error
    found = list(_read(folder, layout.claims, progress or Silent()))
    _refuse_twice(folder, found)
    entries = found + _missing(folder, layout.prompts, found, num_images)
    if layout.prompts:
        place = {prompt.id: number for number, prompt in enumerate(layout.prompts)}
        entries.sort(key=lambda e: (place[_id(e)], e.index, e.width, e.height, str(e.file)))
    strangers = sorted(plain(str(path)) for path in [*layout.strangers, *lost])
    return FolderImages(tuple(entries), tuple(strangers), layout.name, layout.prompts)


def _files(folder: Path) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Paths within the folder, sorted: of its images, and of links that lead to none within it."""
    if not folder.is_dir():
        raise InputError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; check the path")
    root = Path(os.path.realpath(folder))
    files: list[PurePosixPath] = []
    lost: list[PurePosixPath] = []
    for path in find_images(folder):
        inside = PurePosixPath(path.relative_to(folder).as_posix())
        leads = Path(os.path.realpath(path)) if path.is_symlink() else None
        good = leads is None or (leads.is_relative_to(root) and leads.is_file())
        (files if good else lost).append(inside)
    if not files:
        links = f", only {len(lost)} links that lead out of it or nowhere: copy what they lead to" if lost else ""
        raise InputError(f"{folder}: no images in it{links}; they end in {', '.join(SUFFIXES)}")
    return files, lost


def _read(folder: Path, claims: Sequence[Claim], progress: Progress) -> Iterator[FolderImage]:
    progress.start("read images", len(claims))
    pool = ThreadPoolExecutor(readers())
    try:
        for image in pool.map(lambda claim: _decoded(folder, claim), claims):
            progress.advance()
            yield image
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for thousands of images


def _decoded(folder: Path, claim: Claim) -> FolderImage:
    file = folder / claim.file
    try:
        rgb = read_rgb(file)
    except BadImage as error:
        return FolderImage(claim.prompt, claim.index, file, 0, 0, None, "corrupt", plain(str(error)))
    height, width, _ = rgb.shape
    image = FolderImage(claim.prompt, claim.index, file, width, height, pixel_sha256(rgb), "ok", "")
    constant = (rgb[0] == rgb[0, 0]).all() and (rgb == rgb[0, 0]).all()  # the first row tells nearly all apart
    return replace(image, status="constant", reason="all pixels agree") if constant else image


def _refuse_twice(folder: Path, images: Sequence[FolderImage]) -> None:
    seen: dict[tuple[str, int, int, int], FolderImage] = {}
    for image in images:
        if image.prompt is None or not image.width:
            continue
        other = seen.setdefault((image.prompt.id, image.index, image.width, image.height), image)
        if other is not image:
            names = " and ".join(plain(str(one.file.relative_to(folder))) for one in (other, image) if one.file)
            raise InputError(
                f"{folder}: {names} are both image {image.index} of prompt {plain(image.prompt.id)!r} at"
                f" {image.width}x{image.height}; keep one of them"
            )


def _missing(
    folder: Path, prompts: Sequence[Prompt], found: Sequence[FolderImage], num_images: int | None
) -> list[FolderImage]:
    """Entries for the images that each prompt lacks; their places are the first free ones."""
    if not prompts:
        return []
    places: dict[str, list[tuple[int, int, int]]] = {}
    for image in found:
        places.setdefault(_id(image), []).append((image.index, image.width, image.height))
    each, sizes = _expected(folder, places, num_images)
    first = min((index for own in places.values() for index, _, _ in own), default=0)
    slots = [(index, *size) for index in range(first, first + each) for size in sizes]
    missing = []
    for prompt in prompts:
        own = places.get(prompt.id, [])
        reason = f"{len(own)} of {len(slots)} images" if own else "no image"
        damaged = {index for index, width, _ in own if not width}
        free = sorted((slot for slot in slots if slot not in own), key=lambda slot: slot[0] in damaged)
        for index, width, height in free[: max(0, len(slots) - len(own))]:
            missing.append(FolderImage(prompt, index, None, width, height, None, "missing", reason))
    return missing


def _expected(
    folder: Path, places: dict[str, list[tuple[int, int, int]]], num_images: int | None
) -> tuple[int, list[tuple[int, int]]]:
    """Images of each prompt and size, and the sizes that most prompts have; 0x0 where none is so common."""
    counts = Counter((own, width, height) for own, images in places.items() for _, width, height in images if width)
    prompts = Counter((width, height) for _, width, height in counts)
    sizes = sorted(size for size in prompts if 2 * prompts[size] > len(places)) or [(0, 0)]
    if num_images is None:
        return max(counts.values(), default=1), sizes
    for (own, width, height), count in counts.items():
        if count > num_images:
            raise InputError(
                f"{folder}: prompt {plain(own)!r} has {count} images of {width}x{height}, {num_images} expected;"
                " correct that number, or take the others away"
            )
    return num_images, sizes


def _id(image: FolderImage) -> str:
    assert image.prompt is not None
    return image.prompt.id
