from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_diffusers
import torch

from backbones import bundled
from backbones.adm_unet import ADMUNet
from backbones.facebook_dit import FacebookDiT, FacebookDiTConfig
from evalsuite.cost import shapes
from evalsuite.cost.count import Counts
from evalsuite.cost.find import find
from evalsuite.cost.from_loaded import load
from evalsuite.cost.memory import parameters
from evalsuite.cost.own import of_facebook
from evalsuite.cost.size import Size
from evalsuite.errors import InputError
from evalsuite.loaders.adm_flags import config_of, read_flags

FLAGS = {
    "image_size": 64, "num_channels": 32, "num_res_blocks": 1, "channel_mult": "1,2", "attention_resolutions": "32",
    "class_cond": True, "learn_sigma": True, "noise_schedule": "cosine", "num_head_channels": 16,
}  # fmt: skip
FAMILIES = sorted(set(tiny_diffusers.MAKERS) - {"sd1_pndm", "sd2", "flux_schnell", "sd3_without_t5", "pixart_sigma"})
SIZE = Size(64, 64)


def forward(name: str, size: Size = SIZE) -> int:
    return Counts(find(name), torch.float32).split("denoiser", size).total


@pytest.mark.parametrize("name", ["dit", "unet"])
def test_a_bundled_model_is_counted_from_its_card_as_the_model_itself(name: str):
    card, model = find(name), bundled.load(name)
    for network, module in (("denoiser", model.denoiser), ("text", model.text), ("vae", model.vae)):
        assert parameters([card.networks[network].module]) == sum(weight.numel() for weight in module.parameters())
    assert (card.stride, card.factor) == (model.stride, 8)
    assert all(weight.device.type == "meta" for weight in card.denoiser.module.parameters())
    loaded = load(name)
    for network in ("denoiser", "text", "vae"):
        assert Counts(card, torch.float32).split(network, SIZE) == Counts(loaded, torch.float32).split(network, SIZE)


def test_a_card_and_its_weights_beside_each_other_are_the_same_model(tmp_path: Path):
    for part in ("dit.json", "dit.safetensors"):
        (tmp_path / part).symlink_to(bundled.WEIGHTS / part)
    assert forward(str(tmp_path / "dit.json")) == forward(str(tmp_path / "dit.safetensors")) == forward("dit")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_diffusers_folder_is_counted_from_its_configurations_as_the_loaded_model(family: str, tmp_path: Path):
    folder = tiny_diffusers.write(family, tmp_path / "pipe", tmp_path)
    for weights in folder.rglob("*.safetensors"):
        weights.rename(weights.with_suffix(".kept"))
    found = find(str(folder))
    for weights in folder.rglob("*.kept"):
        weights.rename(weights.with_suffix(".safetensors"))
    reference, size = load(str(folder)), SIZE.fitting(found.stride)
    assert found.networks.keys() == reference.networks.keys()
    assert (found.stride, found.factor, found.samplers) == (reference.stride, reference.factor, reference.samplers)
    for network in found.networks:
        ours, theirs = (Counts(subject, torch.float32).split(network, size) for subject in (found, reference))
        assert ours == theirs
        assert ours.total > 0


def test_a_denoiser_s_folder_is_that_of_its_pipeline_and_alone_has_no_vae(tmp_path: Path):
    folder = tiny_diffusers.write("sd1", tmp_path / "pipe", tmp_path)
    assert find(str(folder / "unet")).networks.keys() == {"denoiser", "text", "vae"}
    (tmp_path / "config.json").write_bytes((folder / "unet" / "config.json").read_bytes())
    alone = find(str(tmp_path / "config.json"))
    assert alone.networks.keys() == {"denoiser"}
    assert alone.notes == ("without a VAE, 8 pixels along a side of a latent are assumed",)
    assert forward(str(tmp_path / "config.json")) == forward(str(folder))


def test_guided_diffusion_is_counted_from_its_flags_alone(tmp_path: Path):
    path = tmp_path / "adm.json"
    path.write_text(json.dumps(FLAGS))
    found = find(str(path))
    assert (found.stride, found.factor, found.two_pass, found.vae) == (2, 1, False, None)
    network = ADMUNet(config_of(read_flags(path, path), 1000, path))
    torch.save(network.state_dict(), tmp_path / "adm.pt")
    assert forward(str(tmp_path / "adm.pt")) == forward(str(path))


def test_a_checkpoint_of_facebook_dit_is_counted_as_its_architecture(tmp_path: Path):
    config = FacebookDiTConfig(width=32, depth=2, heads=2, patch=2, grid=4, rows=1001, hidden=64)
    network = FacebookDiT(config)
    for weight in network.parameters():
        weight.data.normal_()
    torch.save(network.state_dict(), tmp_path / "dit.pt")
    found = Counts(find(f"{tmp_path / 'dit.pt'}?vae=bundled&heads=2"), torch.float32)
    assert found.split("denoiser", SIZE) == Counts(of_facebook("x", network.to("meta"), None), torch.float32).split(
        "denoiser", SIZE
    )
    assert found.split("vae", SIZE).total > 0


def test_a_model_of_another_package_is_followed_through_the_protocol(counts: Callable[[str], Counts]):
    found = counts("tiny_models:conv")
    places = (64 // 8) ** 2
    assert found.split("denoiser", SIZE).convolution == 2 * places * 9 * 4 * 16 * 2
    assert found.split("denoiser", SIZE).other == 2 * (512 + 512 * 16 + 512 * 16)
    assert found.split("vae", SIZE).convolution == 2 * places * 9 * 4 * 3
    assert found.subject.notes[0].startswith("its text encoder is not counted")
    assert counts("tiny_models:noisy").split("denoiser", SIZE) == found.split("denoiser", SIZE)


@pytest.mark.parametrize("name", set(shapes.NAMES) - {"dit-l-2", "dit-b-2"})
def test_every_published_shape_can_be_built(name: str, counts: Callable[[str], Counts]):
    subject = counts(f"shape:{name}").subject
    assert subject.vae is not None
    assert (subject.text is None) == name.startswith("dit")
    assert all(weight.device.type == "meta" for weight in subject.denoiser.module.parameters())


def test_without_diffusers_shapes_that_need_it_say_so_and_dit_has_no_vae(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(InputError, match=r"pip install 'evalsuite\[diffusers\]'"):
        find("shape:flux-dev")
    found = find("shape:dit-s-2")
    assert found.vae is None
    assert "its VAE is not counted" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no readable JSON object"),
        ('{"a": NaN', "no readable JSON object"),
        ("{}", "neither a config.json of diffusers"),
        ('{"_class_name": "UNet1DModel"}', "UNet1DModel is no denoiser that we know"),
        ('{"_class_name": "FluxTransformer2DModel", "num_attention_heads": "x"}', "makes no network"),
        ('{"kind": "dit", "config": {"width": 7}, "text": {"ids": 3}}', "makes no network|does not divide"),
        ('{"kind": "dit", "config": {"wide": 7}, "text": {"ids": 3}}', "unexpected keyword"),
        ('{"kind": "unet", "config": {}}', "not a table"),
        ('{"attention_resolutions": "8"}', "lacks image_size"),
    ],
)
def test_a_configuration_that_says_nothing_sound_is_refused_in_one_line(content: str, message: str, tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        find(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shape:dit-xl2", "did you mean shape:dit-xl-2"),
        ("shape:", "known: dit-s-2"),
        ("nonsense", "no model 'nonsense'"),
        ("nowhere/config.json", "no readable JSON object"),
        ("nowhere/folder", "no such file or folder"),
        ("tiny_models:nothing", "has no name"),
    ],
)
def test_an_unknown_name_is_refused(name: str, message: str):
    with pytest.raises(InputError, match=message):
        find(name)


def test_a_folder_with_code_and_a_folder_of_images_are_refused(tmp_path: Path):
    folder = tiny_diffusers.write("dit", tmp_path / "pipe", tmp_path)
    (folder / "transformer" / "model.py").write_text("")
    with pytest.raises(InputError, match="may bring no code"):
        find(str(folder))
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="folder of images"):
        find(str(images))


def test_a_model_that_needs_its_numbers_cannot_be_followed(monkeypatch: pytest.MonkeyPatch):
    found = find("tiny_models:conv")
    module = found.denoiser.module[0]

    def look(x: torch.Tensor, *_: object) -> float:
        return x.sum().item()

    monkeypatch.setattr(type(module), "velocity", lambda self, *given: look(*given))
    with pytest.raises(InputError, match="cannot be followed on the meta device at 64x64"):
        Counts(found, torch.float32).split("denoiser", SIZE)
