from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from evalsuite import records
from evalsuite.digest import canonical
from evalsuite.errors import Incomplete, InputError
from evalsuite.files import write_atomically
from evalsuite.manifest import Manifest
from evalsuite.plan import Unit
from evalsuite.prepare import Shelf, folder_of, prepare
from evalsuite.records import Picture, image_file, pixel_sha256
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from reports import files as report_files

PATH = {
    "mean": [0.1],
    "variance": [1.5],
    "power": [2.0],
    "deviation": [0.25],
    "cosine": [],
    "change": [],
    "straightness": 0.25,
    "mean_power": 1 / 3,
}
TRACE = {"t": [1.0], "weight": [1.0], "guided": PATH, "conditional": PATH}


@pytest.fixture
def manifest(tiny: Callable[..., RunSpec]) -> Manifest:
    return prepare(tiny(), Shelf())


@pytest.fixture
def folder(manifest: Manifest) -> Path:
    return folder_of(manifest)


def pictures_of(unit: Unit, seed: int = 0) -> list[Picture]:
    rng = np.random.default_rng([seed, int(unit.key[:8], 16)])
    shape = (len(unit.jobs), unit.height, unit.width, 3)
    return [Picture("ok", rgb, TRACE) for rgb in rng.integers(0, 256, shape, dtype=np.uint8)]


def fill(folder: Path, manifest: Manifest) -> None:
    with RunStore.create(folder, manifest) as store:
        for unit in store.pending():
            store.add(unit, pictures_of(unit), 0.5)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file but the lock and the memory of what was seen, with its time and content."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "seen.json")]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


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


def test_pixels_are_known_by_their_hash_and_shape():
    flat = np.arange(24, dtype=np.uint8)
    # printf '4x2x3|' | cat - <(bytes 0..23) | sha256sum
    assert pixel_sha256(flat.reshape(2, 4, 3))[:16] == "f261e79799caa728"
    assert pixel_sha256(flat.reshape(4, 2, 3)) != pixel_sha256(flat.reshape(2, 4, 3))


def test_opening_again_writes_nothing_but_the_manifest(folder: Path, manifest: Manifest):
    fill(folder, manifest)
    before = snapshot(folder)
    fill(folder, manifest)
    after = snapshot(folder)
    assert {k: v for k, v in after.items() if k.startswith(("records", "images"))} == {
        k: v for k, v in before.items() if k.startswith(("records", "images"))
    }
    assert {k: v[1] for k, v in after.items()} == {k: v[1] for k, v in before.items()}


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:-13],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"\0",
        lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
        lambda data: data[:-1] + bytes([data[-1] ^ 0x80]),
    ],
)
def test_a_damaged_image_is_seen_and_its_unit_remade(folder: Path, manifest: Manifest, harm: Callable[[bytes], bytes]):
    fill(folder, manifest)
    before = snapshot(folder)
    victim = sorted(folder.glob("images/*/*.png"))[0]
    victim.write_bytes(harm(victim.read_bytes()))
    with RunStore.create(folder, manifest) as store:
        (unit,) = store.pending()
        assert victim.stem in {pixel_sha256(picture.rgb) for picture in pictures_of(unit)}
    fill(folder, manifest)
    assert {k: v[1] for k, v in snapshot(folder).items()} == {k: v[1] for k, v in before.items()}


def test_a_missing_image_is_seen(folder: Path, manifest: Manifest):
    fill(folder, manifest)
    next(folder.glob("images/*/*.png")).unlink()
    with RunStore.open(folder) as store:
        assert len(store.pending()) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_record_with_any_byte_changed_is_not_believed(manifest: Manifest, data: st.DataObject):
    unit = manifest.units[0]
    images = [
        records.image_record(job, picture, b"png") for job, picture in zip(unit.jobs, pictures_of(unit), strict=True)
    ]
    sound = records.encode(unit, images, 0.5)
    assert records.decode(sound, unit) is not None
    place = data.draw(st.integers(0, len(sound) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "drop"]))
    if kind == "flip":
        harmed = sound[:place] + bytes([sound[place] ^ data.draw(st.integers(1, 255))]) + sound[place + 1 :]
    else:
        harmed = sound[:place] if kind == "cut" else sound[:place] + sound[place + 1 :]
    assert records.decode(harmed, unit) is None


def test_a_record_of_another_unit_is_not_believed(folder: Path, manifest: Manifest):
    fill(folder, manifest)
    first, second = manifest.units[:2]
    path = folder / "records" / f"{first.key}.json"
    path.write_bytes((folder / "records" / f"{second.key}.json").read_bytes())
    with RunStore.open(folder) as store:
        assert store.pending() == (first,)


@pytest.mark.parametrize("place", ["../../etc/passwd", "/etc/passwd", "images/aa/../../run.json", "images/aa/x.png"])
def test_a_record_cannot_name_a_file_of_its_own_choice(manifest: Manifest, place: str):
    unit = manifest.units[0]
    images = [records.image_record(job, p, b"png") for job, p in zip(unit.jobs, pictures_of(unit), strict=True)]
    images[0]["file"] = place
    assert records.decode(records.encode(unit, images, 0.5), unit) is None


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


@pytest.mark.parametrize("name", ["records", "images", "features", "failures"])
def test_a_linked_folder_is_refused(folder: Path, manifest: Manifest, tmp_path: Path, name: str):
    fill(folder, manifest)
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{name} is a symbolic link"):
        RunStore.open(folder)


def test_a_linked_folder_of_features_is_refused_and_not_swept(folder: Path, manifest: Manifest, tmp_path: Path):
    fill(folder, manifest)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / ".tmp-mine").write_text("precious")
    (folder / "features" / "abc-images").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="abc-images is a symbolic link"):
        RunStore.open(folder)
    assert (tmp_path / "outside" / ".tmp-mine").exists()


def test_a_full_disk_when_opening_stops_in_one_line(folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch):
    fill(folder, manifest)
    real = Path.mkdir

    def full(path: Path, **options: bool) -> None:
        if path.name == "failures":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, **options)

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(Incomplete, match=f"{folder}: No space left on device; free some space"):
        RunStore.open(folder)


def test_a_linked_shard_file_record_or_manifest_is_not_followed(folder: Path, manifest: Manifest, tmp_path: Path):
    def moved(path: Path) -> None:
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")

    def back(path: Path) -> None:
        path.unlink()
        (tmp_path / "moved").rename(path)

    fill(folder, manifest)
    for path in (next(folder.glob("images/*/*.png")), next(folder.glob("records/*.json"))):
        moved(path)
        with RunStore.open(folder) as store:
            assert len(store.pending()) == 1
        back(path)
    shard = next(folder.glob("images/*"))
    moved(shard)
    with pytest.raises(InputError, match="symbolic link"):
        RunStore.open(folder)
    back(shard)
    moved(folder / "run.json")
    with pytest.raises(InputError, match="not a run folder"):
        RunStore.open(folder)


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


@pytest.mark.parametrize("nth", [0, 1, 2, 3])
def test_a_full_disk_leaves_nothing_half(folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, nth: int):
    """The unit's fourth file is its record; before it there are three images."""
    unit = next(unit for unit in manifest.units if len(unit.jobs) == 3)
    with RunStore.create(folder, manifest) as store:
        calls = iter(range(100))
        real = os.fsync

        def full(descriptor: int) -> None:
            if next(calls) == 2 * nth:  # one for the file, one for its folder
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr("evalsuite.files.os.fsync", full)
        with pytest.raises(Incomplete, match=r"No space left.*free some space") as caught:
            store.add(unit, pictures_of(unit), 0.5)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)
        monkeypatch.undo()
        assert unit in store.pending()
        assert not list(folder.rglob(".tmp-*"))
        assert len(list(folder.glob("images/*/*.png"))) == nth
        store.add(unit, pictures_of(unit), 0.5)
        assert unit not in store.pending()


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


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "record"
    write_atomically(path, b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("evalsuite.files.os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record"]


def test_a_link_under_a_temporary_name_is_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "outside").write_text("precious")
    monkeypatch.setattr("secrets.token_hex", lambda _: "7")
    for name in (".tmp-7-record", f".tmp-{os.getpid()}-record"):
        (tmp_path / name).symlink_to(tmp_path / "outside")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "record", b"new")
    assert (tmp_path / "outside").read_text() == "precious"


def test_a_manifest_comes_back_as_it_was(manifest: Manifest):
    text = json.dumps(manifest.to_json()).encode()
    back = Manifest.from_json(text, "run.json")
    assert back.to_json() == manifest.to_json()
    assert back.units == manifest.units
    assert back.differences(manifest) == ""


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_manifest_is_refused_in_one_line_or_means_the_same(manifest: Manifest, data: st.DataObject):
    sound = json.dumps(manifest.to_json()).encode()
    place = data.draw(st.integers(0, len(sound) - 1))
    harmed = sound[:place] + data.draw(st.binary(max_size=3)) + sound[place + data.draw(st.integers(0, 3)) :]
    if _same_json(harmed, sound):
        assert Manifest.from_json(harmed, "run.json").to_json() == manifest.to_json()
        return
    with pytest.raises(InputError, match=r"^run\.json") as caught:
        Manifest.from_json(harmed, "run.json")
    assert "\n" not in str(caught.value)


def _same_json(one: bytes, other: bytes) -> bool:
    try:
        return canonical(json.loads(one)) == canonical(json.loads(other))
    except ValueError:
        return False


@pytest.mark.parametrize("text", ["[]", "null", "3", '"x"', "{}", '{"format": 99}', '{"format": 1}', "[" * 100_000])
def test_a_file_that_is_no_manifest_is_refused(text: str):
    with pytest.raises(InputError, match=r"run\.json"):
        Manifest.from_json(text.encode(), "run.json")
