"""The search for a batch size, on a GPU that is made up: here there may be none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from evalsuite import batch_search
from evalsuite.batch_search import doubling, measure
from evalsuite.errors import InputError
from evalsuite.manifest import Manifest
from evalsuite.plan import Job, Unit
from evalsuite.prepare import Shelf, prepare
from evalsuite.spec import RunSpec

JOB = Job("m", "p", "x", None, (), "1:1", 64, 64, 0, 0)
CONV = "tiny_models:conv"


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A GPU of 100 bytes where a unit takes 3 bytes an image and a tenth of a second, as long as these say so."""
    facts = {"bytes": 3.0, "seconds": 0.1, "fits": 10_000}

    def unit_seconds(_: object, unit: Unit) -> float:
        if unit.batch > facts["fits"]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        facts["peak"] = facts["bytes"] * unit.batch
        return facts["seconds"]

    monkeypatch.setattr(batch_search, "unit_seconds", unit_seconds)
    monkeypatch.setattr(batch_search, "free_bytes", lambda _: 100)
    monkeypatch.setattr("evalsuite.models.place", lambda model, *_: model)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: facts["peak"])
    return facts


@pytest.fixture
def manifest(tiny: Callable[..., RunSpec]) -> Manifest:
    found = prepare(tiny(prompts=40, batch_size="auto"), Shelf())
    return replace(found, spec=replace(found.spec, device="cuda"))


@pytest.mark.parametrize(
    ("change", "tried"),
    [
        ({}, [1, 2, 4, 8, 16]),  # 32 would take 96 of 100 bytes
        ({"bytes": 0.01}, [1, 2, 4, 8, 16, 32, 64, 128, 256]),
        ({"bytes": 0.01, "fits": 40}, [1, 2, 4, 8, 16, 32]),
        ({"bytes": 0.01, "seconds": 21.0}, [1]),
        ({"bytes": 29.0}, [1, 2]),
        ({"fits": 3}, [1, 2]),
        ({"fits": 0}, []),
    ],
)
def test_larger_batches_are_tried_as_long_as_they_fit_and_are_not_slow(
    cuda: dict[str, float], change: dict[str, float], tried: list[int]
):
    cuda.update(change)
    assert [batch for batch, _ in doubling(None, JOB, "cuda")] == tried  # type: ignore[arg-type]


def test_an_error_that_is_not_of_memory_is_not_taken_for_one(cuda: dict[str, float], monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> float:
        raise RuntimeError("a kernel is broken")

    monkeypatch.setattr(batch_search, "unit_seconds", broken)
    with pytest.raises(RuntimeError, match="broken"):
        list(doubling(None, JOB, "cuda"))  # type: ignore[arg-type]


def test_the_search_ends_where_a_larger_batch_does_not_pay(
    cuda: dict[str, float], manifest: Manifest, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch_search, "unit_seconds", lambda _, unit: max(1.0, unit.batch / 4))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 0)
    assert measure(manifest, CONV, (64, 64), Shelf()) == {1: 1.0, 2: 1.0, 4: 1.0, 8: 2.0}


def test_a_gpu_that_holds_three_images_is_measured_with_one_and_two(cuda: dict[str, float], manifest: Manifest):
    cuda["fits"] = 3
    assert list(measure(manifest, CONV, (64, 64), Shelf())) == [1, 2]


def test_a_gpu_that_holds_no_image_is_said_in_a_line(cuda: dict[str, float], manifest: Manifest):
    cuda["fits"] = 0
    with pytest.raises(InputError) as caught:
        measure(manifest, CONV, (80, 48), Shelf())
    assert str(caught.value) == (
        "one image a pass of model 'tiny_models:conv' at 80x48 does not fit into the memory of cuda, of which 0.0 GB"
        " were free: use a smaller --dtype or --vae-tile, fewer --pixels, or a larger GPU"
    )


def test_a_gpu_that_does_not_hold_the_model_is_said_too(
    cuda: dict[str, float], manifest: Manifest, monkeypatch: pytest.MonkeyPatch
):
    def place(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("evalsuite.models.place", place)
    with pytest.raises(InputError, match="model 'tiny_models:conv' does not fit into the memory of cuda, of which"):
        measure(manifest, CONV, (64, 64), Shelf())
