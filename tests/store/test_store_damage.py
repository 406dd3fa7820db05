"""Images and records that are damaged, missing, or of another unit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_parts import fill, pictures_of, snapshot

from evalsuite import records
from evalsuite.manifest import Manifest
from evalsuite.records import pixel_sha256
from evalsuite.store import RunStore


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


def test_pixels_are_known_by_their_hash_and_shape():
    flat = np.arange(24, dtype=np.uint8)
    # printf '4x2x3|' | cat - <(bytes 0..23) | sha256sum
    assert pixel_sha256(flat.reshape(2, 4, 3))[:16] == "f261e79799caa728"
    assert pixel_sha256(flat.reshape(4, 2, 3)) != pixel_sha256(flat.reshape(2, 4, 3))
