"""Distil a trained generator into one that takes half the steps, each in one pass instead of two.

Guidance distillation at one scale (arXiv:2210.03142, section 3.1) and one round of progressive distillation
(arXiv:2202.00512) in one go. Times are those of the sampler: t_i of K steps, and between t_i and t_i+1 the time m_i of
2 K steps. From x = (1 - t_i) x0 + t_i e the frozen teacher walks two guided Euler steps, to m_i and to t_i+1; the
student, which starts as the teacher, is fitted to the mean velocity of that walk by its one prediction at (x, t_i). All
steps are drawn equally often and squared errors of the velocity are not weighted. No caption is dropped: the student is
never asked for the null prompt.

    python -m backbones.training.distil dit --teacher runs/dit --pool runs/pool --out runs/dit-turbo

Letters: B batch, C latent channels, h x w latent sides, L words, K steps of the student.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.bundled import load_parts
from backbones.guidance import guide
from backbones.protocol import Condition
from backbones.sampler import timesteps
from backbones.text import PAD, Tokenizer
from backbones.training.fit import BLOCKS, fit
from backbones.training.generator import Generator, publish_generator
from backbones.training.loop import compile_blocks
from backbones.training.options import recipe_options
from backbones.training.supply import Supply

At = Callable[[Tensor, Tensor], Tensor]
"""Velocity (B, C, h, w) at x (B, C, h, w), t (B,)."""


class Fields(NamedTuple):
    """The teacher's velocities of some captions."""

    guided: At
    plain: At


class Point(NamedTuple):
    """Where the student is asked, and what the teacher makes of it."""

    x: Tensor  # (B, C, h, w)
    t: Tensor  # (B,)
    target: Tensor  # (B, C, h, w)


def legs(passes: int, shift: float) -> Tensor:
    """Times (K, 3) before, halfway and after each of K = `passes` steps: every step is two of the 2 K."""
    return torch.tensor(timesteps(2 * passes, shift)).unfold(0, 3, 2)


def mean_velocity(field: At, x: Tensor, leg: Tensor) -> Tensor:
    """Mean velocity (B, C, h, w) of two Euler steps.

    Args:
        field: what is walked along.
        x: (B, C, h, w) at the first time.
        leg: times (B, 3), falling.
    """
    first, second = (-leg.diff(dim=1)).T[:, :, None, None, None]  # 2 x (B, 1, 1, 1)
    start = field(x, leg[:, 0])
    end = field(x - first * start, leg[:, 1])
    mean: Tensor = (first * start + second * end) / (first + second)
    return mean


def fields_of(teacher: Generator, ids: Tensor, guidance: float) -> Fields:
    """The teacher's velocities for word ids (B, L), in fp32; captions and null prompt in one pass."""
    rows = torch.cat([ids, ids.new_full((1, ids.shape[1]), PAD)])  # (B + 1, L)
    tokens, pooled, _ = teacher.text(rows)
    condition, null = ({"tokens": tokens[part], "pooled": pooled[part]} for part in (slice(-1), slice(-1, None)))

    def predict(x: Tensor, t: Tensor, told: Condition) -> Tensor:
        velocity: Tensor = teacher.denoiser(x, t, told["tokens"], told["pooled"])
        return velocity.float()

    asked = guide(predict, condition, null, guidance)
    return Fields(lambda x, t: asked(x, t).output, lambda x, t: predict(x, t, condition))


@torch.no_grad()
def point_of(field: At, x0: Tensor, e: Tensor, leg: Tensor) -> Point:
    """The point of x0, e (B, C, h, w) at the start of legs (B, 3), and its target along the teacher's guided field."""
    s = leg[:, 0, None, None, None]
    x = (1 - s) * x0 + s * e
    return Point(x, leg[:, 0], mean_velocity(field, x, leg))


@torch.inference_mode()
def held_out(
    student: Generator, teacher: Generator, supply: Supply, args: argparse.Namespace, batches: int
) -> dict[str, float]:
    """Mean squared errors on scenes that training never saw, at noise and steps fixed by the batch's number, in fp32.

    Of the student, of the untouched teacher without guidance, and of one guided step of the teacher in place of two.
    """
    steps = legs(args.passes, args.shift).to(args.device)
    sums = dict.fromkeys(("held_out_loss", "teacher_without_guidance", "teacher_in_one_guided_step"), 0.0)
    for number in range(batches):
        x0, ids = supply(number)
        source = torch.Generator().manual_seed(number)
        e = torch.randn(x0.shape, generator=source).to(x0.device)
        leg = steps[torch.randint(len(steps), (len(x0),), generator=source).to(x0.device)]
        fields = fields_of(teacher, ids, args.guidance)
        x, t, target = point_of(fields.guided, x0, e, leg)
        for name, said in zip(sums, (student(x, t, ids), fields.plain(x, t), fields.guided(x, t)), strict=True):
            sums[name] += float(F.mse_loss(said.float(), target))
    return {name: total / batches for name, total in sums.items()}


def train(args: argparse.Namespace, teacher: Generator, tokenizer: Tokenizer) -> Generator:
    """Run the recipe (or what is left of it) and return the student's averaged weights."""
    torch.manual_seed(args.seed)
    student = copy.deepcopy(teacher).train().requires_grad_(True)
    if args.compile:
        teacher = copy.deepcopy(teacher)  # whoever measures it asks at other shapes, each of which would compile
        compile_blocks(teacher, BLOCKS)
    steps = legs(args.passes, args.shift).to(args.device)

    def loss(x0: Tensor, ids: Tensor) -> Tensor:
        e, leg = torch.randn_like(x0), steps[torch.randint(len(steps), (len(x0),), device=args.device)]
        with torch.no_grad():
            field = fields_of(teacher, ids, args.guidance).guided
        x, t, target = point_of(field, x0, e, leg)
        return F.mse_loss(student(x, t, ids).float(), target)

    return fit(student, args, Supply(args.pool / "train", tokenizer, args.batch, args.seed, args.device, 0.0), loss)


def main() -> None:
    """Distil, measure on held-out scenes beside the teacher, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("dit", "unet"))
    parser.add_argument("--teacher", type=Path, required=True, help="folder of its weights and card, <kind>.json")
    parser.add_argument("--pool", type=Path, required=True, help="folder of backbones.training.pool, of the same VAE")
    parser.add_argument("--guidance", type=float, default=4.0, help="scale that the student's predictions carry")
    parser.add_argument("--passes", type=int, default=8, help="steps that the student takes to a picture")
    parser.add_argument("--shift", type=float, default=1.5, help="time shift of the steps")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--compile", action="store_true", help="compile each block (pays on a GPU)")
    recipe_options(parser, steps=2_000, batch=512, lr=2e-4)
    parser.add_argument("--ema", type=float, default=0.999, help="decay of the averaged weights")
    args = parser.parse_args()
    parts = load_parts(args.kind, args.teacher)
    if "distilled" in parts.card:
        parser.error(f"{args.teacher}: is distilled already, and has no prediction for the null prompt")
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(parts.card["vocabulary"], parts.text.config.length)
    teacher = Generator(parts.denoiser, parts.text).eval().requires_grad_(False)
    teacher.to(args.device).to(memory_format=torch.channels_last)
    student = train(args, teacher, tokenizer)
    test = Supply(args.pool / "held-out", tokenizer, 64, 0, args.device, 0.0)
    measured = {name: round(error, 6) for name, error in held_out(student, teacher, test, args, 16).items()}
    print(measured)
    about = {
        "guidance": args.guidance,
        "steps": args.passes,
        "shift": args.shift,
        "teacher_sha256": parts.card["sha256"],
    }
    publish_generator(student, args, tokenizer, measured, "backbones.training.distil", about)


if __name__ == "__main__":
    main()
