"""The bank: what is in it, that it is saved and read without loss, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import probe_models
import pytest
import torch
from PIL import Image

from backbones.toy import GaussianWorld
from evalsuite.errors import InputError
from evalsuite.probe import bank_file
from evalsuite.probe.bank import Bank, build, draw
from evalsuite.probe.pictures import CAPTIONS, Picture, as_tensor, chosen, fitted
from evalsuite.probe.spec import BankSpec, ProbeSpec, Recipe
from evalsuite.progress import Silent
from evalsuite.reference_images import PICTURES
from prompts import load


def recipe(**changes: object) -> Recipe:
    """A bank of two pictures of the package, four draws and two times, with changes."""
    settings = {"images": 2, "draws": 4, "times": "0.2,0.8"} | changes
    found = ProbeSpec(made=BankSpec(**settings)).recipe()  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of two sizes, named p0 to p4."""
    root = tmp_path / "data"
    root.mkdir()
    random = np.random.default_rng(0)
    for number in range(5):
        size = (64, 48, 3) if number < 2 else (48, 64, 3)
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(root / f"p{number}.png")
    return root


def test_the_package_has_a_caption_for_every_reference_picture_and_the_bank_takes_them_from_every_ratio():
    captions = {prompt.id: prompt.text for prompt in load(str(PICTURES / CAPTIONS)).prompts}
    assert captions.keys() == {path.stem for path in PICTURES.glob("*.webp")}
    found = chosen(recipe(images=7), Silent())
    assert [picture.id for picture in found[:5]] == [
        f"{ratio}-000.webp" for ratio in ("9x16", "2x3", "1x1", "3x2", "16x9")
    ]
    assert found[5].id == "9x16-001.webp"
    assert all(picture.caption == captions[Path(picture.id).stem] for picture in found)
    assert (found[4].width, found[4].height) == (336, 192)


def test_captions_of_a_folder_are_matched_by_name_and_absent_without_prompts(
    folder: Path, prompt_file: Callable[..., str]
):
    prompts = prompt_file([{"id": f"p{n}", "text": f"picture {n}"} for n in range(5)])
    told = chosen(recipe(data=str(folder), prompts=prompts, images=5), Silent())
    assert [(picture.id, picture.caption) for picture in told] == [
        (f"p{n}.png", f"picture {n}") for n in (0, 2, 1, 3, 4)
    ]
    untold = chosen(recipe(data=str(folder), images=3), Silent())
    assert [picture.caption for picture in untold] == [None] * 3
    assert chosen(recipe(prompts="none"), Silent())[0].caption is None


def test_a_size_scales_to_cover_and_cuts_the_centre(folder: Path):
    found = chosen(recipe(data=str(folder), images=5, size="32x32"), Silent())
    assert {(picture.width, picture.height, picture.rgb.shape) for picture in found} == {(32, 32, (32, 32, 3))}
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 200  # the centre third
    assert (fitted(stripes, (20, 20)) == 200).mean() > 0.85
    assert np.array_equal(fitted(stripes, (60, 20)), stripes)
    pixels = as_tensor(found[:2])
    assert pixels.shape == (2, 3, 32, 32)
    assert pixels[0, 1, 2, 3].item() == pytest.approx(found[0].rgb[2, 3, 1] / 255)


def test_noise_is_the_images_own_whatever_else_is_in_the_bank():
    shape = (3, 4, 5)
    two, four = draw(0, "a", 2, shape), draw(0, "a", 4, shape)
    assert torch.equal(two, four[:2])
    others = [draw(0, "b", 2, shape), draw(1, "a", 2, shape), four[2:]]
    assert all(not torch.equal(two, other) for other in others)
    many = draw(0, "c", 50, (4, 32, 32))
    assert many.mean().item() == pytest.approx(0, abs=0.01)
    assert many.std().item() == pytest.approx(1, abs=0.01)


def test_antithetic_draws_are_neighbours_of_opposite_sign(gaussian_bank: Callable[..., Bank]):
    noise = gaussian_bank(images=2, draws=6, side=2).noise(1)
    assert noise.shape == (6, 3, 2, 2)
    assert torch.equal(noise[::2], -noise[1::2])
    assert gaussian_bank(images=2, draws=6, side=2, antithetic=False).noise(0).shape == (6, 3, 2, 2)


def test_models_of_other_latents_get_a_bank_of_the_same_recipe(folder: Path):
    asked = recipe(data=str(folder), images=3)
    pictures = chosen(asked, Silent())
    toy, conv = GaussianWorld(), probe_models.conv()
    one = build(asked, pictures, toy, "toy", "cpu")
    other = build(asked, pictures, conv, "conv", "cpu")
    assert one.recipe == other.recipe
    assert one.sha256 != other.sha256
    assert [tuple(x.shape) for x in one.x0] == [(3, 8, 6), (3, 6, 8), (3, 8, 6)]
    assert other.x0[0].shape == (4, 8, 6)
    again = build(recipe(data=str(folder), images=3, seed=1), pictures, toy, "toy", "cpu")
    assert again.recipe != one.recipe
    expected = torch.nn.functional.avg_pool2d(as_tensor(pictures[:1]), 8) * 2 - 1
    torch.testing.assert_close(one.x0[0], expected[0])


def test_latents_that_do_not_fit_the_model_are_its_fault(folder: Path):
    class Wrong(GaussianWorld):
        def latents(self, images: torch.Tensor) -> torch.Tensor:
            return super().latents(images)[..., 1:]

    asked = recipe(data=str(folder), images=2)
    with pytest.raises(InputError, match="its `latents` is at fault"):
        build(asked, chosen(asked, Silent()), Wrong(), "toy", "cpu")


def test_a_saved_bank_is_read_without_loss_and_written_alike(gaussian_bank: Callable[..., Bank], tmp_path: Path):
    bank = gaussian_bank(images=3, draws=4, side=4, caption="a ball, \u2603")
    for name in ("one", "two"):
        bank_file.write(bank, tmp_path / f"{name}.safetensors")
    for suffix in (".safetensors", ".json"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    found = bank_file.read(tmp_path / "one.safetensors")
    assert (found.images, found.times, found.sha256, found.recipe) == (
        bank.images,
        bank.times,
        bank.sha256,
        bank.recipe,
    )
    assert all(torch.equal(a, b) for a, b in zip(found.drawn + found.x0, bank.drawn + bank.x0, strict=True))


def test_a_bank_that_was_changed_or_is_none_is_refused(gaussian_bank: Callable[..., Bank], tmp_path: Path):
    path, about = tmp_path / "bank.safetensors", tmp_path / "bank.json"
    bank = gaussian_bank(images=2, draws=4, side=4)

    def refusal() -> str:
        with pytest.raises(InputError) as caught:
            bank_file.read(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    bank_file.write(bank, path)
    whole, facts = path.read_bytes(), json.loads(about.read_text())
    path.write_bytes(whole[:-4] + bytes([0, 0, 128, 63]))
    assert "not the bank that its JSON describes" in refusal()
    path.write_bytes(whole[:-8])
    assert "copy it again" in refusal()
    path.write_bytes(whole)
    for change, words in (
        ({"format": 2}, "of format 1"),
        ({"times": []}, "times between 0 and 1"),
        ({"times": [2.0]}, "times between 0 and 1"),
        ({"images": [{"id": 3}]}, "KeyError"),
        ({"images": facts["images"] * 2}, "KeyError"),
        ({"seed": 7}, "not the bank that its JSON describes"),
    ):
        about.write_text(json.dumps(facts | change))
        assert words in refusal()
    about.write_text(json.dumps(facts)[:-2] + ', "x": NaN}')
    assert "not the JSON of a bank" in refusal()
    about.unlink()
    assert "belongs beside the bank's tensors" in refusal()


def test_a_bank_is_named_as_a_file_or_by_the_folder_that_has_it(gaussian_bank: Callable[..., Bank], tmp_path: Path):
    bank_file.write(gaussian_bank(images=2, draws=4, side=4), tmp_path / "bank.safetensors")
    assert bank_file.find(str(tmp_path)) == bank_file.find(str(tmp_path / "bank.safetensors"))
    (tmp_path / "empty").mkdir()
    for name in ("empty", "bank.json", "nowhere.safetensors"):
        with pytest.raises(InputError, match="name one that `evalsuite probe` wrote"):
            bank_file.find(str(tmp_path / name))


@pytest.mark.parametrize(("t", "expected"), [(0.5, 0.0), (0.02, 7.7836), (0.98, -7.7836)])
def test_the_logarithm_of_signal_to_noise_has_its_sign_from_data_to_noise(t: float, expected: float):
    assert bank_file.log_snr(t) == pytest.approx(expected, abs=1e-3)


def test_too_few_pictures_and_corrupt_ones_are_refused(folder: Path):
    with pytest.raises(InputError, match="has 5 images, 20 are asked for: use --images"):
        chosen(recipe(data=str(folder), images=20), Silent())
    (folder / "p1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="1 images are corrupt"):
        chosen(recipe(data=str(folder), images=2), Silent())


def test_pictures_are_what_a_bank_remembers_of_them(folder: Path):
    picture = chosen(recipe(data=str(folder), images=2), Silent())[0]
    assert isinstance(picture, Picture)
    bank = build(recipe(data=str(folder)), [picture, picture], GaussianWorld(), "toy", "cpu")
    assert bank.images[0].pixel_sha256 == picture.pixel_sha256
    assert bank.draws == 4
    assert not bank.has_captions
