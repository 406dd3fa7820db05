"""What each way to make a run faster does to its pixels: against fp32 as it is, the same prompts and seeds.

    python benchmarks/precision.py --model dit --device cuda --json precision.json

Each way alone, then together what a long run on a GPU takes by itself. Of every one: how far its bytes are from those
of the reference, whether a second call and one with the images in another order give its bytes again, and how many
times faster it is, timed in turn with the reference. The first call of each, which may compile, is not timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import results
import torch
from pairing import Clock, Timing, environment, median, paired, ratio
from torch import nn

from evalsuite import models
from evalsuite.cost.limit import finish
from evalsuite.generate import reproducible
from evalsuite.painter import Painter
from evalsuite.plan import Unit
from evalsuite.prepare import Shelf, prepare
from evalsuite.spec import RunSpec

BENCHMARK = "precision"
PACKAGES = ("torch", "evalsuite", "numpy")
REFERENCE = "fp32"
LAST = "channels last, convolutions"
PLAIN: Mapping[str, Any] = {"dtype": "fp32", "vae_dtype": "fp32", "compile": "off", "cuda_graphs": "off"}
EVERYWHERE: Mapping[str, Mapping[str, Any]] = {
    "bf16": {"dtype": "bf16"},
    "bf16 decoding": {"vae_dtype": "bf16"},
    "compiled": {"compile": "on"},
}
ON_GPU: Mapping[str, Mapping[str, Any]] = {
    "cuda graph": {"cuda_graphs": "auto"},
    "tf32 decoding": {"vae_dtype": "tf32"},
    LAST: {},
    "bf16, cuda graph, tf32 decoding": {"dtype": "bf16", "cuda_graphs": "auto", "vae_dtype": "tf32"},
    "bf16, compiled, cuda graph, tf32 decoding": {
        "dtype": "bf16", "compile": "on", "cuda_graphs": "auto", "vae_dtype": "tf32",
    },
}  # fmt: skip
ON_CPU: Mapping[str, Mapping[str, Any]] = {
    "one thread": {"threads": 1},
    "bf16, compiled": {"dtype": "bf16", "compile": "on"},
}


class Way(NamedTuple):
    """One way to make the images.

    Attributes:
        paint: makes the bytes (B, H, W, 3) of a unit.
        ran: tells how it ran, once it has.
    """

    paint: Callable[[Unit], np.ndarray]
    ran: Callable[[], str]


def way(spec: RunSpec, name: str, unit: Unit) -> Way:
    """Build a model of its own, to be run as a spec says.

    Args:
        spec: settled.
        name: of the way.
        unit: of which it will be told how it ran.
    """
    model = models.place(models.resolve(spec.models[0], spec.model_args), spec.device, spec.dtype)
    if name == LAST:
        for part in vars(model).values():
            if isinstance(part, nn.Module):
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    painter = Painter(model, spec)

    def paint(unit: Unit) -> np.ndarray:
        with reproducible(spec.threads or 1):
            pictures = painter.paint(unit)
        finish(torch.device(spec.device))
        return np.stack([np.zeros(1) if picture.rgb is None else picture.rgb for picture in pictures])

    return Way(paint, lambda: painter.made(unit).execution)


class Found(NamedTuple):
    """Of one way: its bytes against the reference's, and against its own."""

    bytes: np.ndarray
    first: float  # seconds of the first call
    again: float  # share of bytes that differ in a second call
    turned: float  # likewise, the images in reverse order


def look(paint: Callable[[Unit], np.ndarray], unit: Unit) -> Found:
    """Make a unit three times."""
    began = time.perf_counter()
    found = paint(unit)
    first = time.perf_counter() - began
    turned = paint(replace(unit, jobs=unit.jobs[::-1]))
    return Found(found, first, differing(paint(unit), found), differing(turned[::-1], found))


def differing(one: np.ndarray, other: np.ndarray) -> float:
    """Share of bytes."""
    return float((one != other).mean())


def figures(
    case: str, arm: str, found: Found, reference: Found, timings: list[Timing], clock: Clock
) -> list[results.Row]:
    """What is known of one way.

    Args:
        case: model, device and work.
        arm: the way.
        found: of it.
        reference: of fp32 as it is.
        timings: of both.
        clock: that counts.
    """
    off = np.abs(found.bytes.astype(np.int16) - reference.bytes)
    times = ratio(timings, REFERENCE, arm, clock)
    told = {
        "largest difference": (float(off.max()), "levels of 255"),
        "mean difference": (float(off.mean()), "levels of 255"),
        "bytes that differ": (float((off > 0).mean()), "share"),
        "bytes that differ in a second call": (found.again, "share"),
        "bytes that differ in another order": (found.turned, "share"),
    }
    rows = [results.figure(BENCHMARK, f"{case}, {arm}: {name}", value, unit) for name, (value, unit) in told.items()]
    rows.append(results.figure(BENCHMARK, f"{case}, {arm}: times faster", times.value, "x", clock, times))
    spent = found.first - median(timings, arm, "wall_s")
    rows.append(results.figure(BENCHMARK, f"{case}, {arm}: first call, more than a later one", spent, "s", "wall_s"))
    return rows


def measure(args: argparse.Namespace) -> tuple[list[results.Row], list[Timing]]:
    """Every way, then all of them in turn."""
    gpu = args.device != "cpu"
    asked = RunSpec(
        models=(args.model,), prompts=args.prompts, limit=args.batch, aspects=("1:1",), pixels=args.side**2,
        steps=args.steps, batch_size=args.batch, device=args.device, threads=args.threads, metrics=("v_variance",),
        **PLAIN,
    )  # fmt: skip
    manifest = prepare(asked, Shelf())
    (unit,), base = manifest.units, manifest.spec
    ways = {REFERENCE: {}, **EVERYWHERE, **(ON_GPU if gpu else ON_CPU)}
    ways = {name: ways[name] for name in ways if name == REFERENCE or not args.ways or name in args.ways}
    ready = {name: way(replace(base, **changes), name, unit) for name, changes in ways.items()}
    found = {name: look(one.paint, unit) for name, one in ready.items()}
    timings = paired({name: lambda one=one: one.paint(unit) for name, one in ready.items()}, args.rounds, warm=0)
    clock: Clock = "wall_s" if gpu else "cpu_s"
    side = f"{unit.width}x{unit.height}"
    case = f"{args.model}, {args.device.partition(':')[0]}, {side}, {args.steps} steps, batch {args.batch}"
    rows = []
    for name, one in found.items():
        ran = ready[name].ran()
        print(f"{name:42} {_line(one, found[REFERENCE], timings, name, clock)}  {ran}", flush=True)
        rows += figures(case, name, one, found[REFERENCE], timings, clock)
    return rows, timings


def _line(found: Found, reference: Found, timings: list[Timing], arm: str, clock: Clock) -> str:
    off = np.abs(found.bytes.astype(np.int16) - reference.bytes)
    same = f"again {found.again:.0%}, in another order {found.turned:.0%} differ"
    apart = f"at most {off.max():3} apart, mean {off.mean():.4f}, {(off > 0).mean():7.3%} of bytes"
    return f"{ratio(timings, REFERENCE, arm, clock).value:6.2f} x  {apart}; {same}"


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="dit", help="of the command line")
    parser.add_argument("--prompts", default="smoke")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--ways", nargs="*", default=[], help="of these alone")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    facts = environment(PACKAGES) | {"threads": args.threads}
    if args.device != "cpu":
        facts |= {"gpu": torch.cuda.get_device_name(args.device)}
    rows, timings = measure(args)
    results.write(args.json, BENCHMARK, facts, vars(args), (), rows, timings=timings)


if __name__ == "__main__":
    main()
