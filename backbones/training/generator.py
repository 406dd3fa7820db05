"""A generator as the recipes train it, and how its weights and card are written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict

from torch import Tensor, nn

from backbones import dit, unet
from backbones.cards import publish
from backbones.text import TextEncoder, Tokenizer
from backbones.training.data import TRAINING_SIZES
from backbones.training.options import recipe_facts
from backbones.training.pool import Bucket


class Generator(nn.Module):
    """Denoiser and text encoder, named as the bundled files name them."""

    def __init__(self, denoiser: dit.DiT | unet.UNet, text: TextEncoder) -> None:
        super().__init__()
        self.denoiser, self.text = denoiser, text

    def forward(self, x: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        """Velocity (B, C, h, w) at x (B, C, h, w), t (B,), for word ids (B, L)."""
        tokens, pooled, _ = self.text(ids)
        velocity: Tensor = self.denoiser(x, t, tokens, pooled)
        return velocity


def publish_generator(
    model: Generator,
    args: argparse.Namespace,
    tokenizer: Tokenizer,
    measured: Mapping[str, float],
    recipe: str = "backbones.training.train_generator",
    distilled: Mapping[str, object] | None = None,
) -> None:
    """Write weights and card as `backbones.bundled` reads them.

    Args:
        model: averaged.
        args: of the recipe's command.
        tokenizer: of the model.
        measured: on held-out scenes.
        recipe: the module that trained it.
        distilled: what it was distilled for; the files are then called `<kind>-turbo`.
    """
    facts = {
        "kind": args.kind,
        **({} if distilled is None else {"distilled": dict(distilled)}),
        "measured": dict(measured),
        "pool_scenes": sum(len(Bucket.load(args.pool / "train", size).captions) for size in TRAINING_SIZES),
        "parameters": {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()},
        "text": asdict(model.text.config),
        "vocabulary": list(tokenizer.vocabulary),
        **recipe_facts(args, recipe),
    }
    modules = {"denoiser": model.denoiser, "text": model.text}
    publish(args.out, args.kind if distilled is None else f"{args.kind}-turbo", modules, model.denoiser.config, facts)
