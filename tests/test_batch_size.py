from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evalsuite import batch_size
from evalsuite.batch_size import Work, best, with_batch_size
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.pipeline import make
from evalsuite.plan import Job, Unit
from evalsuite.prepare import Shelf, folder_of, prepare
from evalsuite.progress import Silent
from evalsuite.share import Share
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore

LINEAR = {4: 1.0, 8: 1.0, 16: 1.0, 32: 1.9, 64: 3.8}
"""Launch-bound up to 16; from 16 to 32 a gain of 5 %, which is too little."""


@pytest.mark.parametrize(
    ("images", "expected"),
    [((1000,), 16), ((16, 16, 16), 16), ((17, 17), 16), ((5, 5), 8), ((4,), 4), ((8, 4), 8)],
)
def test_the_batch_is_the_one_that_makes_all_images_soonest(images: Sequence[int], expected: int):
    assert best([Work(images, LINEAR)]) == expected


def test_a_pass_that_is_filled_up_costs_as_much_as_a_whole_one():
    """33 images: 2 passes of 32 take 4 s, 3 of 16 take 3.3 s."""
    assert best([Work((33,), {4: 1.0, 8: 1.05, 16: 1.1, 32: 2.0})]) == 16
    assert best([Work((64,), {4: 1.0, 8: 1.05, 16: 1.1, 32: 1.9})]) == 32


def test_two_models_share_a_batch_that_pays_for_both():
    assert best([Work((1000,), LINEAR), Work((1000,), {4: 1.0, 8: 1.0})]) == 8
    assert best([Work((1000,), LINEAR), Work((1000,), {})]) == 16
    assert best([Work((1000,), {})]) is None
    assert best([]) is None


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def on_gpu(tiny: Callable[..., RunSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Manifest]:
    """A plan that says it is a GPU's, whose measurement is made up: here there may be no GPU."""
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr("evalsuite.models.place", lambda model, *_: model)

    def plan(**changes: object) -> Manifest:
        manifest = prepare(tiny(**{"batch_size": "auto", **changes}), Shelf())
        return replace(manifest, spec=replace(manifest.spec, device="cuda"))

    return plan


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were measured."""
    found: list[str] = []

    def doubling(painter: Painter, job: Job, device: str) -> Iterator[tuple[int, float]]:
        found.append(f"{job.model} {job.width}x{job.height}")
        yield from LINEAR.items()

    monkeypatch.setattr(batch_size, "_doubling", doubling)
    return found


def settled(manifest: Manifest, share: Share | None = None, **changes: object) -> int | str:
    asked = RunSpec(**{"batch_size": "auto", **changes})
    told = Told()
    found = with_batch_size(manifest, asked, Shelf(manifest.prompts), told, share or Share())
    return found.spec.batch_size


def test_a_gpu_is_measured_once_for_a_model_and_size(
    on_gpu: Callable[..., Manifest], measured: list[str], tmp_path: Path
):
    manifest = on_gpu(prompts=40, aspects=("1:1", "3:2"))
    told = Told()
    found = with_batch_size(manifest, RunSpec(), Shelf(manifest.prompts), told)
    assert found.spec.batch_size == 16
    assert {unit.batch for unit in found.units} == {16}
    assert measured == ["tiny_models:conv 64x64"]
    assert told.notes == ["tiny_models:conv at 64x64, images/s by batch size: 4: 4, 8: 8, 16: 16, 32: 16.8"]
    assert settled(on_gpu(prompts=40)) == 16
    assert settled(on_gpu(prompts=5)) == 8
    assert len(measured) == 1
    (path,) = (tmp_path / "cache" / "batch-sizes").glob("*.json")
    path.write_bytes(b'{"format": 1, "seconds": {"4": -1}}')
    assert settled(on_gpu(prompts=40)) == 16
    assert len(measured) == 2
    assert json.loads(path.read_bytes())["seconds"] == {"4": 1.0, "8": 1.0, "16": 1.0, "32": 1.9}
    on_gpu(prompts=40, steps=5)
    assert settled(on_gpu(prompts=40, steps=5)) == 16
    assert len(measured) == 3, "another sampler divides time between denoising and decoding in another way"


def test_the_first_model_of_a_run_is_measured_last_and_stays_loaded(
    on_gpu: Callable[..., Manifest], measured: list[str], monkeypatch: pytest.MonkeyPatch
):
    manifest, shelf = on_gpu(models=("tiny_models:conv", "tiny_models:slow")), Shelf()
    with_batch_size(manifest, RunSpec(), shelf, Silent())
    assert [name.split()[0] for name in measured] == ["tiny_models:slow", "tiny_models:conv"]
    monkeypatch.setattr(Shelf, "_resolve", lambda *_: pytest.fail("loaded twice"))
    assert shelf.take("tiny_models:conv", manifest.spec).name == "conv"


def test_nothing_is_measured_where_it_would_not_be_agreed_on_or_is_known(
    on_gpu: Callable[..., Manifest], measured: list[str], tiny: Callable[..., RunSpec], tmp_path: Path
):
    manifest = on_gpu(prompts=40)
    usual = manifest.spec.batch_size
    assert settled(manifest, Share(1, 4, shard=True)) == usual, "shards may share no disk"
    assert settled(manifest, batch_size=16) == usual, "the user says"
    assert settled(replace(manifest, spec=replace(manifest.spec, device="cpu"))) == usual
    assert measured == []
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "batch-sizes").write_text("in the way")
    assert settled(manifest, Share(1, 4)) == usual, "a team that cannot agree"
    assert measured == []
    assert settled(manifest) == 16
    assert len(measured) == 1


def test_a_run_goes_on_with_the_batch_size_it_has(tiny: Callable[..., RunSpec]):
    spec = tiny()
    make(spec, scored=False)
    outcome = make(tiny(batch_size="auto"), scored=True)
    assert outcome.manifest is not None
    assert outcome.manifest.spec.batch_size == 3
    assert outcome.missing == 0


def test_what_shards_have_made_is_gone_on_with(
    on_gpu: Callable[..., Manifest], measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    manifest = on_gpu(prompts=40, output_dir=None)
    with RunStore.create(folder_of(manifest), manifest):
        assert settled(manifest) == manifest.spec.batch_size
    assert measured == []


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A GPU of 100 bytes where a unit takes 3 bytes an image and a tenth of a second, as long as these say so."""
    facts = {"bytes": 3.0, "seconds": 0.1, "fits": 10_000}

    def unit_seconds(_: object, unit: Unit) -> float:
        if unit.batch > facts["fits"]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        facts["peak"] = facts["bytes"] * unit.batch
        return facts["seconds"]

    monkeypatch.setattr(batch_size, "unit_seconds", unit_seconds)
    monkeypatch.setattr(batch_size, "free_bytes", lambda _: 100)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: facts["peak"])
    return facts


@pytest.mark.parametrize(
    ("change", "tried"),
    [
        ({}, [4, 8, 16]),  # 32 would take 96 of 100 bytes
        ({"bytes": 0.01}, [4, 8, 16, 32, 64, 128, 256]),
        ({"bytes": 0.01, "fits": 40}, [4, 8, 16, 32]),
        ({"bytes": 0.01, "seconds": 21.0}, [4]),
        ({"fits": 3}, []),
    ],
)
def test_larger_batches_are_tried_as_long_as_they_fit_and_are_not_slow(
    cuda: dict[str, float], change: dict[str, float], tried: list[int]
):
    cuda.update(change)
    job = Job("m", "p", "x", None, (), "1:1", 64, 64, 0, 0)
    assert [batch for batch, _ in batch_size._doubling(None, job, "cuda")] == tried  # type: ignore[arg-type]


def test_an_error_that_is_not_of_memory_is_not_taken_for_one(cuda: dict[str, float], monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> float:
        raise RuntimeError("a kernel is broken")

    monkeypatch.setattr(batch_size, "unit_seconds", broken)
    with pytest.raises(RuntimeError, match="broken"):
        list(batch_size._doubling(None, Job("m", "p", "x", None, (), "1:1", 64, 64, 0, 0), "cuda"))  # type: ignore[arg-type]
