"""Command-line options that every recipe shares, and how they are written down on the card of the weights."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

DATA = "the embedded world (backbones/training): 203 names x 3 styles x 11 colours, training split"
_NOT_THE_RECIPE = ("out", "sprites", "pool", "scorer", "teacher", "workers", "device")


def recipe_options(parser: argparse.ArgumentParser, *, steps: int, batch: int, lr: float) -> None:
    """Add the options of a training run, with this recipe's defaults."""
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, weights and card")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that render")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def recipe_facts(args: argparse.Namespace, module: str) -> dict[str, object]:
    """What a card says of the run: the data, the seed, and the options that decide the weights."""
    options = {key: value for key, value in vars(args).items() if key not in _NOT_THE_RECIPE}
    return {"data": DATA, "recipe": {"module": module, **options}, "steps": args.steps, "seeds": [args.seed]}
