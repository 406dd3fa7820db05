"""The parts of a DiT block that can be computed by several kernels, each alone: attention, and GELU after a product.

    python benchmarks/dit_parts.py --device cuda --rows 64 --json dit_parts.json

Shapes are DiT-XL/2's: 16 heads of width 72 on queries, keys and values that lie in one tensor, as a fused product
leaves them. Answers are compared with fp32 before anything is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import results
import torch
from pairing import Clock, Timing, environment, paired
from torch import Tensor
from torch.nn import attention
from torch.nn import functional as F

from backbones.adaln import linear_gelu
from evalsuite.attention import KERNELS, runs
from evalsuite.cost.limit import finish, limit_of
from evalsuite.models import TORCH_DTYPES

BENCHMARK = "dit_parts"
HEADS, HEAD, HIDDEN = 16, 72, 4608
WIDTH = HEADS * HEAD
CALLS = 20
TOLERANCE = 2e-2  # relative, of bf16
Call = Callable[[], Tensor]


def attentions(rows: int, tokens: int, device: str, dtype: torch.dtype) -> dict[str, Call]:
    """Attention by every kernel that runs here."""
    made = torch.randn(rows, tokens, 3, HEADS, HEAD).to(device, dtype)
    q, k, v = made.permute(2, 0, 3, 1, 4)  # 3 x (B, H, L, D/H)

    def by(kernel: str) -> Tensor:
        with attention.sdpa_kernel(KERNELS[kernel]):
            return F.scaled_dot_product_attention(q, k, v)

    found = {name: partial(by, name) for name in KERNELS if name != "math" and runs(name, device, dtype)}
    return {"auto": lambda: F.scaled_dot_product_attention(q, k, v)} | found


def products(rows: int, tokens: int, device: str, dtype: torch.dtype) -> dict[str, Call]:
    """The MLP's first layer: GELU as the product's own last step, and after it."""
    x, bias = torch.randn(rows, tokens, WIDTH).to(device, dtype), torch.randn(HIDDEN).to(device, dtype)
    weight = (torch.randn(HIDDEN, WIDTH) / WIDTH**0.5).to(device, dtype)
    return {
        "in one": lambda: linear_gelu(x, weight, bias),
        "in two": lambda: F.gelu(F.linear(x, weight, bias), approximate="tanh"),
        "product alone": lambda: F.linear(x, weight, bias),
    }


def often(call: Call, device: torch.device) -> Callable[[], None]:
    """So many calls, waited for once."""

    @torch.inference_mode()
    def calls() -> None:
        for _ in range(CALLS):
            call()
        finish(device)

    return calls


def measure(case: str, arms: dict[str, Call], flops: float, args: argparse.Namespace) -> tuple[list, list[Timing]]:
    """The first arm is the one that others are divided by."""
    device, first = torch.device(args.device), next(iter(arms))
    with torch.inference_mode():
        answers = {name: arm().float() for name, arm in arms.items()}
    wanted = answers[first]
    off = {name: float((one - wanted).norm() / wanted.norm()) for name, one in answers.items()}
    off |= {"product alone": 0.0} if "product alone" in off else {}
    clock: Clock = "cpu_s" if device.type == "cpu" else "wall_s"
    about = results.Comparison(BENCHMARK, case, first, "call", CALLS, "relative", TOLERANCE, clock, tuple(arms))
    timings = paired({name: often(arm, device) for name, arm in arms.items()}, args.rounds)
    rows = results.rows(about, timings, off, limit=results.Limit(flops, args.peak))
    results.show(rows)
    return rows, timings


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    dtype, facts = TORCH_DTYPES[args.dtype], environment(("torch",))
    args.peak = limit_of(torch.device(args.device), dtype).flops / 1e9
    rows, timings = [], []
    for tokens in args.tokens:
        own = max(1, args.rows * args.tokens[0] // tokens)
        what = f"{own} rows of {tokens} tokens, {args.dtype}"
        pairs = 4 * own * HEADS * tokens**2 * HEAD
        product = 2 * own * tokens * WIDTH * HIDDEN
        for case, arms, flops in (
            (f"attention, {what}", attentions(own, tokens, args.device, dtype), pairs),
            (f"linear and GELU, {what}", products(own, tokens, args.device, dtype), product),
        ):
            found, times = measure(case, arms, flops, args)
            rows, timings = rows + found, timings + times
    results.write(args.json, BENCHMARK, facts, vars(args), rows, timings=timings)


if __name__ == "__main__":
    main()
