"""The training run that generators share: a loss goes down, the weights are averaged, a stopped run goes on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from backbones import dit, unet
from backbones.training.loop import Average, Progress, Saver, compile_blocks, descend, seed_step, set_rates, trapezoid
from backbones.training.muon import optimisers
from backbones.training.supply import Supply

EVERY = 50
BLOCKS = (dit.Block, unet.ResidualBlock, unet.AttentionBlock)
Module = TypeVar("Module", bound=nn.Module)


def fit(model: Module, args: argparse.Namespace, supply: Supply, loss_of: Callable[[Tensor, Tensor], Tensor]) -> Module:
    """Run a recipe (or what is left of it) and return the averaged weights.

    Args:
        model: on its device.
        args: out, steps, seed, lr, warmup, ema, compile and device.
        supply: batches by step.
        loss_of: of latents (B, C, h, w) and ids (B, L), under bf16 autocast; it calls `model`.
    """
    average, rules = Average(model, args.ema), optimisers(model, args.lr)
    parts = {"model": model, "average": average.module, "muon": rules[0], "adamw": rules[1]}
    saver = Saver(args.out / "state.pt", args.steps, **parts)
    if args.compile:
        compile_blocks(model, BLOCKS)
    progress = Progress(args.steps, EVERY)
    weights: Sequence[Tensor] = list(model.parameters())
    for step in range(saver.first, args.steps):
        set_rates(rules, args.lr * trapezoid(step, args.steps, args.warmup, 0.4))
        x0, ids = supply(step)
        seed_step(args.seed, step)
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            loss = loss_of(x0, ids)
        descend(loss, rules, weights)
        average.update(model, step)
        progress(step, loss, len(x0))
        saver(step)
    return average.module
