"""Features of pictures while they are in memory, so that scoring reads none of their files again.

A picture is looked at as the bytes that its file holds, in passes of the one shape that scoring has. So a row is the
same bit for bit, whether it was taken here, by another process, or later from the file; what is missing later is taken
from the files.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from pathlib import Path

import numpy as np
import torch

from evalsuite.encoders.cache import keep_rows
from evalsuite.encoders.features import IMAGES_PER_FILE, encoded, image_folder, images_per_pass
from evalsuite.encoders.protocol import ImageEncoder
from evalsuite.encoders.scorer import load_encoder
from evalsuite.files import refuse_link
from evalsuite.generate import is_lack
from evalsuite.memory import free_bytes
from evalsuite.metric_names import parse
from evalsuite.metrics.base import Array
from evalsuite.progress import Progress
from evalsuite.records import Picture, Pixels, pixel_sha256
from evalsuite.scorers import ScorerName
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from evalsuite.weights.catalogue import lookup

LARGEST = 2 * 10**9
"""Bytes of weights of a network whose size the catalogue does not tell: those of HPSv2."""
PASS = 2 * 10**9
"""Bytes that a forward pass may take beside the weights."""
SHARE = 0.5
"""Of the memory that is free once the first unit is made: more than that the networks may not take."""
WAITING = 2**28
"""Bytes of pictures that wait for others of their size; beyond that a pass is filled up."""

Encoders = MutableMapping[ScorerName, ImageEncoder]


def encoders_of(spec: RunSpec) -> dict[ScorerName, ImageEncoder]:
    """The networks that a run's metrics look at images with; published ones are built when the first image comes.

    Args:
        spec: resolved, its metrics in full; metrics of other packages are left to scoring.

    Raises:
        InputError: weights that are missing or altered.
    """
    scorers = dict.fromkeys(scorer for scorer in (parse(name)[1] for name in spec.metrics) if scorer is not None)
    return {scorer: load_encoder(scorer, spec.device, spec.weights) for scorer in scorers}


class Ahead:
    """Looks at pictures as they are made.

    Networks stand beside the generator only where there is room: the package's own always, published ones where they
    take at most half of the memory that is free once the first unit is made. Else, or when memory runs out, they are
    given up, and scoring comes after generation.

    Args:
        encoders: by name; emptied when they are given up.
        store: of the run.
        processes: of the run, which may all share this host's memory; each GPU has one.
        progress: told where scoring has to wait.

    Raises:
        InputError: a folder of features is a symbolic link.
    """

    def __init__(self, encoders: Encoders, store: RunStore, processes: int, progress: Progress) -> None:
        self._encoders, self._progress, self._device = encoders, progress, store.manifest.spec.device
        self._processes = 1 if self._device.startswith("cuda") else processes
        folder = store.folder / "features"
        self._lanes = [_Lane(encoder, image_folder(encoder, folder)) for encoder in encoders.values()]
        self._fit = False

    def look(self, pictures: Sequence[Picture]) -> None:
        """Take the features of pictures, now or when there are enough of a size; those without pixels have none.

        Raises:
            InputError: weights that are damaged.
            Incomplete: the disk is full or refuses.
        """
        if self._has_room():
            seen = [(pixel_sha256(picture.rgb), picture.rgb) for picture in pictures if picture.rgb is not None]
            self._work(seen, finish=False)

    def finish(self) -> None:
        """Take what waits, and write all to the disk; raises as `look` does."""
        self._work((), finish=True)

    def drop(self) -> bool:
        """Give up the networks, so that the generator has their memory; whether there were any."""
        held = bool(self._lanes)
        if held:
            for lane in self._lanes:
                lane.save()
            self._lanes = []
            self._encoders.clear()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return held

    def _has_room(self) -> bool:
        if self._lanes and not self._fit:
            needed = sum(needed_bytes(name) for name in self._encoders)
            free = free_bytes(self._device) // self._processes
            self._fit = needed <= SHARE * free
            if not self._fit:
                self._progress.note(
                    f"scoring waits until all images are made: its networks take {needed / 1e9:.1f} GB, more than half"
                    f" of the {free / 1e9:.1f} GB that are free on {self._device}"
                )
                self.drop()
        return bool(self._lanes)

    def _work(self, seen: Iterable[tuple[str, Pixels]], finish: bool) -> None:
        seen = list(seen)
        try:
            for lane in self._lanes:
                lane.add(seen)
                if finish:
                    lane.finish()
        except (MemoryError, RuntimeError) as error:
            if not is_lack(error):
                raise
            self._progress.note(f"memory of {self._device} ran out while scoring: it waits until all images are made")
        else:
            return
        self.drop()  # outside of the handler: the error's frames hold tensors


class _Lane:
    """One network with the pictures that wait for it and the rows that wait for the disk."""

    def __init__(self, encoder: ImageEncoder, folder: Path) -> None:
        refuse_link(folder)
        self._encoder, self._folder, self._pass = encoder, folder, images_per_pass(encoder)
        self._waiting: dict[tuple[int, ...], dict[str, Pixels]] = {}
        self._rows: dict[str, Array] = {}

    def add(self, seen: Iterable[tuple[str, Pixels]]) -> None:
        for key, rgb in seen:
            group = self._waiting.setdefault(rgb.shape, {})
            if key not in self._rows:
                group[key] = rgb
            if len(group) == self._pass:
                self._encode(rgb.shape)
        while sum(rgb.nbytes for group in self._waiting.values() for rgb in group.values()) > WAITING:
            self._encode(max(self._waiting, key=lambda shape: len(self._waiting[shape])))

    def finish(self) -> None:
        for shape in list(self._waiting):
            self._encode(shape)
        self.save()

    def save(self) -> None:
        if self._rows:
            keep_rows(self._folder, list(self._rows), np.stack(list(self._rows.values())))
            self._rows = {}

    def _encode(self, shape: tuple[int, ...]) -> None:
        group = self._waiting.pop(shape)
        if group:
            self._rows.update(zip(group, encoded(self._encoder, list(group.values())), strict=True))
        if len(self._rows) >= IMAGES_PER_FILE:
            self.save()


def needed_bytes(name: ScorerName) -> int:
    """Memory that a network takes with a pass; none worth asking for where it is the package's own.

    Weights count twice: most are fp16 in their file, and all are fp32 in use.
    """
    if name.kind == "scenes":
        return 0
    size = lookup(name.weights).size if name.weights else None
    return 2 * (LARGEST if size is None else size) + PASS
