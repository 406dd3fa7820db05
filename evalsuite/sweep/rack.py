"""Models and networks that all points share: loaded once, not once for each point."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from backbones.protocol import TextToImage
from evalsuite import memory, models
from evalsuite.encoders.scorer import Scorer
from evalsuite.errors import InputError
from evalsuite.loaders.image_folder import ImageFolder
from evalsuite.manifest import ModelFacts
from evalsuite.prepare import Shelf
from evalsuite.sampling import own_samplers
from evalsuite.scorers import ScorerName
from evalsuite.spec import RunSpec
from prompts import Prompt


class Rack(Shelf):
    """Models by name, each built once while points are planned; of those in use, one at a time is kept.

    Attributes:
        own: model name to the samplers of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.own: dict[str, tuple[str, ...]] = {}
        self._built: dict[str, TextToImage] = {}
        self._placed: dict[str, TextToImage] = {}

    def facts(self, name: str, prompts: Sequence[Prompt], spec: RunSpec) -> ModelFacts:
        """What the plan needs to know; see `Shelf.facts`.

        Raises:
            InputError: as there, or no setting changes the model's images.
        """
        self._prompts = prompts
        if isinstance(self._resolve(name, spec), ImageFolder):
            raise InputError(f"model {name!r} is a folder of images, which no setting changes: name what made them")
        return super().facts(name, prompts, spec)

    def take(self, name: str, spec: RunSpec) -> TextToImage:
        """The model on the run's device, in its dtype. The one that was taken before is given up for it."""
        if name not in self._placed:
            self.drop()
            model = self._built.pop(name, None) or super()._resolve(name, spec)
            self._placed[name] = models.place(model, spec.device, spec.dtype)
        return self._placed[name]

    def drop(self) -> None:
        """Give up the model in use: networks that look at images need its memory."""
        self._kept.clear()
        self._placed.clear()
        memory.reclaim()

    def _resolve(self, name: str, spec: RunSpec) -> TextToImage:
        if name not in self._built:
            self._built[name] = super()._resolve(name, spec)
            self.own[name] = own_samplers(self._built[name])
        return self._built[name]


Load = Callable[[ScorerName, Collection[str]], Scorer]


class Shared:
    """Networks that score, each loaded once.

    Args:
        load: as `evalsuite.networks.Networks`.

    Attributes:
        seconds: that loading took; they say nothing of what an image costs.
    """

    def __init__(self, load: Load) -> None:
        self.seconds = 0.0
        self._load = load
        self._there: dict[tuple[ScorerName, frozenset[str]], Scorer] = {}

    def __call__(self, name: ScorerName, uses: Collection[str]) -> Scorer:
        """A network; raises as its loader does."""
        key = name, frozenset(uses)
        if key not in self._there:
            began = time.monotonic()
            self._there[key] = self._load(name, uses)
            self.seconds += time.monotonic() - began
        return self._there[key]
