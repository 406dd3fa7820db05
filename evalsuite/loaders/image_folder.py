"""A folder of images that a model made elsewhere, in the place of that model: its images are copied, none is made."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

import torch
from PIL import Image
from torch import Tensor

from backbones.checkpoint import sha256_of
from backbones.protocol import Condition, PathSettings
from backbones.sampler import Step
from evalsuite.errors import InputError
from evalsuite.folder import FolderImage, read_folder
from evalsuite.images import BadImage, find_images, read_rgb
from evalsuite.loaders.arguments import known_args
from evalsuite.plan import Unit
from evalsuite.progress import plain
from evalsuite.records import Picture
from evalsuite.spec import RunSpec, size_of
from prompts import Prompt

COARSEST = 64  # pixels: the largest stride
LISTED = 3  # sizes in a message
Place = tuple[str, int, int, int]  # prompt id, width, height, index from 0


class ImageFolder:
    """Implements `TextToImage` as far as a plan needs it; `evalsuite.painter.Painter` asks for `pictures` instead.

    Its images have no trace, so what is read off sampling paths has no number. Sampler, steps, guidance and seeds of
    the run say nothing of them.

    Args:
        folder: in one of the layouts of evalsuite.folder_layouts.
        name: as reports show it.
    """

    samplers = ("copied",)
    shift = None

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        files = find_images(folder)
        self.stride = _stride(files)
        listed = [f"{file.relative_to(folder).as_posix()} {sha256_of(file)}\n" for file in files]
        self.fingerprint = hashlib.sha256("".join(listed).encode()).hexdigest()
        self._files: dict[Place, FolderImage] = {}

    def match(self, prompts: Sequence[Prompt]) -> None:
        """Find out which image shows which prompt; every image is decoded once.

        Args:
            prompts: of the run, in their order.

        Raises:
            InputError: no image shows any of them, or two files are one image; see `read_folder`.
        """
        found: dict[tuple[str, int, int], list[FolderImage]] = defaultdict(list)
        for image in read_folder(self.folder, prompts).entries:
            if image.prompt is not None and image.status in ("ok", "constant"):
                found[image.prompt.id, image.width, image.height].append(image)
        self._files = {
            (*key, index): image
            for key, images in found.items()
            for index, image in enumerate(sorted(images, key=lambda image: image.index))
        }

    def check_run(self, prompts: Sequence[Prompt], spec: RunSpec) -> None:
        """Refuse a run that asks for images which the folder does not have.

        Raises:
            InputError: says how many are missing, the first of them, and which sizes there are.
        """
        sizes = [size_of(aspect, spec.pixels, self.stride) for aspect in spec.aspects]
        wanted = [(prompt.id, *size, index) for prompt in prompts for size in sizes for index in range(spec.num_images)]
        missing = [place for place in wanted if place not in self._files]
        if not missing:
            return
        id, width, height, index = missing[0]
        there = Counter(place[1:3] for place in self._files).most_common(LISTED)
        kinds = ", ".join(f"{count} of {w}x{h}" for (w, h), count in there)
        raise InputError(
            f"model {self.folder}: has no sound image for {len(missing)} of {len(wanted)} that this run asks for, first"
            f" {index} of prompt {plain(id)!r} at {width}x{height}; it has {kinds or 'none'}: choose --aspects and"
            " --pixels to suit, or score the folder as it is with `evalsuite score`"
        )

    def pictures(self, unit: Unit) -> list[Picture]:
        """The images of a unit's jobs, in their order.

        Raises:
            InputError: one is not there, or is no longer what it was.
        """
        found = []
        for job in unit.jobs:
            image = self._files.get((job.prompt_id, job.width, job.height, job.index))
            if image is None or image.file is None:
                raise InputError(f"model {self.folder}: no image for {job.id}: make it, or choose fewer prompts")
            try:
                rgb = read_rgb(image.file)
            except BadImage as error:
                raise InputError(f"{image.file}: {error}; it was sound when the run began") from error
            found.append(Picture("constant" if image.status == "constant" else "ok", rgb, None))
        return found

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Refuse: there is no network."""
        self._refuse()

    def encode(self, texts: Sequence[str]) -> Condition:
        """Refuse: there is no network."""
        self._refuse()

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Refuse: there is no network."""
        self._refuse()

    def decode(self, latents: Tensor) -> Tensor:
        """Refuse: there is no network."""
        self._refuse()

    def path(self, noise: Tensor, condition: Condition, null: Condition, settings: PathSettings) -> Iterator[Step]:
        """Refuse: there is no network."""
        self._refuse()

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return nothing: what the model understood is not known."""
        return ()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Return the same: there are no weights."""
        return self

    def _refuse(self) -> NoReturn:
        raise InputError(f"model {self.folder} is a folder of images, which can only be scored and compared")


def load(path: Path, args: Mapping[str, str]) -> ImageFolder:
    """A folder of images; see `evalsuite.loaders`. It takes no arguments."""
    known_args(args, (), path)
    return ImageFolder(path, path.resolve().name)


def _stride(files: Sequence[Path]) -> int:
    """The largest number, up to 64, that divides the sides of every image: a plan's sizes are multiples of it."""
    stride = COARSEST
    for file in files:
        try:
            with Image.open(file) as image:  # the header alone
                stride = math.gcd(stride, *image.size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            continue  # `match` says what is wrong with it
    return stride
