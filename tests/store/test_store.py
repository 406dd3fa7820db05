"""What a run folder keeps, gives back, and takes for the same run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from store_parts import TRACE, fill, pictures_of, snapshot

from evalsuite.errors import InputError
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, prepare
from evalsuite.records import image_file, pixel_sha256
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from reports import files as report_files


def test_a_finished_run_has_nothing_pending_and_gives_its_samples_back(folder: Path, manifest: Manifest):
    fill(folder, manifest)
    with RunStore.open(folder) as store:
        assert store.manifest.to_json() == manifest.to_json()
        assert store.pending() == ()
        samples = store.samples(store.images())
        assert [sample.id for sample in samples] == [job.id for job in manifest.jobs]
        expected = {j.id: p for u in manifest.units for j, p in zip(u.jobs, pictures_of(u), strict=True)}
        for sample, job in zip(samples, manifest.jobs, strict=True):
            with Image.open(sample.file) as image:
                pixels = np.asarray(image)
            assert np.array_equal(pixels, expected[sample.id].rgb)
            assert sample.pixel_sha256 == pixel_sha256(pixels)
            assert sample.trace == TRACE
            about = ("model", "prompt_id", "text", "base", "tags", "aspect", "width", "height", "index", "seed")
            assert [getattr(sample, name) for name in about] == [getattr(job, name) for name in about]


def test_opening_again_writes_nothing_but_the_manifest(folder: Path, manifest: Manifest):
    fill(folder, manifest)
    before = snapshot(folder)
    fill(folder, manifest)
    after = snapshot(folder)
    assert {k: v for k, v in after.items() if k.startswith(("records", "images"))} == {
        k: v for k, v in before.items() if k.startswith(("records", "images"))
    }
    assert {k: v[1] for k, v in after.items()} == {k: v[1] for k, v in before.items()}


def test_two_jobs_with_the_same_pixels_share_a_file(folder: Path, manifest: Manifest):
    unit = next(unit for unit in manifest.units if len(unit.jobs) == 3)
    same = pictures_of(unit)[0]
    with RunStore.create(folder, manifest) as store:
        store.add(unit, [same] * 3, 0.5)
        assert unit not in store.pending()
        file = store.folder / image_file(pixel_sha256(same.rgb))
        assert list(folder.glob("images/*/*.png")) == [file]
        written = file.stat().st_mtime_ns
        store.add(unit, [same] * 3, 0.5)
        assert file.stat().st_mtime_ns == written


def test_what_killed_writers_left_is_swept(folder: Path, manifest: Manifest):
    fill(folder, manifest)
    shard = next(folder.glob("images/*"))
    left = [folder / f"{report_files.TEMPORARY}2-results.json", folder / "features" / "abc-images" / ".tmp-3-x.npz"]
    left[1].parent.mkdir()
    left += [folder / ".tmp-1-run.json", folder / "records" / ".tmp-77-a.json", shard / ".tmp-9-x.png"]
    for path in left:
        path.write_bytes(b"half")
    with RunStore.open(folder) as store:
        assert store.pending() == ()
    assert not any(path.exists() for path in left)


def test_another_run_is_told_by_the_fields_that_differ(folder: Path, manifest: Manifest, tiny: Callable[..., RunSpec]):
    fill(folder, manifest)
    before = snapshot(folder)
    other = prepare(tiny(steps=5, seed=9), Shelf())
    with pytest.raises(InputError, match=r"seed \(9 here, 0 there\), steps \(5 here, 3 there\)"):
        RunStore.create(folder, other)
    longer = prepare(tiny(prompts=5), Shelf())
    with pytest.raises(InputError, match="prompts"):
        RunStore.create(folder, longer)
    assert snapshot(folder) == before


def test_other_metrics_are_the_same_run(folder: Path, manifest: Manifest, tiny: Callable[..., RunSpec]):
    fill(folder, manifest)
    with RunStore.create(folder, prepare(tiny(metrics=("hps", "fid")), Shelf())) as store:
        assert store.pending() == ()


def test_a_folder_in_use_is_refused_and_says_by_whom(folder: Path, manifest: Manifest):
    with RunStore.create(folder, manifest):
        for opening in (lambda: RunStore.create(folder, manifest), lambda: RunStore.open(folder)):
            with pytest.raises(InputError, match=f"in use by pid {os.getpid()}"):
                opening()
    RunStore.open(folder).close()


def test_a_refused_run_leaves_no_lock_behind(folder: Path, manifest: Manifest, tiny: Callable[..., RunSpec]):
    fill(folder, manifest)
    with pytest.raises(InputError, match="another run"):
        RunStore.create(folder, prepare(tiny(seed=1), Shelf()))
    RunStore.open(folder).close()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, manifest: Manifest):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("words")
    with pytest.raises(InputError, match=r"chapter\.tex"):
        RunStore.create(tmp_path / "thesis", manifest)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_an_empty_folder_and_one_of_a_killed_start_are_taken(tmp_path: Path, manifest: Manifest):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".lock").write_text("pid 1 on gone\n")
    (tmp_path / "new" / ".tmp-1-run.json").write_text("{")
    with RunStore.create(tmp_path / "new", manifest) as store:
        assert len(store.pending()) == len(manifest.units)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, manifest: Manifest):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        RunStore.create(tmp_path / "file" / "run", manifest)
