from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evalsuite import batch_search, estimate_cost
from evalsuite.batch_size import Work, best, with_batch_size
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.pipeline import make
from evalsuite.plan import Job
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
    monkeypatch.setattr(batch_search, "free_bytes", lambda _: 3 * 10**9)
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

    monkeypatch.setattr(batch_search, "doubling", doubling)
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
    path.write_bytes(b'{"format": 2, "seconds": {"4": -1}}')
    assert settled(on_gpu(prompts=40)) == 16
    assert len(measured) == 2
    assert json.loads(path.read_bytes())["seconds"] == {"4": 1.0, "8": 1.0, "16": 1.0, "32": 1.9}
    on_gpu(prompts=40, steps=5)
    assert settled(on_gpu(prompts=40, steps=5)) == 16
    assert len(measured) == 3, "another sampler divides time between denoising and decoding in another way"


def test_a_dry_run_uses_what_is_kept_and_keeps_nothing(
    on_gpu: Callable[..., Manifest], measured: list[str], tiny: Callable[..., RunSpec], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    manifest, told = on_gpu(prompts=40), Told()
    monkeypatch.setattr(estimate_cost, "prepare", lambda *_: manifest)
    monkeypatch.setattr(estimate_cost, "_sizes", lambda *_: [])  # no step can be timed on a GPU that is not here
    before = sorted(tmp_path.rglob("*"))
    assert estimate_cost.estimate(tiny(batch_size="auto"), told).batch_size == 16
    assert sorted(tmp_path.rglob("*")) == before
    assert told.notes[0].startswith("tiny_models:conv: a dry run does not keep what it measures")
    assert settled(manifest) == 16
    assert len(measured) == 2
    before, told = sorted(tmp_path.rglob("*")), Told()
    assert estimate_cost.estimate(tiny(batch_size="auto"), told).batch_size == 16
    assert len(measured) == 2
    assert [note for note in told.notes if "dry run" in note] == []
    assert sorted(tmp_path.rglob("*")) == before


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
