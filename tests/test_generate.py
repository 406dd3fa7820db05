from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from PIL import Image

from backbones.toy import COLOURS, GaussianWorld
from evalsuite.generate import generate, reproducible
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.plan import Unit, units
from evalsuite.prepare import Shelf, prepare
from evalsuite.progress import Silent
from evalsuite.records import Picture, pixel_sha256
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore


def painted(manifest: Manifest, order: list[Unit], model: object = None) -> dict[str, Picture]:
    painter = Painter(model or tiny_models.conv(), manifest.spec)
    with reproducible(manifest.spec.threads):
        return {job.id: picture for unit in order for job, picture in zip(unit.jobs, painter.paint(unit), strict=True)}


def assert_same(a: dict[str, Picture], b: dict[str, Picture]) -> None:
    assert a.keys() == b.keys()
    for job in a:
        assert np.array_equal(a[job].rgb, b[job].rgb)
        assert a[job].trace == b[job].trace


def all_different(pictures: dict[str, Picture]) -> bool:
    return len({pixel_sha256(picture.rgb) for picture in pictures.values()}) == len(pictures)


@pytest.mark.parametrize("sampler", ["euler", "heun", "midpoint"])
def test_images_do_not_depend_on_the_order_of_units(tiny: Callable[..., RunSpec], sampler: str):
    manifest = prepare(tiny(sampler=sampler), Shelf())
    forwards = painted(manifest, list(manifest.units))
    assert_same(forwards, painted(manifest, list(reversed(manifest.units))))
    assert len(forwards) == 8
    assert all_different(forwards)


def test_images_do_not_depend_on_their_neighbours_or_the_padding(tiny: Callable[..., RunSpec]):
    """At one shape of a pass, a job gives the same bytes with any others, at any place, and alone."""
    manifest = prepare(tiny(prompts=6, aspects=("1:1",)), Shelf())
    spec, prints = manifest.spec, {"tiny_models:conv": "x"}
    usual = painted(manifest, list(manifest.units))
    for jobs in (manifest.jobs[::-1], manifest.jobs[2:5], manifest.jobs[4:5]):
        others = [
            Unit("0" * 64, unit.model, unit.width, unit.height, unit.jobs[::-1], unit.batch)
            for unit in units(jobs, spec, prints, manifest.machine)
        ]
        found = painted(manifest, others)
        assert_same(found, {job: usual[job] for job in found})


def test_every_pass_has_one_shape_per_size(tiny: Callable[..., RunSpec]):
    model = tiny_models.conv()
    manifest = prepare(tiny(), Shelf())
    painted(manifest, list(manifest.units), model)
    assert model.shapes == {(6, 4, 8, 8), (6, 4, 6, 10)}  # 3 images and guidance's other half


def test_a_prompt_is_encoded_once_whatever_the_sizes_and_images(tiny: Callable[..., RunSpec]):
    model = tiny_models.conv()
    manifest = prepare(tiny(num_images=3), Shelf())
    painted(manifest, list(manifest.units), model)
    assert sorted(model.encoded) == sorted(["", *(prompt.text for prompt in manifest.prompts)])


def test_encoded_prompts_are_kept_up_to_a_number_of_bytes(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("evalsuite.painter.KEPT_CONDITIONS", 3 * 512 * 4)  # three prompts of 512 fp32
    model = tiny_models.conv()
    manifest = prepare(tiny(), Shelf())
    painter = Painter(model, manifest.spec)
    for unit in manifest.units:
        painter.paint(unit)
        assert len(painter._conditions) <= 3
    assert len(painter._conditions) == 3
    assert len(model.encoded) > 5


def test_an_edit_differs_from_its_base_by_text_alone(tiny: Callable[..., RunSpec]):
    entries = [{"id": "a", "text": "a cat"}, {"id": "b", "text": "a cat", "base": "a"}, {"id": "c", "text": "a cat"}]
    manifest = prepare(tiny(prompts=entries, aspects=("1:1",)), Shelf())
    base, edit, stranger = (picture.rgb for _, picture in sorted(painted(manifest, list(manifest.units)).items()))
    assert np.array_equal(base, edit)
    assert not np.array_equal(base, stranger)


def test_the_toy_paints_what_the_prompt_names(tiny: Callable[..., RunSpec]):
    """Latents of N(m, s^2) at 64 x 64: their mean is m to 5 s / sqrt(64), in units of half the pixel range."""
    spec = tiny(prompts="smoke", models=("toy",), guidance=1.0, steps=40, limit=4, aspects=("1:1",))
    manifest = prepare(spec, Shelf())
    pictures = painted(manifest, list(manifest.units), GaussianWorld(deviation=0.05))
    wanted = {"smoke-01": "white", "smoke-03": "blue"}
    for job in manifest.jobs:
        if job.prompt_id in wanted:
            mean = pictures[job.id].rgb.mean((0, 1)) / 255
            np.testing.assert_allclose(mean, COLOURS[wanted[job.prompt_id]], atol=0.025)


def test_pixels_are_rounded_and_clamped(tiny: Callable[..., RunSpec]):
    class Ramp(tiny_models.ConvWorld):
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            image = torch.zeros(len(latents), 3, 64, 64)
            image[:, 0, 0, :5] = torch.tensor([-0.3, 0.4999 / 255, 0.5001 / 255, 254.51 / 255, 1.7])
            return image

    manifest = prepare(tiny(prompts=1, aspects=("1:1",)), Shelf())
    (picture,) = painted(manifest, list(manifest.units), Ramp()).values()
    assert picture.rgb[0, :5, 0].tolist() == [0, 0, 1, 255, 255]
    assert picture.status == "ok"


def test_images_that_are_not_finite_are_counted_and_never_written(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(prompts=3, models=("tiny_models:nonfinite",), aspects=("1:1",)), Shelf())
    pictures = painted(manifest, list(manifest.units), tiny_models.nonfinite())
    assert [pictures[job.id].status for job in manifest.jobs] == ["nonfinite", "nonfinite", "ok"]
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        generate(store, lambda name: tiny_models.nonfinite(), Silent())
        assert store.pending() == ()
        assert [found.image["status"] for found in store.images()] == ["nonfinite", "nonfinite", "ok"]
        (sample,) = store.samples(store.images())
        assert sample.prompt_id == "p002"
        assert len(list(store.folder.glob("images/*/*.png"))) == 1


def test_a_velocity_that_is_not_finite_is_found_even_if_the_decoder_hides_it(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
):
    model = tiny_models.conv()
    monkeypatch.setattr(model, "decode", lambda latents: torch.rand(3, 3, 48, 80))
    manifest = prepare(tiny(aspects=("3:2",)), Shelf())
    assert {picture.status for picture in Painter(model, manifest.spec).paint(manifest.units[0])} == {"ok"}
    monkeypatch.setattr(model, "velocity", lambda x, t, condition: torch.full_like(x, float("inf")))
    assert {picture.status for picture in Painter(model, manifest.spec).paint(manifest.units[0])} == {"nonfinite"}


def test_an_image_of_one_colour_is_marked_and_kept(tiny: Callable[..., RunSpec]):
    manifest = prepare(tiny(prompts=3, aspects=("1:1",)), Shelf())
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        generate(store, lambda name: tiny_models.constant(), Silent())
        assert {found.image["status"] for found in store.images()} == {"constant"}
        samples = store.samples(store.images())
        assert len(samples) == 3
        assert len({sample.file for sample in samples}) == 1
        with Image.open(samples[0].file) as image:
            assert np.unique(np.asarray(image)).tolist() == [64]  # round(0.25 * 255)


def test_a_unit_without_memory_is_noted_and_the_others_are_made(
    tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
):
    manifest = prepare(tiny(models=("tiny_models:hungry",)), Shelf())
    with RunStore.create(Path(manifest.spec.output_dir), manifest) as store:
        failures = generate(store, lambda name: tiny_models.hungry(), Silent())
        assert {(f.unit.width, f.unit.height) for f in failures} == {(80, 48)}
        assert len(failures) == 2
        assert "batch 3" in failures[0].reason
        assert set(store.pending()) == {failure.unit for failure in failures}
        assert len(list(store.folder.glob("failures/*.json"))) == 2
        monkeypatch.setattr(tiny_models.Hungry, "starving", False)
        assert generate(store, lambda name: tiny_models.hungry(), Silent()) == ()
        assert store.pending() == ()
        assert list(store.folder.glob("failures/*")) == []


def test_another_error_is_no_lack_of_memory(tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(tiny_models.ConvWorld, "velocity", broken)
    manifest = prepare(tiny(), Shelf())
    with (
        RunStore.create(Path(manifest.spec.output_dir), manifest) as store,
        pytest.raises(RuntimeError, match="mat1"),
    ):
        generate(store, lambda name: tiny_models.conv(), Silent())


def test_a_model_that_decodes_to_another_size_is_told(tiny: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tiny_models.ConvWorld, "decode", lambda self, latents: latents[:, :3])
    manifest = prepare(tiny(), Shelf())
    with pytest.raises(ValueError, match=r"\(3, 6, 10\), not \(3, 48, 80\)"):
        Painter(tiny_models.conv(), manifest.spec).paint(manifest.units[-1])


def test_threads_are_pinned_inside_and_given_back():
    before = torch.get_num_threads()
    with reproducible(1):
        assert torch.get_num_threads() == 1
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.allow_tf32
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), reproducible(1):
        raise KeyError
    assert torch.get_num_threads() == before
