"""Our own weights from any folder, through the name that a user writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backbones import bundled
from backbones.cards import publish
from evalsuite import generate_images, models
from evalsuite.errors import InputError
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The bundled transformer under another name, with no VAE beside it."""
    folder = tmp_path / "runs" / "7"
    folder.mkdir(parents=True)
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled.WEIGHTS / f"dit{suffix}", folder / f"step-2400{suffix}")
    return folder


def test_a_file_a_folder_and_the_bundled_name_are_one_model(elsewhere: Path):
    wanted = bundled.dit()
    for path in (elsewhere, elsewhere / "step-2400.safetensors"):
        found = models.resolve(str(path))
        assert found.name == "step-2400"
        assert found.fingerprint == wanted.fingerprint
        assert found.latent_space == wanted.latent_space


def test_a_vae_beside_the_file_or_one_that_is_named_is_taken(elsewhere: Path, tmp_path: Path):
    vae = bundled.load_vae()
    vae.latent_mean.add_(1)
    publish(tmp_path, "other", {"vae": vae}, vae.config, {"kind": "vae"})
    named = models.resolve(f"{elsewhere}?vae={tmp_path / 'other.safetensors'}")
    assert named.fingerprint != bundled.dit().fingerprint
    assert models.resolve(str(elsewhere), (f"vae={tmp_path / 'other.safetensors'}",)).fingerprint == named.fingerprint
    for suffix in (".safetensors", ".json"):
        shutil.copy(tmp_path / f"other{suffix}", elsewhere / f"vae{suffix}")
    assert models.resolve(str(elsewhere)).fingerprint == named.fingerprint


def test_what_is_wrong_with_a_file_is_told(elsewhere: Path):
    with pytest.raises(InputError, match=r"no argument 'vea'.*did you mean 'vae'"):
        models.resolve(f"{elsewhere}?vea=x")
    with pytest.raises(InputError, match=r"vae=x.pt: not a .safetensors file"):
        models.resolve(f"{elsewhere}?vae=x.pt")
    shutil.copy(elsewhere / "step-2400.safetensors", elsewhere / "b.safetensors")
    shutil.copy(elsewhere / "step-2400.json", elsewhere / "b.json")
    with pytest.raises(InputError, match=r"holds b.safetensors, step-2400.safetensors: name one"):
        models.resolve(str(elsewhere))
    with (elsewhere / "b.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x77")
    with pytest.raises(InputError, match="SHA-256"):
        models.resolve(str(elsewhere / "b.safetensors"))


def test_a_path_makes_the_same_images_as_the_name(elsewhere: Path, tmp_path: Path, prompt_file):
    hashes = []
    for place, name in enumerate(("dit", str(elsewhere))):
        spec = RunSpec(
            models=(name,),
            prompts=prompt_file(2),
            aspects=("1:1",),
            pixels=64 * 64,
            steps=2,
            device="cpu",
            threads=1,
            output_dir=str(tmp_path / f"run{place}"),
        )
        with RunStore.open(generate_images(spec)) as store:
            hashes.append([found.image["pixel_sha256"] for found in store.images()])
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) == 2
