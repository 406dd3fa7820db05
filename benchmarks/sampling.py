"""Images of a DiT: diffusers' DiTPipeline against evalsuite, with the same random weights, noise and steps.

    python benchmarks/sampling.py --rounds 5 --json sampling.json
    python benchmarks/sampling.py --preset xl2 --device cuda --dtype bf16 --steps 50 --batch 1 8 32 --json xl2.json

From class labels and seeds to bytes: noise, DDIM with guidance, decoding, rounding. diffusers runs as its users run it
(eager), tuned (inference mode, the VAE in channels last) and, with --compile or on a GPU, with every block compiled;
then ours is compiled too. On a GPU, or with --passes, the network's passes are also timed alone.

First the bytes: in fp32 nothing may differ by more than 1 level and 99.9 % by nothing. In bf16 two images of the same
network differ by rounding, and evalsuite decodes in fp32 (on a GPU in TF32) and integrates in fp32 where diffusers
does neither: ours may be no farther from the peer's than twice the peer's own distance to its fp32 images. An arm
beyond that gets no ratio.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dit_passes
import dit_pipelines as dits
import results
import torch
from pairing import Clock, Timing, environment, gemm_peak, gpu_facts, median, paired
from results import Comparison
from sampling_sides import COMPILED, DECODED, EAGER, OURS, PLAIN, TUNED, Sides, is_same, prepare, rounding_of, sides

from evalsuite.cost.limit import limit_of
from evalsuite.models import TORCH_DTYPES

BENCHMARK = "sampling"
PACKAGES = ("torch", "diffusers", "accelerate", "numpy", "pillow")
EAGER_GOAL, EAGER_BATCH = 2.0, 32  # up to which batch
COMPILED_GOAL, GPU_SHARE = 1.1, 0.6


class Found(NamedTuple):
    """Of one batch size."""

    rows: list[results.Row]
    figures: list[results.Row]
    timings: list[Timing]


def measure(both: Sides, size: dits.Size, batch: int, peak: float, args: argparse.Namespace) -> Found:
    """The gate, then times, ratios and shares of the limit: of whole calls, and of the network's passes alone.

    Args:
        both: sides.
        size: of the network.
        batch: images in a call.
        peak: GFLOP/s.
        args: of the command, with ``rounding``.
    """
    gpu = args.device != "cpu"
    clock: Clock = "wall_s" if gpu else "cpu_s"
    case = f"{size.name}, {size.side} px, {args.steps} steps, {args.dtype}, batch {batch}"
    work = dits.task(batch, args.steps, args.guidance)
    ready = prepare(both, work, args.rounding)
    same = {name: arm for name, arm in ready.arms.items() if is_same(ready.off[name], ready.rounding)}
    timings = paired(same, args.rounds, warm=args.warm)
    notes = {name: "" if name == OURS else str(off) for name, off in ready.off.items()}
    notes |= {name: f"{notes[name]}; {results.DIFFERENT}" for name in ready.arms.keys() - same.keys()}
    if ready.rounding is not None:
        notes[EAGER] += f"; {args.dtype} and fp32 of this arm are {ready.rounding:.2g} apart in the mean"
    goals = {} if not gpu else {COMPILED: COMPILED_GOAL} | ({EAGER: EAGER_GOAL} if batch <= EAGER_BATCH else {})
    variants = (PLAIN, DECODED)
    rows = results.rows(
        Comparison(BENCHMARK, case, OURS, "image", batch, "levels of 255, mean", clock=clock, variants=variants),
        timings,
        {name: off.mean for name, off in ready.off.items()},
        goals,
        notes,
        results.Limit(ready.flops / batch, peak, args.threads),
    )
    figures = break_even(case, batch, ready.compiling, timings)
    if gpu or args.passes:
        rows += passes(both, case, dits.rows_of(work), peak, args)
        share = next(row["share"] for row in rows if row["unit"] == "pass" and row["arm"] == OURS)
        name = f"{case}: a pass of {OURS}, of the matrix products' limit"
        figures.append(results.figure(BENCHMARK, name, share, "share", clock, least=GPU_SHARE if gpu else None))
    return Found(rows, figures, timings)


def passes(both: Sides, case: str, rows: int, peak: float, args: argparse.Namespace) -> list[results.Row]:
    """Passes of the network alone, of those that have just run."""
    some = dit_passes.Passes(f"{case}: a pass of {rows} rows", rows, both.pipe.transformer)
    arms = {name: some.ours(one.model) for name, one in both.ours.items() if name != DECODED}
    arms |= {name: some.theirs(pipe.transformer) for name, pipe in both.peers.items() if name != TUNED}
    about = {"benchmark": BENCHMARK, "ours": OURS, "variants": (PLAIN,)}
    limit = results.Limit(dits.pass_flops(both.pipe, rows), peak, args.threads)
    return some.measure(about, arms, args.rounds, limit)


def break_even(case: str, batch: int, compiling: Mapping[str, float], timings: Sequence[Timing]) -> list[results.Row]:
    """What compiling took, and when it has paid, against the same side without; nothing where nothing was compiled.

    Args:
        case: of the comparison.
        batch: images in a call.
        compiling: arm to the seconds of its first call.
        timings: of the later ones.
    """
    figures = []
    for arm, seconds in compiling.items():
        plain = PLAIN if arm == OURS else EAGER
        if {arm, plain} - {timing.arm for timing in timings}:
            continue
        quick, slow = (median(timings, name, "wall_s") for name in (arm, plain))
        spent = seconds - quick
        even = spent / (slow - quick) * batch if slow > quick else None  # never
        figures += [
            results.figure(BENCHMARK, f"{case}: compiling, {arm}", spent, "s", "wall_s"),
            results.figure(BENCHMARK, f"{case}: images until compiling has paid, {arm}", even, "images", "wall_s"),
        ]
    return figures


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
    parser.add_argument("--attention", default="auto", help="kernel of ours, see evalsuite.attention")
    parser.add_argument("--compile", action="store_true", help="the compiled arms on a CPU too")
    parser.add_argument("--passes", action="store_true", help="the network's passes alone, on a CPU too")
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
        both = sides(folder, size, args)
        args.rounding = rounding_of(folder, both.pipe, dits.task(1, args.steps, args.guidance), args)
        for batch in args.batch:
            parts.append(measure(both, size, batch, peak, args))
            results.show(parts[-1].rows)
            keep(args, facts, peak, parts)
    if not cpu:
        facts |= gpu_facts()
    keep(args, facts, peak, parts)
    results.show_figures([one for part in parts for one in part.figures])


def keep(args: argparse.Namespace, facts: Mapping[str, Any], peak: float, parts: Sequence[Found]) -> None:
    """Write what there is so far: a batch that does not fit takes none of those before with it."""
    clock: Clock = "cpu_s" if args.device == "cpu" else "wall_s"
    limit = results.figure(BENCHMARK, f"matrix products' limit, {args.dtype}", peak, "GFLOP/s", clock)
    figures = [limit, *(one for part in parts for one in part.figures)]
    rows, timings = [row for part in parts for row in part.rows], [one for part in parts for one in part.timings]
    results.write(args.json, BENCHMARK, facts, vars(args), rows, figures, timings=timings)


if __name__ == "__main__":
    main()
