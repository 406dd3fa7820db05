"""Train the f8 VAE on crops of scenes: L1 + gradient L1 + a faint KL, Muon, averaged weights.

python -m backbones.training.train_vae --sprites artwork/sprites.npy --out runs/vae
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.cards import publish
from backbones.training.data import SIZES, Example, World, batches
from backbones.training.loop import (
    Average,
    Progress,
    Saver,
    compile_blocks,
    descend,
    seed_step,
    set_rates,
    trapezoid,
)
from backbones.training.muon import optimisers
from backbones.training.options import recipe_facts, recipe_options
from backbones.vae import VAE, ResidualBlock

CROP = 128  # pixels; fully convolutional, so crops teach whole pictures
EVERY = 50  # steps between progress lines
KL_WEIGHT = 1e-4


def to_images(pixels: Tensor) -> Tensor:
    """Turn uint8 (B, H, W, 3) into floats (B, 3, H, W) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def image_of(example: Example, device: torch.device) -> Tensor:
    """One picture (1, 3, H, W) in [-1, 1]."""
    return to_images(torch.from_numpy(example.pixels)[None].to(device))


def crops(pixels: Tensor, random: Random, each: int) -> Tensor:
    """Cut `each` squares of CROP pixels out of every picture (B, H, W, 3): (B * each, CROP, CROP, 3) uint8."""
    cuts = []
    height, width = pixels.shape[1:3]
    for picture in pixels:
        for _ in range(each):
            top, left = random.randint(0, height - CROP), random.randint(0, width - CROP)
            cuts.append(picture[top : top + CROP, left : left + CROP])
    return torch.stack(cuts)


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """L1 on pixels and on their horizontal and vertical differences, so that edges stay edges."""
    across = F.l1_loss(output.diff(dim=-1), target.diff(dim=-1))
    down = F.l1_loss(output.diff(dim=-2), target.diff(dim=-2))
    return F.l1_loss(output, target) + across + down


def loss_of(vae: VAE, images: Tensor, noise: Tensor) -> Tensor:
    """Reconstruction from one posterior sample, and 1e-6 of the KL to a unit Gaussian."""
    mean, logvar = vae.encode(images)  # 2 x (B, C, h, w)
    output = vae.decode(mean + (logvar / 2).exp() * noise)  # (B, 3, H, W)
    kl = (mean.square() + logvar.exp() - 1 - logvar).mean() / 2  # nats a latent value
    return reconstruction_loss(output.float(), images) + KL_WEIGHT * kl


@torch.inference_mode()
def psnr(vae: VAE, images: Tensor) -> float:
    """Peak signal-to-noise ratio of the mean's reconstruction, dB, over all pixels of (B, 3, H, W)."""
    output = vae.decode(vae.encode(images)[0]).clamp(-1, 1)
    return -10 * math.log10(float(F.mse_loss(output, images)) / 4)


@torch.inference_mode()
def measure_latents(vae: VAE, examples: Iterable[Example]) -> None:
    """Store the mean and the deviation of every latent channel over the examples."""
    device = vae.latent_mean.device
    latents = torch.cat([vae.encode(image_of(e, device))[0].flatten(2) for e in examples], dim=2)  # (1, C, N)
    vae.latent_mean.copy_(latents.mean(dim=(0, 2)))
    vae.latent_std.copy_(latents.std(dim=(0, 2)))


def train(args: argparse.Namespace) -> VAE:
    """Run the recipe (or what is left of it) and return the averaged weights, latents measured."""
    torch.manual_seed(args.seed)
    vae = VAE().to(args.device).to(memory_format=torch.channels_last)
    average, rules = Average(vae, args.ema), optimisers(vae, args.lr)
    parts = {"vae": vae, "average": average.module, "muon": rules[0], "adamw": rules[1]}
    saver = Saver(args.out / "state.pt", args.steps, **parts)
    if args.compile:
        compile_blocks(vae, (ResidualBlock,))
    scenes = args.batch // args.crops
    world = World(args.sprites, "vae", "train", args.seed, args.steps * scenes, tuple(SIZES.values()), scenes)
    progress = Progress(args.steps, EVERY)
    for step, batch in enumerate(batches(world, args.workers, saver.first), start=saver.first):
        set_rates(rules, args.lr * trapezoid(step, args.steps, 50, 0.5))
        cuts = crops(batch.pixels, Random(step), args.crops).to(args.device)
        images = to_images(cuts).to(memory_format=torch.channels_last)
        seed_step(args.seed, step)
        noise = torch.randn(len(images), 4, CROP // 8, CROP // 8, device=args.device)
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            loss = loss_of(vae, images, noise)
        descend(loss, rules)
        average.update(vae, step)
        progress(step, loss, len(images))
        saver(step)
    best = average.module
    measure_latents(best, [world[index] for index in range(200)])
    return best


def main() -> None:
    """Train, measure on held-out scenes, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recipe_options(parser, steps=7000, batch=64, lr=2e-3)
    parser.add_argument("--compile", action="store_true", help="compile each block (pays on a GPU)")
    parser.add_argument("--ema", type=float, default=0.998, help="decay of the averaged weights")
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--crops", type=int, default=2, help="crops of each scene")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    vae = train(args)
    held_out = World(args.sprites, "vae-test", "held-out", args.seed, 100, tuple(SIZES.values()))
    quality = [psnr(vae, image_of(held_out[index], torch.device(args.device))) for index in range(len(held_out))]
    measured = {"psnr_db_held_out": round(sum(quality) / len(quality), 2), "scenes": len(quality)}
    print(measured)
    facts = {"kind": "vae", "measured": measured, **recipe_facts(args, "backbones.training.train_vae")}
    publish(args.out, "vae", {"vae": vae}, vae.config, facts)


if __name__ == "__main__":
    main()
