"""A training run that was killed and goes on ends with the weights of one that ran straight through."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import turbo
from torch import Tensor, nn

from backbones import dit, unet
from backbones.text import Tokenizer
from backbones.training import distil, loop, train_generator, train_vae
from backbones.training.generator import Generator
from backbones.training.loop import seed_step

STEPS, KILLED_AT = 4, 2


class KilledError(Exception):
    """What ends a run between two steps."""


@pytest.fixture(autouse=True)
def _surroundings(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, a checkpoint after every step, and generators of a size for tests."""
    monkeypatch.setattr(loop, "SECONDS", 0.0)
    monkeypatch.setitem(train_generator.PRESETS, ("dit", "tiny"), dit.DiTConfig(width=64, heads=1, depth=1))
    tiny = unet.UNetConfig(widths=(32,), attention=(True,), head_width=32, embedding=32)
    monkeypatch.setitem(train_generator.PRESETS, ("unet", "tiny"), tiny)


def options(out: Path, **more: object) -> argparse.Namespace:
    out.mkdir()
    shared = {"out": out, "pool": out.parent / "pool", "steps": STEPS, "batch": 4, "lr": 1e-2, "ema": 0.9, "seed": 3,
              "warmup": 1, "workers": 0, "device": "cpu", "compile": False}  # fmt: skip
    return argparse.Namespace(**(shared | more))


def weights_of(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def stopped(train: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a recipe until it is killed at the start of step KILLED_AT."""
    rates: list[float] = []

    def set_rates(rules: object, rate: float) -> None:
        if len(rates) == KILLED_AT:
            raise KilledError
        rates.append(rate)
        real(rules, rate)

    real = loop.set_rates
    with monkeypatch.context() as patch:
        for module in ("backbones.training.fit", "backbones.training.train_vae"):
            patch.setattr(f"{module}.set_rates", set_rates)
        with pytest.raises(KilledError):
            train()


def check(train: Callable[[argparse.Namespace], nn.Module], tmp_path: Path, monkeypatch, **more: object) -> None:
    """A run straight through, and one that is killed and goes on; both must end with the same weights."""
    straight = weights_of(train(options(tmp_path / "straight", **more)))
    args = options(tmp_path / "killed", **more)
    stopped(lambda: train(args), monkeypatch)
    assert torch.load(args.out / "state.pt", weights_only=True)["step"] == KILLED_AT - 1
    torch.rand(17)  # another process would not start where this one left off
    resumed = weights_of(train(args))
    assert all(torch.equal(a, b) for a, b in zip(straight, resumed, strict=True))


@pytest.mark.parametrize("kind", ["dit", "unet"])
def test_a_killed_generator_ends_with_the_weights_of_one_that_ran_through(kind, tmp_path, monkeypatch):
    turbo.pool(tmp_path / "pool")
    words = Tokenizer(turbo.WORDS)
    check(lambda args: train_generator.train(args, words), tmp_path, monkeypatch, kind=kind, preset="tiny", start=None)


def test_a_killed_distillation_ends_with_the_weights_of_one_that_ran_through(tmp_path, monkeypatch):
    turbo.pool(tmp_path / "pool")
    words = Tokenizer(turbo.WORDS, 5)
    teacher = Generator(*turbo.generator()).eval().requires_grad_(False)
    walk = {"kind": "dit", "guidance": 4.0, "passes": 8, "shift": 1.5}
    check(lambda args: distil.train(args, teacher, words), tmp_path, monkeypatch, **walk)


def test_a_killed_vae_ends_with_the_weights_of_one_that_ran_through(tmp_path, monkeypatch, sprites):
    monkeypatch.setattr(train_vae, "CROP", 64)
    monkeypatch.setattr(train_vae, "measure_latents", lambda vae, examples: None)  # of 200 pictures, after the steps
    check(train_vae.train, tmp_path, monkeypatch, sprites=sprites, crops=2)


def test_every_seed_and_step_draws_noise_of_its_own():
    def noise(seed: int, step: int) -> Tensor:
        seed_step(seed, step)
        return torch.randn(1000)

    draws = torch.stack([noise(seed, step) for seed in range(4) for step in range(8)])
    assert torch.equal(noise(2, 5), draws[2 * 8 + 5])
    correlations = torch.corrcoef(draws) - torch.eye(len(draws))
    assert correlations.abs().max() < 0.15  # 4.7 standard deviations of 1/sqrt(1000)


def test_the_noise_of_a_step_is_not_the_stream_that_chose_its_batch():
    supply = torch.Generator().manual_seed(3 * 1_000_003 + 5)
    seed_step(3, 5)
    assert not torch.equal(torch.rand(8), torch.rand(8, generator=supply))
