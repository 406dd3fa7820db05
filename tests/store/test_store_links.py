"""Links in a run folder are refused, or taken for what is missing; never followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_parts import fill

from evalsuite.errors import InputError
from evalsuite.manifest import Manifest
from evalsuite.store import RunStore


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
