"""A folder of images in the place of a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.painter import Painter
from evalsuite.pipeline import generate_images, make
from evalsuite.prepare import Shelf, prepare
from evalsuite.records import pixel_sha256
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore

SIZES = ((64, 64), (80, 48))
Spec = Callable[..., RunSpec]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Two images of each of four prompts at both sizes of `tiny`, numbered from 1."""
    folder, generator = tmp_path / "midnight", np.random.default_rng(0)
    for n in range(4):
        (folder / f"p{n:03}").mkdir(parents=True)
        for width, height in SIZES:
            for index in (1, 2):
                rgb = generator.integers(0, 256, (height, width, 3), np.uint8)
                place = index + (2 if width == 80 else 0)
                Image.fromarray(rgb).save(folder / f"p{n:03}" / f"{place}.png")
    return folder


def shown(run: Path) -> dict[tuple[str, int, int], str]:
    with RunStore.open(run) as store:
        return {(job.prompt_id, job.width, job.index): image["pixel_sha256"] for job, image in store.images()}


def test_its_images_are_those_of_the_run_by_prompt_size_and_index(elsewhere: Path, tiny: Spec):
    found = shown(generate_images(tiny(models=(str(elsewhere),), num_images=2)))
    assert len(found) == 16
    for (id, width, index), sha in found.items():
        file = elsewhere / id / f"{index + 1 + (2 if width == 80 else 0)}.png"
        assert sha == pixel_sha256(np.asarray(Image.open(file)))


def test_it_is_scored_beside_a_model_that_draws(elsewhere: Path, tiny: Spec):
    outcome = make(tiny(models=("tiny_models:conv", str(elsewhere)), metrics=("hps", "v_variance")), scored=True)
    rows = outcome.rows
    assert rows is not None
    scores = rows[(rows["metric"] == "hps@scenes") & (rows["slice"] == "all")]
    assert dict(zip(scores["model"], scores["n"], strict=True)) == {"tiny_models:conv": 8, str(elsewhere): 8}
    traced = rows[(rows["metric"] == "v_variance@trajectory") & (rows["slice"] == "all")]
    assert dict(zip(traced["model"], traced["n"], strict=True)) == {"tiny_models:conv": 8, str(elsewhere): 0}


def test_its_identity_is_that_of_its_files(elsewhere: Path):
    before = models.resolve(str(elsewhere))
    assert (before.name, before.stride) == ("midnight", 16)
    (elsewhere / "p000" / "1.png").rename(elsewhere / "p000" / "9.png")
    assert models.resolve(str(elsewhere)).fingerprint != before.fingerprint


def test_a_new_shelf_needs_only_the_prompts_to_make_the_images_again(elsewhere: Path, tiny: Spec):
    manifest = prepare(tiny(models=(str(elsewhere),)), Shelf())
    painter = Painter(Shelf(manifest.prompts).take(str(elsewhere), manifest.spec), manifest.spec)
    assert all(picture.rgb is not None for unit in manifest.units for picture in painter.paint(unit))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"prompts": 5},
            "no sound image for 2 of 10 .* first 0 of prompt 'p004' at 64x64; it has 8 of 64x64, 8 of 80x4",
        ),
        ({"num_images": 3}, "no sound image for 8 of 24 that this run asks for, first 2 of prompt 'p000'"),
        ({"pixels": 256 * 256}, "at 256x256; it has 8 of 64x64, 8 of 80x48: choose --aspects and --pixels to suit"),
    ],
)
def test_images_that_it_lacks_are_told_before_anything_is_written(
    elsewhere: Path, tiny: Spec, tmp_path: Path, change: dict[str, object], words: str
):
    with pytest.raises(InputError, match=words):
        generate_images(tiny(models=(str(elsewhere),), **change))
    assert not (tmp_path / "run").exists()


def test_a_damaged_image_counts_as_none(elsewhere: Path, tiny: Spec):
    (elsewhere / "p002" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no sound image for 1 of 16"):
        generate_images(tiny(models=(str(elsewhere),), num_images=2))


def test_what_needs_a_network_is_refused(elsewhere: Path):
    with pytest.raises(InputError, match="is a folder of images, which can only be scored and compared"):
        models.resolve(str(elsewhere)).encode(["a cat"])
    with pytest.raises(InputError, match="known: none"):
        models.resolve(f"{elsewhere}?size=3")
