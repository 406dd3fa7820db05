"""What evalsuite costs against its work: images, their side, processes, the plan, and opening a finished run again.

    python benchmarks/scaling.py --rounds 3 --json scaling.json

Commands are processes of their own with one thread each, so a line through their times over the number of images has
the start-up (imports, weights, plan) as its height and the cost of an image as its slope: one line per round, the
median of rounds. Sides, the plan and reopening are timed in this process. The bundled `dit` draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import linear_regression, median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import bookkeeping
import commands
import results
import torch
from pairing import CLOCKS, Clock, Ratio, Timing, environment, of_rounds, paired
from pairing import median as median_of

from evalsuite import models
from evalsuite.painter import Painter
from evalsuite.plan import Job, Unit
from evalsuite.spec import RunSpec

BENCHMARK = "scaling"
MODEL = "dit"
WORDS: Mapping[Clock, str] = {"cpu_s": "CPU time", "wall_s": "wall time"}
TWICE_GOAL = 1.9  # 0.95 of two processes
SHARED_BATCH = 4
ONCE = 10**6  # images from which on a plan is timed once


class Found(NamedTuple):
    """Of one part."""

    figures: list[results.Row]
    curves: list[results.Row]
    timings: list[Timing]


class Line(NamedTuple):
    """Seconds over images: a straight line per round."""

    start: list[float]
    slope: list[float]


def line(timings: Sequence[Timing], arms: Mapping[int, str], clock: Clock) -> Line:
    """Fit by least squares in each round.

    Args:
        timings: of the arms.
        arms: images to arm.
        clock: which to read.
    """
    rounds = sorted({timing.round for timing in timings})
    seconds = {(timing.arm, timing.round): getattr(timing, clock) for timing in timings}
    fits = [linear_regression(list(arms), [seconds[arm, number] for arm in arms.values()]) for number in rounds]
    return Line([fit.intercept for fit in fits], [fit.slope for fit in fits])


def quotient(above: Sequence[float], below: Sequence[float]) -> Ratio | None:
    """Round by round; None where a round's own noise is larger than what it measures."""
    if min(*above, *below) <= 0:
        return None
    return of_rounds([a / b for a, b in zip(above, below, strict=True)])


def points(timings: Sequence[Timing], arms: Mapping[int, str], per: float = 1.0) -> list[dict[str, float]]:
    """Of a curve: medians at each amount of work."""
    rounds = {arm: sum(timing.arm == arm for timing in timings) for arm in arms.values()}
    return [
        {"x": x, **{clock: median_of(timings, arm, clock) / per for clock in CLOCKS}, "rounds": rounds[arm]}
        for x, arm in arms.items()
    ]


def processes(args: argparse.Namespace, folder: Path) -> Found:
    """Seconds of `generate` over images with one process and with two, and of `run`."""
    prompts = bookkeeping.write_prompts(max(args.images), folder)
    about = {"model": MODEL, "side": args.side, "steps": args.steps}
    few, many = min(args.images), max(args.images)
    alone = {n: commands.Job("generate", n, 1, **about) for n in args.images}
    team = {n: commands.Job("generate", n, 2, **about) for n in (few, many)}
    whole = commands.Job("run", args.scored, 1, **about)
    jobs = [*alone.values(), *team.values(), whole]
    arms = {str(job): commands.arm(job, prompts, folder) for job in jobs}
    arms[str(alone[few])]()  # what the system keeps of the files that all of them read
    timings = paired(arms, args.rounds, warm=0)
    names = [{n: str(job) for n, job in group.items()} for group in (alone, team)]
    figures = [figure for clock in CLOCKS for figure in _of_clock(timings, names, args.scored, str(whole), clock)]
    axes = ("images", "seconds")
    panel = f"evalsuite generate, {args.side} px, {args.steps} steps"
    curves = [
        results.curve(BENCHMARK, panel, name, axes, points(timings, group), "wall_s")
        for name, group in zip(("1 process", "2 processes"), names, strict=True)
    ]
    return Found(figures, curves, timings)


def _of_clock(
    timings: Sequence[Timing], names: Sequence[Mapping[int, str]], scored: int, whole: str, clock: Clock
) -> list[results.Row]:
    """Start-up, slopes and their quotient, and what scoring adds, by one clock."""
    alone, team = (line(timings, group, clock) for group in names)
    by, found = f"by {WORDS[clock]}", []
    for word, one in (("1 process", alone), ("2 processes", team)):
        found.append(results.figure(BENCHMARK, f"start-up, {word}, {by}", median(one.start), "s", clock))
        # A slope that is not above 0 is the noise of too few images.
        slope = median(one.slope) if min(one.slope) > 0 else None
        found.append(results.figure(BENCHMARK, f"an image, {word}, {by}", slope, "s", clock))
    if clock == "wall_s":
        name, twice = "throughput of 2 processes over 1, start-up apart", quotient(alone.slope, team.slope)
        value = None if twice is None else twice.value
        found.append(results.figure(BENCHMARK, name, value, "x", clock, twice, least=TWICE_GOAL))
    seconds = {
        arm: [getattr(timing, clock) for timing in sorted(timings, key=lambda t: t.round) if timing.arm == arm]
        for arm in (names[0][scored], whole)
    }
    rest = of_rounds([a / b for a, b in zip(seconds[names[0][scored]], seconds[whole], strict=True)])
    share = Ratio(1 - rest.value, rest.high and 1 - rest.high, rest.low and 1 - rest.low, rest.rounds)
    name = f"what scoring and reporting take of evalsuite run, {scored} images, start-up included, {by}"
    return [*found, results.figure(BENCHMARK, name, share.value, "share", clock, share)]


def sides(args: argparse.Namespace) -> Found:
    """Seconds per image over the side, from noise to bytes, in this process."""
    model = models.resolve(MODEL)
    painter = Painter(model, RunSpec(models=(MODEL,), steps=args.steps, device="cpu", batch_size=SHARED_BATCH))

    def paint(side: int) -> Callable[[], object]:
        jobs = tuple(
            Job(model.name, f"p{seed}", "a red ball", None, (), "1:1", side, side, 0, seed)
            for seed in range(SHARED_BATCH)
        )
        return lambda: painter.paint(Unit("", model.name, side, side, jobs, SHARED_BATCH))

    names = {side: f"side {side}" for side in args.sides}
    timings = paired({name: paint(side) for side, name in names.items()}, args.rounds)
    axes = ("side, pixels", "seconds per image")
    panel = f"an image from noise to bytes, {args.steps} steps"
    found = points(timings, names, per=SHARED_BATCH)
    return Found([], [results.curve(BENCHMARK, panel, f"{MODEL}, in batches of {SHARED_BATCH}", axes, found)], timings)


def reopening(args: argparse.Namespace, folder: Path) -> Found:
    """Seconds to open a finished run and find nothing to do, over its records."""
    runs = {records: bookkeeping.finished_run(records, folder) for records in args.records}
    kinds = {"files as they were last seen": True, "every file read and hashed": False}
    arms, names = {}, {kind: {n: f"{kind}, {n} records" for n in runs} for kind in kinds}
    for kind, seen in kinds.items():
        for records, run in runs.items():
            bookkeeping.reopen(run, seen=False)  # keeps what it saw
            arms[names[kind][records]] = _nothing_left(run, seen)
    timings = paired(arms, args.rounds)
    most = max(runs)
    figures = [
        results.figure(
            BENCHMARK,
            f"a finished run opened again, {kind}, per 1,000 records of {bookkeeping.BATCH} images",
            1000 * median_of(timings, group[most]) / most,
            "s",
            "cpu_s",
        )
        for kind, group in names.items()
    ]
    axes = ("records", "seconds")
    panel = "a finished run opened again"
    curves = [results.curve(BENCHMARK, panel, kind, axes, points(timings, group)) for kind, group in names.items()]
    return Found(figures, curves, timings)


def _nothing_left(run: Path, seen: bool) -> Callable[[], None]:
    def call() -> None:
        if left := bookkeeping.reopen(run, seen):
            raise SystemExit(f"different work: {left} units are left of a finished run")

    return call


def plans(args: argparse.Namespace) -> Found:
    """Seconds to plan a run and to share it out, over its images."""
    names = {images: f"plan, {images} images" for images in args.plan}
    timings = []
    for images, name in names.items():
        once = images >= ONCE
        arm = {name: lambda images=images: bookkeeping.planned(images)}
        timings += paired(arm, 1 if once else args.rounds, warm=0 if once else 1)
    most = max(names)
    name = f"plan and shares for {bookkeeping.WORLD} processes, {most:.0e} images, per 1,000".replace("e+0", "e")
    figures = [results.figure(BENCHMARK, name, 1000 * median_of(timings, names[most]) / most, "s", "cpu_s")]
    axes = ("images", "seconds")
    panel = f"the plan, and its shares for {bookkeeping.WORLD} processes"
    return Found(figures, [results.curve(BENCHMARK, panel, "plan", axes, points(timings, names))], timings)


def main() -> None:
    """Measure every part, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[8, 32, 128], help="made by one command")
    parser.add_argument("--scored", type=int, default=32, help="of --images, how many `run` scores too")
    parser.add_argument("--side", type=int, default=128, help="of these images, in pixels")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--records", type=int, nargs="+", default=[250, 1000], help="of finished runs")
    parser.add_argument("--plan", type=int, nargs="+", default=[10**4, 10**5, 10**6], help="images of plans")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="for the temporary files")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.scored not in args.images or len(args.images) < 2:
        parser.error("--images needs two numbers or more, and --scored is one of them")
    facts = environment(("torch", "evalsuite", "numpy", "pillow")) | {"threads": 1}
    torch.set_num_threads(1)
    with TemporaryDirectory(dir=args.folder) as name:
        parts = [sides(args), plans(args), reopening(args, Path(name)), processes(args, Path(name))]
    figures = [one for part in parts for one in part.figures]
    results.show_figures(figures)
    curves = [one for part in parts for one in part.curves]
    results.show_curves(curves)
    timings = [one for part in parts for one in part.timings]
    results.write(args.json, BENCHMARK, facts, vars(args), (), figures, curves, timings)


if __name__ == "__main__":
    main()
