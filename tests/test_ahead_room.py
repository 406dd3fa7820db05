from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evalsuite import ahead
from evalsuite.ahead import Ahead
from evalsuite.encoders.cache import FeatureCache
from evalsuite.encoders.features import encoded, image_folder
from evalsuite.generate import generate
from evalsuite.memory import free_bytes
from evalsuite.prepare import Shelf, prepare
from evalsuite.progress import Silent
from evalsuite.records import Picture, Pixels, pixel_sha256
from evalsuite.scorers import SCENES, ScorerName
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore

PUBLISHED = ScorerName("v2.1", "hps", "v2.1", "", "hps@v2.1")


class Means:
    """Rows that tell images apart; counts passes, and fails when told to."""

    id, fingerprint, preprocessing, width, batch = "means", "e" * 64, "none", 3, 4

    def __init__(self) -> None:
        self.passes: list[tuple[int, ...]] = []
        self.full: RuntimeError | None = None

    def images(self, images: torch.Tensor) -> np.ndarray:
        if self.full is not None:
            raise self.full
        self.passes.append(tuple(images.shape))
        return images.double().mean((2, 3)).float().numpy()


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def pictures(count: int, width: int = 8) -> list[Picture]:
    rng = np.random.default_rng(width)
    return [Picture("ok", rng.integers(0, 256, (8, width, 3), dtype=np.uint8), None) for _ in range(count)]


def pixels(seen: Sequence[Picture]) -> list[Pixels]:
    return [picture.rgb for picture in seen if picture.rgb is not None]


@pytest.fixture
def store(tmp_path: Path) -> SimpleNamespace:
    (tmp_path / "features").mkdir()
    return SimpleNamespace(folder=tmp_path, manifest=SimpleNamespace(spec=SimpleNamespace(device="cpu")))


def kept(encoder: Means, store: SimpleNamespace) -> FeatureCache:
    return FeatureCache(image_folder(encoder, store.folder / "features"), encoder.width)


def test_pictures_wait_for_others_of_their_size_and_those_without_pixels_have_no_row(store: SimpleNamespace):
    encoder = Means()
    viewer = Ahead({SCENES: encoder}, store, 1, Silent())
    wide, square = pictures(5, width=16), pictures(6)
    viewer.look([*wide[:3], *square[:2], Picture("nonfinite", None, None)])
    assert encoder.passes == []
    viewer.look([*wide[3:], *square[2:]])
    assert sorted(encoder.passes) == [(4, 3, 8, 8), (4, 3, 8, 16)]
    viewer.finish()
    assert sorted(encoder.passes[2:]) == [(1, 3, 8, 16), (2, 3, 8, 8)]
    for seen in (wide, square):
        found = kept(encoder, store).rows([pixel_sha256(rgb) for rgb in pixels(seen)])
        np.testing.assert_array_equal(found, encoded(encoder, pixels(seen)))


def test_waiting_pictures_take_a_bounded_number_of_bytes(store: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ahead, "WAITING", 3 * 8 * 8 * 3)
    encoder = Means()
    viewer = Ahead({SCENES: encoder}, store, 1, Silent())
    for width in (8, 12, 16, 20):
        viewer.look(pictures(1, width))
    assert [shape[3] for shape in encoder.passes] == [8, 12, 16]


@pytest.mark.parametrize(("free", "processes", "fits"), [(13e9, 1, True), (11e9, 1, False), (13e9, 2, False)])
def test_published_networks_stand_beside_the_generator_only_where_they_take_half_of_what_is_free(
    store: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, free: float, processes: int, fits: bool
):
    """HPSv2 takes 2 x 1.97 GB and 2 GB for a pass."""
    monkeypatch.setattr(ahead, "free_bytes", lambda _: int(free))
    encoder, notes = Means(), Notes()
    encoders = {PUBLISHED: encoder}
    viewer = Ahead(encoders, store, processes, notes)
    viewer.look(pictures(4))
    viewer.finish()
    assert (len(encoder.passes) == 1) is fits
    assert (PUBLISHED in encoders) is fits
    assert [
        note.startswith("scoring waits until all images are made: its networks take 5.9 GB") for note in notes.said
    ] == ([] if fits else [True])


@pytest.mark.parametrize(
    "lack",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 21474836480 bytes."),
    ],
)
def test_where_memory_runs_out_what_was_seen_stays_and_the_rest_is_left_to_scoring(
    store: SimpleNamespace, lack: RuntimeError
):
    encoder, notes = Means(), Notes()
    viewer = Ahead({SCENES: encoder}, store, 1, notes)
    seen = pictures(12)
    viewer.look(seen[:4])
    encoder.full = lack
    viewer.look(seen[4:8])
    encoder.full = None
    viewer.look(seen[8:])
    viewer.finish()
    keys = [pixel_sha256(rgb) for rgb in pixels(seen)]
    assert kept(encoder, store).missing(keys) == keys[4:]
    assert notes.said == ["memory of cpu ran out while scoring: it waits until all images are made"]
    assert not viewer.drop()


def test_an_error_of_a_network_that_is_not_of_memory_is_not_taken_for_one(store: SimpleNamespace):
    encoder = Means()
    encoder.full = RuntimeError("shapes cannot be multiplied")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        Ahead({SCENES: encoder}, store, 1, Silent()).look(pictures(4))


class Watching:
    """A viewer that gives way to Hungry once, and tells what was on the disk when it had seen all."""

    def __init__(self, store: RunStore, gives: Callable[[], None] | None = None) -> None:
        self.store, self.gives = store, gives
        self.seen = 0
        self.written: list[int] = []

    def look(self, pictures: Sequence[Picture]) -> None:
        self.seen += len(pictures)

    def finish(self) -> None:
        self.written.append(sum(map(self.store.has, self.store.manifest.units)))

    def drop(self) -> bool:
        gives, self.gives = self.gives, None
        if gives is not None:
            gives()
        return gives is not None


def test_the_last_record_is_written_when_all_that_was_seen_is_on_the_disk(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(), Shelf())
    with RunStore.create(Path(manifest.spec.output_dir or ""), manifest) as store:
        viewer = Watching(store)
        generate(store, lambda name: Shelf(manifest.prompts).take(name, manifest.spec), Silent(), viewer=viewer)
        assert viewer.seen == 8
        assert viewer.written[0] < len(manifest.units)
        assert all(map(store.has, manifest.units))


@pytest.mark.parametrize("yields", [True, False])
def test_a_generator_that_lacks_memory_gets_that_of_the_networks_first(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, yields: bool
):
    import tiny_models

    monkeypatch.setattr(tiny_models.Hungry, "starving", True)
    manifest = prepare(tiny(models=("tiny_models:hungry",)), Shelf())
    gives = (lambda: setattr(tiny_models.Hungry, "starving", False)) if yields else None
    with RunStore.create(Path(manifest.spec.output_dir or ""), manifest) as store:
        take = Shelf(manifest.prompts).take
        viewer = Watching(store, gives)
        failures = generate(store, lambda name: take(name, manifest.spec), Silent(), viewer=viewer)
    assert (len(failures) == 0) is yields
    assert viewer.seen == (8 if yields else 4)


def test_free_memory_is_what_the_system_and_the_container_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evalsuite.memory.MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr("evalsuite.memory.CONTROL", tmp_path)
    assert free_bytes("cpu") == 0
    (tmp_path / "meminfo").write_text("MemTotal:  90 kB\nMemFree:  10 kB\nMemAvailable:     50 kB\n")
    assert free_bytes("cpu") == 50 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("30000\n")
    assert free_bytes("cpu") == 50 * 1024
    (tmp_path / "memory.max").write_text("40000\n")
    assert free_bytes("cpu") == 10000
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 2000\n")
    assert free_bytes("cpu") == 12000
