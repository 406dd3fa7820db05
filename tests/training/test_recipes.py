"""The recipes end to end, at a size that takes seconds: their files must load as the bundled ones do."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from backbones import bundled, dit, unet
from backbones.cards import publish
from backbones.text import Tokenizer
from backbones.training import train_generator, train_vae
from backbones.training.data import TRAINING_SIZES, World
from backbones.training.options import recipe_facts
from backbones.training.pool import Bucket, encode_bucket
from backbones.vae import VAE


def options(out: Path, **more: object) -> argparse.Namespace:
    shared = {"out": out, "steps": 2, "batch": 2, "lr": 1e-3, "ema": 0.9, "seed": 0, "workers": 0, "device": "cpu"}
    return argparse.Namespace(**(shared | more))


@pytest.fixture(scope="module")
def vae(tmp_path_factory, sprites) -> tuple[VAE, Path]:
    out = tmp_path_factory.mktemp("vae")
    args = options(out, sprites=sprites, crops=2, compile=False)
    trained = train_vae.train(args)
    facts = {"kind": "vae", **recipe_facts(args, "test")}
    publish(out, "vae", {"vae": trained}, trained.config, facts)
    return trained, out


@pytest.fixture(scope="module")
def pool(tmp_path_factory, sprites, vae) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    for size in TRAINING_SIZES:
        encode_bucket(vae[0], World(sprites, "pool", "train", 0, 4, (size,), 2), folder, options(folder))
    return folder


def test_the_vae_recipe_moves_the_weights_and_measures_the_latents(vae):
    torch.manual_seed(0)
    start = VAE()
    trained, _ = vae
    assert not torch.equal(trained.decoder[0].weight, start.decoder[0].weight)
    assert (trained.latent_std > 0).all()
    assert not torch.equal(trained.latent_std, start.latent_std)


def test_a_pool_holds_the_normalised_latents_of_its_scenes(pool):
    bucket = Bucket.load(pool, (320, 208))
    assert bucket.latents.shape == (4, 4, 26, 40)
    assert bucket.latents.dtype == torch.float16
    assert len(bucket.captions) == 4


@pytest.mark.parametrize("kind", ["dit", "unet"])
def test_a_generator_trains_stops_goes_on_and_loads_as_a_bundled_model(kind, pool, vae, tmp_path, monkeypatch):
    monkeypatch.setitem(train_generator.PRESETS, ("dit", "tiny"), dit.DiTConfig(width=64, heads=1, depth=1))
    tiny = unet.UNetConfig(widths=(32,), attention=(True,), head_width=32)
    monkeypatch.setitem(train_generator.PRESETS, ("unet", "tiny"), replace(tiny, text_width=256))
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "train").symlink_to(pool)
    words = Tokenizer(["a", "cat"])
    args = options(tmp_path, kind=kind, preset="tiny", pool=tmp_path / "pool", warmup=1, compile=False, start=None)
    whole = train_generator.train(args, words)
    (tmp_path / "state.pt").unlink()
    train_generator.train(argparse.Namespace(**{**vars(args), "steps": 1}), words)
    assert set(torch.load(tmp_path / "state.pt", weights_only=True)) == {"step", "model", "average", "muon", "adamw"}

    train_generator.publish_generator(whole, args, words, {"held_out_loss": 1.0})
    for name in ("vae.json", "vae.safetensors"):
        (tmp_path / name).write_bytes((vae[1] / name).read_bytes())
    model = bundled.load(kind, tmp_path)
    x, condition = torch.randn(2, 4, 26, 40), model.encode(["a cat", ""])
    assert model.velocity(x, torch.tensor([0.2, 0.8]), condition).shape == x.shape
    assert model.decode(x).shape == (2, 3, 208, 320)

    (tmp_path / "more").mkdir()
    more = argparse.Namespace(**{**vars(args), "out": tmp_path / "more", "start": tmp_path, "lr": 0.0})
    again = train_generator.train(more, words)
    assert_close(again.denoiser.state_dict(), model.denoiser.state_dict(), atol=0, rtol=0)
    assert more.start == json.loads((tmp_path / f"{kind}.json").read_text())["sha256"]
