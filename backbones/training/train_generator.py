"""Train a generator (DiT or U-Net) with its text encoder on a pool of latents: one recipe for both.

Rectified flow (arXiv:2209.03003): predict e - x0 at x = (1 - t) x0 + t e, t = sigmoid(n), n ~ N(0, 1)
(arXiv:2403.03206); the caption is dropped in one case of ten, for classifier-free guidance; each batch holds one
aspect-ratio bucket.

    python -m backbones.training.train_generator dit --pool runs/pool --out runs/dit
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones import dit, unet
from backbones.bundled import load_parts
from backbones.text import TextConfig, TextEncoder, Tokenizer
from backbones.training.fit import fit
from backbones.training.generator import Generator, publish_generator
from backbones.training.options import recipe_options
from backbones.training.supply import Supply
from backbones.training.vocabulary import vocabulary

__all__ = ["Generator", "fresh", "held_out_loss", "publish_generator", "train"]

DROP = 0.1
PRESETS: dict[tuple[str, str], dit.DiTConfig | unet.UNetConfig] = {
    **{("dit", name): config for name, config in dit.PRESETS.items()},
    **{("unet", name): config for name, config in unet.PRESETS.items()},
}


def fresh(kind: str, preset: str, words: int) -> Generator:
    """An untrained generator for so many word ids."""
    config = PRESETS[kind, preset]
    denoiser = dit.DiT(config) if isinstance(config, dit.DiTConfig) else unet.UNet(config)
    width = config.text_width
    return Generator(denoiser, TextEncoder(TextConfig(ids=words, width=width, heads=width // 64, mlp_hidden=2 * width)))


def flow_loss(
    model: Callable[[Tensor, Tensor, Tensor], Tensor], x0: Tensor, e: Tensor, t: Tensor, ids: Tensor
) -> Tensor:
    """Mean squared error of the velocity; x0, e (B, C, h, w), t (B,), ids (B, L)."""
    s = t[:, None, None, None]
    return F.mse_loss(model((1 - s) * x0 + s * e, t, ids).float(), e - x0)


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
    model = fresh(args.kind, args.preset, len(tokenizer))
    if args.start is not None:
        parts = load_parts(args.kind, args.start)
        model.load_state_dict(Generator(parts.denoiser, parts.text).state_dict())
        args.start = parts.card["sha256"]  # which the new card names
    model.to(args.device).to(memory_format=torch.channels_last)

    def loss(x0: Tensor, ids: Tensor) -> Tensor:
        e, t = torch.randn_like(x0), torch.randn(len(x0), device=args.device).sigmoid()
        return flow_loss(model, x0, e, t, ids)

    return fit(model, args, Supply(args.pool / "train", tokenizer, args.batch, args.seed, args.device, DROP), loss)


def main() -> None:
    """Train, measure the held-out loss, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("dit", "unet"))
    parser.add_argument("--pool", type=Path, required=True, help="folder of backbones.training.pool")
    parser.add_argument("--preset", default="medium", help="one of the backbone's PRESETS")
    parser.add_argument("--start", type=Path, help="folder of weights of this kind to start from; default: none")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--compile", action="store_true", help="compile each block (pays on a GPU)")
    recipe_options(parser, steps=10_000, batch=512, lr=1e-3)
    parser.add_argument("--ema", type=float, default=0.999, help="decay of the averaged weights")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(vocabulary())
    model = train(args, tokenizer)
    test = Supply(args.pool / "held-out", tokenizer, 64, 0, args.device, DROP)
    measured = {"held_out_loss": round(held_out_loss(model, test, 16), 4)}
    print(measured)
    publish_generator(model, args, tokenizer, measured)


if __name__ == "__main__":
    main()
