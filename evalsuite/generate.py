"""Units of a plan to images and records on disk, by one process or by several."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol, TypeVar

import torch

from backbones.protocol import TextToImage
from evalsuite.claims import Claims
from evalsuite.painter import Painter
from evalsuite.plan import Unit
from evalsuite.progress import Progress
from evalsuite.records import Made, Picture
from evalsuite.share import ALONE, Share
from evalsuite.store import RunStore
from evalsuite.team import Crew, Single, Team
from evalsuite.writer import Writer

MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit that could not be made, and why."""

    unit: Unit
    reason: str


Choose = Callable[[Sequence[Unit]], Sequence[Unit]]
Result = TypeVar("Result")


class Viewer(Protocol):
    """Looks at pictures while they are in memory; see `evalsuite.ahead`."""

    def look(self, pictures: Sequence[Picture]) -> None:
        """Those of one unit."""

    def finish(self) -> None:
        """There are no others for now: what was seen goes to the disk."""

    def drop(self) -> bool:
        """Memory is short: give up what can be given up; whether there was anything."""


def generate(
    store: RunStore,
    load: Callable[[str], TextToImage],
    progress: Progress,
    choose: Choose = tuple,
    share: Share = ALONE,
    viewer: Viewer | None = None,
) -> tuple[Failure, ...]:
    """Make the units of the plan that the store does not have yet.

    Args:
        store: an open run folder.
        load: model name to the model, on its device; called once for each model that has work left.
        progress: told of every image.
        choose: of the units still to be made, in the order of work, those to make now, in the same order.
        share: of this process, where several work on the same run folder; see `evalsuite.team`. The one that leads
            returns when all of them are done.
        viewer: looks at every unit's pictures; a unit's record is written when it has seen them, and the last one when
            what it saw is on the disk: where all records are, all of that is.

    Returns:
        The units that did not fit into memory: the batch is never shrunk, since that would change the images.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    todo = choose(store.pending())
    with ExitStack() as stack:
        crew = _crew(store, share, todo, stack)
        writer = stack.enter_context(Writer(store, crew.release))
        maker = _Maker(store, load, progress, crew, writer, viewer)
        for name, group in groupby(todo, key=lambda unit: unit.model):
            units = list(group)
            stage = f"generate {name}" if share.alone else f"generate {name}, {share.words}"
            progress.start(stage, sum(len(unit.jobs) for unit in crew.own(units)))
            for unit in crew.take(units):
                maker.make(unit)
        maker.finish(todo)
    return tuple(maker.failures)


def _crew(store: RunStore, share: Share, todo: Sequence[Unit], stack: ExitStack) -> Crew:
    return Single() if share.alone else Team(store, share, todo, stack.enter_context(Claims(store.folder)))


class _Maker:
    """Makes units as they are handed out, with one model at a time."""

    def __init__(
        self,
        store: RunStore,
        load: Callable[[str], TextToImage],
        progress: Progress,
        crew: Crew,
        writer: Writer,
        viewer: Viewer | None,
    ) -> None:
        self.failures: list[Failure] = []
        self._store, self._load, self._progress, self._crew, self._writer = store, load, progress, crew, writer
        self._viewer = viewer
        self._held: Callable[[], None] | None = None  # queues the last unit
        self._name: str | None = None
        self._painter: Painter | None = None

    def make(self, unit: Unit) -> None:
        """Make a unit and queue it for the disk, or note why it cannot be made."""
        self._hand_over()
        painter = self._with_room(lambda: self._painter_of(unit.model))
        try:
            pictures, seconds = self._with_room(lambda: _timed(painter, unit))
        except (MemoryError, RuntimeError) as error:
            self.failures.append(_failure(self._store, unit, error))
            self._progress.note(f"failed: {unit.model} {unit.width}x{unit.height}: {self.failures[-1].reason}")
            self._crew.release(unit)
        else:
            if warning := painter.warning():
                self._progress.note(warning)
            self._hold(unit, pictures, seconds, painter.made(unit))
        self._progress.advance(len(unit.jobs))

    def finish(self, units: Sequence[Unit]) -> None:
        """Wait for what others make, and make what they leave."""
        self._settle()
        for unit in self._crew.rest(units):
            self.make(unit)
            self._settle()
            self._writer.flush()

    def _hold(self, unit: Unit, pictures: Sequence[Picture], seconds: float, made: Made) -> None:
        """Queue a unit, where there is a viewer when the next one begins or all has been seen."""
        self._held = partial(self._writer.put, unit, pictures, seconds, made)
        if self._viewer is None:
            self._hand_over()
        else:
            self._viewer.look(pictures)

    def _hand_over(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held()

    def _settle(self) -> None:
        if self._viewer is not None:
            self._viewer.finish()
        self._hand_over()

    def _with_room(self, work: Callable[[], Result]) -> Result:
        """Do what takes memory; where that lacks, once more without the viewer."""
        try:
            return work()
        except (MemoryError, RuntimeError) as error:
            if self._viewer is None or not is_lack(error) or not self._viewer.drop():
                raise
        return work()  # outside of the handler: the error's frames hold tensors

    def _painter_of(self, name: str) -> Painter:
        if self._painter is None or self._name != name:
            self._painter = None  # before the next one is loaded: two may not fit
            self._name, self._painter = name, Painter(self._load(name), self._store.manifest.spec)
        return self._painter


def _timed(painter: Painter, unit: Unit) -> tuple[list[Picture], float]:
    began = time.monotonic()
    return painter.paint(unit), time.monotonic() - began


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Pin what changes last bits: the thread count, and on GPUs the choice of kernels; as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(before)


def _failure(store: RunStore, unit: Unit, error: Exception) -> Failure:
    """Memory that is not there is a property of the unit; every other error is a fault, and goes on its way."""
    if not is_lack(error):
        raise error
    reason = f"out of memory at batch {unit.batch}: use a smaller --batch-size"
    store.fail(unit, reason)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return Failure(unit, reason)


def is_lack(error: Exception) -> bool:
    """Whether an error says that there is not enough memory."""
    found = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return found or any(phrase in str(error).lower() for phrase in MEMORY)
