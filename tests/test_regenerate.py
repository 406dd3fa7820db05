from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from PIL import Image

import evalsuite
from evalsuite import RunSpec, cli
from evalsuite.errors import Incomplete, InputError
from evalsuite.records import pixel_sha256
from evalsuite.regenerate import regenerate
from evalsuite.store import RunStore

ID = "tiny_models:conv|p002|80x48|0"


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


@pytest.fixture
def folder(tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return evalsuite.generate_images(tiny())


def test_every_image_of_a_run_can_be_made_again_alone(folder: Path, tmp_path: Path):
    with RunStore.open(folder) as store:
        images = store.images()
    for number, (job, image) in enumerate(images):
        found = regenerate(folder, job.id, tmp_path / f"{number}.png")
        assert found.verdict == "equal"
        again = np.asarray(Image.open(found.file))
        assert pixel_sha256(again) == image["pixel_sha256"] == found.recorded == found.pixel_sha256


def test_the_file_is_named_after_the_image_and_nothing_is_overwritten(folder: Path, tmp_path: Path):
    found = regenerate(folder, ID)
    assert Path(found.file) == Path("tiny-models-conv-p002-80x48-0.png")
    with pytest.raises(InputError, match="is there already"):
        regenerate(folder, ID)
    with pytest.raises(InputError, match="lies in the run folder"):
        regenerate(folder, ID, folder / "images" / "x.png")
    with pytest.raises(InputError, match=r"ends in .png"):
        regenerate(folder, ID, tmp_path / "x.jpg")
    with pytest.raises(InputError, match="there is no folder"):
        regenerate(folder, ID, tmp_path / "no" / "x.png")
    with pytest.raises(InputError, match=r"did you mean 'tiny_models:conv\|p002"):
        regenerate(folder, "tiny_models:conv|p02|80x48|0")


def test_an_image_that_was_never_made_is_made(folder: Path):
    for record in (folder / "records").iterdir():
        record.unlink()
    found = regenerate(folder, ID)
    assert (found.verdict, found.recorded) == ("not recorded", None)
    assert Path(found.file).is_file()


def test_an_image_that_is_not_finite_has_no_file(tiny: Callable[..., RunSpec], tmp_path: Path):
    folder = evalsuite.generate_images(tiny(models=("tiny_models:nonfinite",)))
    with pytest.raises(Incomplete, match="its record says nonfinite"):
        regenerate(folder, "tiny_models:nonfinite|p000|80x48|0", tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_the_command_says_whether_it_is_the_recorded_one(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            cli.main(["regenerate", str(folder), "--quiet", *words])
        return int(caught.value.code or 0), capsys.readouterr().out

    code, out = run("--id", ID, "--format", "json")
    assert code == 0
    assert json.loads(out)["verdict"] == "equal"

    class Other(tiny_models.ConvWorld):
        def decode(self, latents):
            return super().decode(latents).flip(-1)

    monkeypatch.setattr(tiny_models, "conv", Other)
    code, out = run("--id", ID, "--output", "other.png")
    assert code == 1
    assert "differs by" in out
    assert run("--id", "nonsense")[0] == 2
