"""Train a generator (DiT or U-Net) with its text encoder on a pool of latents: one recipe for both.

Rectified flow (arXiv:2209.03003): predict e - x0 at x = (1 - t) x0 + t e, t = sigmoid(n), n ~ N(0, 1)
(arXiv:2403.03206); the caption is dropped in one case of ten, for classifier-free guidance; each batch holds one
aspect-ratio bucket.

    python -m backbones.training.train_generator dit --pool runs/pool --out runs/dit
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones import dit, unet
from backbones.cards import publish
from backbones.text import TextConfig, TextEncoder, Tokenizer
from backbones.training.data import TRAINING_SIZES
from backbones.training.loop import Average, Progress, Saver, compile_blocks, descend, set_rates, trapezoid
from backbones.training.muon import optimisers
from backbones.training.options import recipe_facts, recipe_options
from backbones.training.pool import Bucket
from backbones.training.vocabulary import vocabulary

EVERY = 50
DROP = 0.1
BLOCKS = (dit.Block, unet.ResidualBlock, unet.AttentionBlock)
PRESETS: dict[tuple[str, str], dit.DiTConfig | unet.UNetConfig] = {
    **{("dit", name): config for name, config in dit.PRESETS.items()},
    **{("unet", name): config for name, config in unet.PRESETS.items()},
}


class Generator(nn.Module):
    """Denoiser and text encoder, named as the bundled files name them."""

    def __init__(self, kind: str, preset: str, words: int) -> None:
        super().__init__()
        config = PRESETS[kind, preset]
        self.denoiser = dit.DiT(config) if isinstance(config, dit.DiTConfig) else unet.UNet(config)
        width = self.denoiser.config.text_width
        self.text = TextEncoder(TextConfig(ids=words, width=width, heads=width // 64, mlp_hidden=2 * width))

    def forward(self, x: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        """Velocity (B, C, h, w) at x (B, C, h, w), t (B,), for word ids (B, L)."""
        tokens, pooled, _ = self.text(ids)
        velocity: Tensor = self.denoiser(x, t, tokens, pooled)
        return velocity


def flow_loss(
    model: Callable[[Tensor, Tensor, Tensor], Tensor], x0: Tensor, e: Tensor, t: Tensor, ids: Tensor
) -> Tensor:
    """Mean squared error of the velocity; x0, e (B, C, h, w), t (B,), ids (B, L)."""
    s = t[:, None, None, None]
    return F.mse_loss(model((1 - s) * x0 + s * e, t, ids).float(), e - x0)


class Supply:
    """Batches of (latents, ids) from the buckets in turn, drawn without a pattern but from a seed."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, batch: int, seed: int, device: str) -> None:
        buckets = [Bucket.load(folder, size) for size in TRAINING_SIZES]
        self.latents = [bucket.latents.to(device) for bucket in buckets]  # 180,000 scenes take 1.5 GB
        self.ids = [tokenizer(bucket.captions).to(device) for bucket in buckets]
        self.batch, self.seed, self.device = batch, seed, device

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Latents (B, C, h, w) fp32 and ids (B, L) of one bucket; the same for the same step."""
        source = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        place = step % len(self.latents)
        latents, ids = self.latents[place], self.ids[place]
        chosen = torch.randint(len(latents), (self.batch,), generator=source).to(self.device)
        dropped = torch.rand(self.batch, 1, generator=source).to(self.device) < DROP
        return latents[chosen].float(), ids[chosen].masked_fill(dropped, 0)


@torch.inference_mode()
def held_out_loss(model: nn.Module, supply: Supply, batches: int) -> float:
    """The loss on scenes that training never saw, at noise and times fixed by the step number."""
    total = 0.0
    for step in range(batches):
        x0, ids = supply(step)
        source = torch.Generator().manual_seed(step)
        e = torch.randn(x0.shape, generator=source).to(x0.device)
        t = torch.randn(len(x0), generator=source).sigmoid().to(x0.device)
        total += float(flow_loss(model, x0, e, t, ids))
    return total / batches


def train(args: argparse.Namespace, tokenizer: Tokenizer) -> Generator:
    """Run the recipe (or what is left of it) and return the averaged weights."""
    torch.manual_seed(args.seed)
    model = Generator(args.kind, args.preset, len(tokenizer)).to(args.device).to(memory_format=torch.channels_last)
    average, rules = Average(model, args.ema), optimisers(model, args.lr)
    parts = {"model": model, "average": average.module, "muon": rules[0], "adamw": rules[1]}
    saver = Saver(args.out / "state.pt", args.steps, **parts)
    if args.compile:
        compile_blocks(model, BLOCKS)
    supply = Supply(args.pool / "train", tokenizer, args.batch, args.seed, args.device)
    progress = Progress(args.steps, EVERY)
    weights: Sequence[Tensor] = list(model.parameters())
    for step in range(saver.first, args.steps):
        set_rates(rules, args.lr * trapezoid(step, args.steps, args.warmup, 0.4))
        x0, ids = supply(step)
        e, t = torch.randn_like(x0), torch.randn(len(x0), device=args.device).sigmoid()
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            loss = flow_loss(model, x0, e, t, ids)
        descend(loss, rules, weights)
        average.update(model, step)
        progress(step, loss, len(x0))
        saver(step)
    return average.module


def publish_generator(
    model: Generator, args: argparse.Namespace, tokenizer: Tokenizer, measured: Mapping[str, float]
) -> None:
    """Write weights and card as `backbones.bundled` reads them."""
    facts = {
        "kind": args.kind,
        "measured": dict(measured),
        "pool_scenes": sum(len(Bucket.load(args.pool / "train", size).captions) for size in TRAINING_SIZES),
        "parameters": {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()},
        "text": asdict(model.text.config),
        "vocabulary": list(tokenizer.vocabulary),
        **recipe_facts(args, "backbones.training.train_generator"),
    }
    modules = {"denoiser": model.denoiser, "text": model.text}
    publish(args.out, args.kind, modules, model.denoiser.config, facts)


def main() -> None:
    """Train, measure the held-out loss, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("dit", "unet"))
    parser.add_argument("--pool", type=Path, required=True, help="folder of backbones.training.pool")
    parser.add_argument("--preset", default="medium", help="one of the backbone's PRESETS")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--compile", action="store_true", help="compile each block (pays on a GPU)")
    recipe_options(parser, steps=10_000, batch=512, lr=1e-3)
    parser.add_argument("--ema", type=float, default=0.999, help="decay of the averaged weights")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(vocabulary())
    model = train(args, tokenizer)
    test = Supply(args.pool / "held-out", tokenizer, 64, 0, args.device)
    measured = {"held_out_loss": round(held_out_loss(model, test, 16), 4)}
    print(measured)
    publish_generator(model, args, tokenizer, measured)


if __name__ == "__main__":
    main()
