from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from evalsuite import ahead
from evalsuite.ahead import encoders_of
from evalsuite.encoders import features
from evalsuite.encoders.cache import FeatureCache
from evalsuite.encoders.features import encoded
from evalsuite.encoders.scorer import load_encoder
from evalsuite.errors import InputError
from evalsuite.pipeline import make
from evalsuite.prepare import Shelf, prepare
from evalsuite.scorers import SCENES
from evalsuite.share import Share
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore

METRICS = ("hps", "clip_score", "fid", "v_variance")


@pytest.fixture
def scored(tiny: Callable[..., RunSpec]) -> RunSpec:
    """9 images of either size in units of 3: a pass of 8 and one that is filled up."""
    return tiny(prompts=9, metrics=METRICS)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the samples whose files are read to be scored."""
    found: list[str] = []

    def noted(samples, read, real=features._read_images):
        found.extend(sample.id for sample in samples)
        return real(samples, read)

    monkeypatch.setattr(features, "_read_images", noted)
    return found


def moved(spec: RunSpec, folder: Path) -> RunSpec:
    return RunSpec(**{**spec.to_json(), "output_dir": str(folder)})


def results(folder: Path) -> dict[str, bytes]:
    """Every file that a run leaves but its records, which say how long things took."""
    own = ("records", "features")
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    kept = {str(name): path for name, path in found.items() if name.parts[0] not in own and name.name[0] != "."}
    kept.pop("seen.json", None)
    return {name: path.read_bytes() for name, path in kept.items()}


def rows(folder: Path) -> dict[str, bytes]:
    (place,) = folder.glob("features/*-images")
    return {key: row.tobytes() for key, row in FeatureCache(place, 128)._rows.items()}


def without_looking(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ahead, "encoders_of", lambda _: {})
        make(spec, scored=True)


def test_scores_and_reports_are_the_same_bytes_whether_pictures_are_seen_in_memory_or_read_from_files(
    scored: RunSpec, read: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make(scored, scored=True)
    assert read == [], "no file is read to be scored"
    later = moved(scored, tmp_path / "later")
    without_looking(later, monkeypatch)
    assert len(read) == 18
    here, there = Path(scored.output_dir or ""), tmp_path / "later"
    assert {"results.json", "scores.csv", "scores.json", "report.md"} <= results(here).keys()
    assert results(here) == results(there)
    assert rows(here) == rows(there)
    assert len(rows(here)) == 18


def test_a_part_that_was_seen_and_a_part_that_was_not_give_the_same_bytes(
    scored: RunSpec, read: list[str], tmp_path: Path
):
    """The states that a stop leaves: images without features, features without records, features of some."""
    make(scored, scored=True)
    whole, folder = Path(scored.output_dir or ""), tmp_path / "parts"
    parts = moved(scored, folder)
    make(parts, scored=False, choose=lambda units: units[:3])
    (place,) = whole.glob("features/*-images")
    kept = dict(list(FeatureCache(place, 128)._rows.items())[5:12])
    cache = FeatureCache(folder / "features" / place.name, 128)
    cache.add(list(kept), np.stack(list(kept.values())))
    make(parts, scored=True)
    with RunStore.open(whole) as store:
        first = {job.id for unit in store.manifest.units[:3] for job in unit.jobs}
        shas = {sample.id: sample.pixel_sha256 for sample in store.samples(store.images())}
    assert set(read) == {name for name in first if shas[name] not in kept}
    assert 0 < len(read) < 9
    assert results(folder) == results(whole)
    assert rows(folder) == rows(whole)


def test_shards_see_their_own_pictures_and_the_one_that_scores_reads_no_file(
    scored: RunSpec, read: list[str], tmp_path: Path
):
    make(scored, scored=True)
    shards = moved(scored, tmp_path / "shards")
    outcomes = [make(shards, scored=True, share=Share(rank, 3, shard=True)) for rank in (1, 2, 0)]
    assert [outcome.rows is not None for outcome in outcomes] == [False, False, True]
    assert read == []
    assert results(tmp_path / "shards") == results(Path(scored.output_dir or ""))
    assert rows(tmp_path / "shards") == rows(Path(scored.output_dir or ""))


def test_a_killed_run_goes_on_to_the_same_bytes(
    tiny: Callable[..., RunSpec], environment: Mapping[str, str], tmp_path: Path
):
    spec = tiny(prompts=8, models=("tiny_models:slow",), batch_size=2, steps=4, metrics=METRICS)
    words = [sys.executable, "-m", "evalsuite", "run", "--model", spec.models[0], "--prompts", spec.prompts]
    words += ["--aspects", ",".join(spec.aspects), "--metrics", ",".join(METRICS)]
    for name in ("pixels", "steps", "batch_size", "threads", "device", "output_dir"):
        words += [f"--{name.replace('_', '-')}", str(getattr(spec, name))]
    process = subprocess.Popen(words, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline, folder = time.monotonic() + 120, Path(spec.output_dir or "")
    while len(list(folder.glob("records/*.json"))) < 3 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    _, err = process.communicate()
    assert process.returncode < 0, err
    make(spec, scored=True)
    make(moved(spec, tmp_path / "whole"), scored=True)
    assert results(folder) == results(tmp_path / "whole")
    assert rows(folder) == rows(tmp_path / "whole")


def test_generating_alone_loads_no_scorer(scored: RunSpec, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a scorer was loaded")

    monkeypatch.setattr(ahead, "load_encoder", refuse)
    make(scored, scored=False)
    assert not list(Path(scored.output_dir or "").glob("features/*"))


def test_weights_that_are_not_here_stop_a_run_before_anything_is_written(scored: RunSpec):
    spec = RunSpec(**{**scored.to_json(), "metrics": ["hps@v2.1"]})
    with pytest.raises(InputError, match=r"weights hps@v2.1 are not here"):
        make(spec, scored=True)
    assert not Path(scored.output_dir or "").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 9, 15])
def test_a_row_does_not_depend_on_its_neighbours_or_on_how_many_they_are(count: int, one_thread: None):
    """7 images and one to fill up were laid out in memory in another way, and rounded in another way."""
    encoder = load_encoder("scenes")
    images = list(np.random.default_rng(3).integers(0, 256, (15, 40, 72, 3), dtype=np.uint8))
    whole = encoded(encoder, images)
    np.testing.assert_array_equal(encoded(encoder, images[:count][::-1])[::-1], whole[:count])


def test_the_networks_are_those_that_the_metrics_name_each_once(scored: RunSpec):
    spec = prepare(scored, Shelf()).spec
    assert list(encoders_of(spec)) == [SCENES]
    assert encoders_of(RunSpec(metrics=("v_variance",))) == {}
    assert spec.metrics[0] == "hps@scenes"
