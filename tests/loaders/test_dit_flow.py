"""A checkpoint of facebookresearch/DiT, from its file to scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from backbones.protocol import PathSettings
from backbones.solvers import Seen, ddim
from backbones.spacing import ddim_legs
from evalsuite import models
from evalsuite.errors import InputError
from evalsuite.pipeline import run
from evalsuite.spec import RunSpec


def loaded(path: Path, *args: str):
    return models.resolve(str(path), ("heads=2", "vae=bundled", *args))


def test_raw_weights_those_of_a_training_file_and_safetensors_are_one_model(dit_file: Callable[..., Path]):
    raw, training = dit_file(), dit_file("train.pt", wrapper="ema")
    save_file(torch.load(raw, weights_only=True), raw.with_suffix(".safetensors"))
    found = [loaded(path) for path in (raw, training, raw.with_suffix(".safetensors"))]
    assert len({model.fingerprint for model in found}) == 1
    assert found[0].name == "tiny-dit"
    assert found[0].latent_shape(96, 64) == (4, 8, 12)
    assert found[0].native.learned_variance
    assert found[0].native.schedule.alphas_cumprod[-1] == pytest.approx(4.0358e-5, rel=1e-4)


def test_guidance_moves_three_channels_as_the_repository_does_or_all(dit_file: Callable[..., Path]):
    path, generator = dit_file(), torch.Generator().manual_seed(0)
    x, t = torch.randn(2, 4, 8, 8, generator=generator), torch.tensor([500.0, 500.0])
    three, four = loaded(path), loaded(path, "cfg_channels=4")
    assert three.fingerprint != four.fingerprint
    condition, null = three.encode(["tench", "class 7"]), three.encode([""])
    aware, blind = three.raw(x, t, condition), three.raw(x, t, {"labels": null["labels"].expand(2)})
    wanted = blind + 3 * (aware - blind)
    all_four = four.guide(condition, null, 3.0)(x, t).output
    torch.testing.assert_close(all_four, wanted, atol=1e-5, rtol=0)
    first = three.guide(condition, null, 3.0)(x, t).output
    torch.testing.assert_close(first[:, :3], wanted[:, :3], atol=1e-5, rtol=0)
    torch.testing.assert_close(first[:, 3:], aware[:, 3:], atol=1e-5, rtol=0)
    assert (wanted - aware).abs().amin((0, 2, 3)).max() > 0


def test_it_samples_evenly_spaced_timesteps_without_clamping(dit_file: Callable[..., Path]):
    model = loaded(dit_file())
    noise, condition = torch.randn(1, 4, 8, 8), model.encode(["class 1"])
    *_, last = model.path(noise, condition, model.encode([""]), PathSettings(4, 1.0, "ddim"))
    asked = []

    def see(x, level):
        asked.append(level.timestep)
        return Seen(model.raw(x, torch.tensor([level.timestep]), condition), None)

    *_, wanted = ddim(see, noise, ddim_legs(model.native.schedule, 4, "linspace", 0, True), "eps")
    assert asked == [999, 666, 333, 0]
    assert torch.equal(last.x, wanted.x)


def test_it_goes_through_the_whole_run(dit_file: Callable[..., Path], tiny: Callable[..., RunSpec], class_prompts: str):
    name = f"{dit_file()}?heads=2&vae=bundled"
    rows = run(tiny(class_prompts, models=(name,), sampler="auto"))
    found = rows[(rows["metric"] == "v_variance@trajectory") & (rows["slice"] == "all")]
    assert found["n"].tolist() == [6]
    assert found["value"].item() > 0


def test_a_text_that_is_no_class_is_refused_before_anything_is_written(
    dit_file: Callable[..., Path], tiny: Callable[..., RunSpec], tmp_path: Path
):
    with pytest.raises(InputError, match="'tiny-dit' knows 1000 classes and no texts, and prompt 'a red ball, number"):
        run(tiny(models=(f"{dit_file()}?heads=2&vae=bundled",)))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def kl_folder(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        torch.manual_seed(0)
        sizes = {
            "block_out_channels": (8, 8, 8, 8),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "norm_num_groups": 4,
        }
        AutoencoderKL(**sizes | changes).save_pretrained(tmp_path / "vae")
        return tmp_path / "vae"

    return write


def test_an_autoencoder_of_diffusers_decodes_what_the_repository_would(
    dit_file: Callable[..., Path], kl_folder: Callable[..., Path]
):
    folder = kl_folder()
    model = models.resolve(f"{dit_file()}?heads=2&vae={folder}")
    latents = torch.randn(1, 4, 8, 8)
    wanted = AutoencoderKL.from_pretrained(folder, low_cpu_mem_usage=False).eval().decode(latents / 0.18215).sample
    torch.testing.assert_close(model.decode(latents), (wanted + 1) / 2)
    assert model.latent_space != loaded(dit_file()).latent_space


def test_an_autoencoder_of_other_latents_is_refused(dit_file: Callable[..., Path], kl_folder: Callable[..., Path]):
    name = f"{dit_file()}?heads=2&vae={kl_folder(scaling_factor=0.13025)}"
    with pytest.raises(InputError, match=r"scaled by 0.13025 and shifted by 0, this model's by 0.18215 and 0"):
        models.resolve(name)
    kl_folder(latent_channels=16)
    with pytest.raises(InputError, match=r"decodes 16 channels by 8, this model draws 4 by 8"):
        models.resolve(name)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("heads=2",), "a DiT draws latents: name what decodes them, vae=FOLDER"),
        (("heads=2", "vae=none"), "a DiT draws latents"),
        (("vae=bundled",), "width 32 is of no DiT size: say heads=N"),
        (("heads=5", "vae=bundled"), "heads=5 does not divide the width 32"),
        (("heads=2", "vae=bundled", "cfg_channels=2"), "cfg_channels=2: 3 guides as"),
        (("heads=2", "vae=bundled", "cfg_channels=x"), "cfg_channels=x: give a whole number"),
        (("heads=2", "vea=bundled"), "did you mean 'vae'"),
        (("heads=2", "vae=nowhere"), "no diffusers folder of an AutoencoderKL"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_told(dit_file: Callable[..., Path], args: tuple[str, ...], words: str):
    with pytest.raises(InputError, match=words):
        models.resolve(str(dit_file()), args)


def test_keys_that_differ_are_named(dit_file: Callable[..., Path]):
    path = dit_file()
    state = torch.load(path, weights_only=True)
    state["blocks.1.attn.q_norm.weight"] = state.pop("blocks.1.attn.proj.bias")
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"attn.proj.bias is absent, expected 32; blocks.1.attn.q_norm.weight is 32, "):
        loaded(path)


def test_learned_positions_hold_for_the_trained_size_alone(dit_file: Callable[..., Path]):
    path = dit_file()
    state = torch.load(path, weights_only=True)
    state["pos_embed"] = state["pos_embed"] + 0.1
    torch.save(state, path)
    model = loaded(path)
    assert model.latent_shape(64, 64) == (4, 8, 8)
    with pytest.raises(InputError, match="learned positions for 64x64 alone, not for 96x64: use --aspects 1:1"):
        model.latent_shape(96, 64)
