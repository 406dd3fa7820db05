"""A model that is given up leaves the GPU before anything else comes, though it refers to itself."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import tiny_models

from backbones.protocol import TextToImage
from evalsuite import memory, models, pipeline
from evalsuite.compiling import Execution
from evalsuite.pipeline import make
from evalsuite.prepare import Shelf
from evalsuite.progress import Silent
from evalsuite.spec import RunSpec
from evalsuite.sweep.rack import Rack

GPU = RunSpec(models=("tiny_models:conv",), device="cuda", dtype="fp32", compile="off")


@pytest.fixture(autouse=True)
def given_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A GPU that is in use, and a Python that looks for circles when it is told to alone."""
    told: list[str] = []
    cuda = SimpleNamespace(is_initialized=lambda: True, empty_cache=lambda: told.append("emptied"))
    monkeypatch.setattr(memory, "torch", SimpleNamespace(cuda=cuda))
    gc.disable()
    yield told
    gc.enable()


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes of the small models may be recorded."""
    monkeypatch.setattr(tiny_models.ConvWorld, "pure", "velocity", raising=False)
    monkeypatch.setattr(models, "place", lambda model, *_: model)


@pytest.mark.usefixtures("replayed")
@pytest.mark.parametrize("shelf", [Shelf, Rack])
def test_one_model_is_gone_when_the_next_one_is_placed(shelf: Callable[[], Shelf], given_back: list[str]):
    some = shelf()
    model = some.take("tiny_models:conv", GPU)
    Execution(model, GPU)
    gone = weakref.ref(model)
    if isinstance(some, Rack):
        some.drop()
    del model
    some.take("tiny_models:slow", GPU)
    assert gone() is None
    assert given_back


def test_the_generator_is_gone_when_scoring_begins(tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch):
    taken: list[weakref.ref[TextToImage]] = []
    gone: list[bool] = []
    take, score = Shelf.take, pipeline._score

    def taking(shelf: Shelf, name: str, spec: RunSpec) -> TextToImage:
        model = take(shelf, name, spec)
        vars(model)["itself"] = model
        taken.append(weakref.ref(model))
        return model

    def scoring(*args: object, **settings: object) -> object:
        gone.extend(model() is None for model in taken)
        return score(*args, **settings)

    monkeypatch.setattr(Shelf, "take", taking)
    monkeypatch.setattr(pipeline, "_score", scoring)
    make(tiny(prompts=1), scored=True, progress=Silent())
    assert gone == [True]
