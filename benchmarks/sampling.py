"""Images of a DiT: diffusers' DiTPipeline against evalsuite, with the same random weights, noise and steps.

    python benchmarks/sampling.py --rounds 5 --json sampling.json
    python benchmarks/sampling.py --preset xl2 --device cuda --dtype bf16 --steps 50 --batch 1 8 32 --json xl2.json

From class labels and seeds to bytes: noise, DDIM with guidance, decoding, rounding. diffusers runs as its users run it
(eager), tuned (inference mode, the VAE in channels last) and, with --compile or on a GPU, with every block compiled.

First the bytes: in fp32 nothing may differ by more than 1 level and 99.9 % by nothing. In bf16 two images of the same
network differ by rounding, and evalsuite decodes in fp32 and integrates in fp32 where diffusers does neither: ours may
be no farther from the peer's than twice the peer's own distance to its fp32 images. An arm beyond that gets no ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dit_pipelines as dits
import numpy as np
import results
import torch
from pairing import Clock, Timing, environment, gemm_peak, median, paired
from results import Comparison

from evalsuite.cost.limit import limit_of
from evalsuite.models import TORCH_DTYPES

BENCHMARK = "sampling"
OURS, EAGER, TUNED, COMPILED = "evalsuite", "diffusers", "diffusers, tuned", "diffusers, blocks compiled"
PACKAGES = ("torch", "diffusers", "accelerate", "numpy", "pillow")
EQUAL, LEVELS = 0.999, 1
GPU_GOALS = {EAGER: 2.0, COMPILED: 1.3}
GPU_SHARE, GPU_BATCH = 0.45, 32  # from which batch on these are goals
Images = Callable[[], np.ndarray]


class Apart(NamedTuple):
    """How far images are from others of the same work, in levels of 255."""

    most: int
    mean: float
    equal: float  # share of bytes

    def __str__(self) -> str:
        return f"at most {self.most} of 255 levels apart, {self.equal:.3%} of bytes equal"


def apart(found: np.ndarray, wanted: np.ndarray) -> Apart:
    """Compare bytes (B, H, W, 3)."""
    off = np.abs(found.astype(np.int16) - wanted)
    return Apart(int(off.max()), float(off.mean()), float((off == 0).mean()))


def is_same(off: Apart, rounding: float | None) -> bool:
    """Whether bytes are those of the same work.

    Args:
        off: how far they are apart.
        rounding: mean distance, in levels, of the peer's images to its own in fp32; None where these are fp32.
    """
    if rounding is None:
        return off.most <= LEVELS and off.equal >= EQUAL
    return off.mean <= 2 * rounding


class Batch(NamedTuple):
    """One batch size: what runs, by arm, and what is known of it."""

    arms: dict[str, Images]
    off: dict[str, Apart]
    rounding: float | None
    compiling: float  # seconds of the compiled arm's first call
    flops: int


def prepare(folder: Path, size: dits.Size, work: dits.Task, args: argparse.Namespace) -> Batch:
    """Build every arm, call each once, and compare the bytes with ours."""
    dtype = TORCH_DTYPES[args.dtype]
    pipe = dits.reopen(folder, args.device, dtype)
    arms: dict[str, Images] = {
        OURS: dits.ours(folder, size, work, args.device, args.dtype, args.threads),
        EAGER: lambda: dits.theirs(pipe, work),
    }
    faster = dits.tuned(pipe)
    arms[TUNED] = torch.inference_mode()(lambda: dits.theirs(faster, work))
    if args.compile or args.device != "cpu":
        blocks = dits.compiled(pipe)
        arms[COMPILED] = lambda: dits.theirs(blocks, work)
    images, compiling = {}, 0.0
    for name, arm in arms.items():
        began = time.perf_counter()
        images[name] = arm()
        compiling = time.perf_counter() - began if name == COMPILED else compiling
    if images[EAGER].std() <= 5:
        raise SystemExit("these weights make flat images: equal bytes would say nothing")
    off = {name: apart(found, images[OURS]) for name, found in images.items()}
    rounding = None
    if args.dtype != "fp32":
        exact = dits.theirs(dits.reopen(folder, args.device, torch.float32), work)
        rounding = apart(images[EAGER], exact).mean
    return Batch(arms, off, rounding, compiling, dits.flops(pipe, work))


class Found(NamedTuple):
    """Of one batch size."""

    rows: list[results.Row]
    figures: list[results.Row]
    timings: list[Timing]


def measure(folder: Path, size: dits.Size, batch: int, peak: float, args: argparse.Namespace) -> Found:
    """The gate, then times, ratios and shares of the limit.

    Args:
        folder: of the pipeline.
        size: of its network.
        batch: images in a call.
        peak: GFLOP/s.
        args: of the command.
    """
    clock: Clock = "cpu_s" if args.device == "cpu" else "wall_s"
    case = f"{size.name}, {size.side} px, {args.steps} steps, {args.dtype}, batch {batch}"
    ready = prepare(folder, size, dits.task(batch, args.steps, args.guidance), args)
    same = {name: arm for name, arm in ready.arms.items() if is_same(ready.off[name], ready.rounding)}
    timings = paired(same, args.rounds, warm=args.warm)
    notes = {name: "" if name == OURS else str(off) for name, off in ready.off.items()}
    notes |= {name: f"{notes[name]}; {results.DIFFERENT}" for name in ready.arms.keys() - same.keys()}
    if ready.rounding is not None:
        notes[EAGER] += f"; {args.dtype} and fp32 of this arm are {ready.rounding:.2g} apart in the mean"
    large = args.device != "cpu" and batch >= GPU_BATCH
    rows = results.rows(
        Comparison(BENCHMARK, case, OURS, "image", batch, "levels of 255, mean", clock=clock),
        timings,
        {name: off.mean for name, off in ready.off.items()},
        GPU_GOALS if large else {},
        notes,
        results.Limit(ready.flops / batch, peak, args.threads),
    )
    figures = [figure for row in rows if row["arm"] == OURS and large for figure in share_goal(row)]
    return Found(rows, figures + break_even(case, batch, ready.compiling, timings), timings)


def share_goal(row: results.Row) -> list[results.Row]:
    """Ours beside what is hoped for on a GPU."""
    name = f"{row['case']}: {OURS}, of the matrix products' limit"
    return [results.figure(BENCHMARK, name, row["share"], "share", row["clock"], least=GPU_SHARE)]


def break_even(case: str, batch: int, compiling: float, timings: Sequence[Timing]) -> list[results.Row]:
    """What compiling took, and when it has paid; nothing where nothing was compiled.

    Args:
        case: of the comparison.
        batch: images in a call.
        compiling: seconds of the first call.
        timings: of the later ones.
    """
    if all(timing.arm != COMPILED for timing in timings):
        return []
    quick, slow = (median(timings, arm, "wall_s") for arm in (COMPILED, EAGER))
    spent = compiling - quick
    even = spent / (slow - quick) * batch if slow > quick else None  # never
    return [
        results.figure(BENCHMARK, f"{case}: compiling", spent, "s", "wall_s"),
        results.figure(BENCHMARK, f"{case}: images until compiling has paid", even, "images", "wall_s"),
    ]


def gpu() -> dict[str, Any]:
    """What a reader must know about the GPU, after the work: clocks and power as the driver tells them."""
    facts = "name,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,driver_version"
    try:
        told = run(["nvidia-smi", f"--query-gpu={facts}", "--format=csv,noheader"], capture_output=True, text=True)
    except OSError:
        return {"gpu": torch.cuda.get_device_name()}
    values = [value.strip() for value in told.stdout.splitlines()[0].split(",")] if told.stdout else []
    return {"gpu": torch.cuda.get_device_name()} | dict(zip(facts.split(","), values, strict=False))


def main() -> None:
    """Measure each batch size, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=dits.SIZES, default="s4")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=int, default=1, help="calls of each arm before those that are timed")
    parser.add_argument("--compile", action="store_true", help="the compiled arm on a CPU too")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peak-seconds", type=float, default=3.0, help="of the limit on a CPU")
    parser.add_argument("--folder", type=Path, help="for the temporary weights")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    facts, size = environment(PACKAGES) | {"threads": args.threads}, dits.SIZES[args.preset]
    if not results.installed("diffusers"):
        about = Comparison(BENCHMARK, size.name, OURS)
        results.write(args.json, BENCHMARK, facts, vars(args), [results.not_run(about, EAGER, "diffusers")])
        return
    torch.set_num_threads(args.threads)
    device, dtype = torch.device(args.device), TORCH_DTYPES[args.dtype]
    parts: list[Found] = []
    cpu = device.type == "cpu"
    peak = gemm_peak(dtype, args.threads, args.peak_seconds) if cpu else limit_of(device, dtype).flops / 1e9
    with TemporaryDirectory(dir=args.folder) as name:
        folder = dits.write(size, Path(name) / "pipeline")
        for batch in args.batch:
            parts.append(measure(folder, size, batch, peak, args))
            results.show(parts[-1].rows)
    facts |= {} if cpu else gpu()
    limit = results.figure(
        BENCHMARK, f"matrix products' limit, {args.dtype}", peak, "GFLOP/s", "cpu_s" if cpu else "wall_s"
    )
    figures = [limit, *(one for part in parts for one in part.figures)]
    results.show_figures(figures)
    rows, timings = [row for part in parts for row in part.rows], [one for part in parts for one in part.timings]
    results.write(args.json, BENCHMARK, facts, vars(args), rows, figures, timings=timings)


if __name__ == "__main__":
    main()
