"""What `evalsuite run` takes beside `evalsuite generate`, and how busy the device is meanwhile.

    python benchmarks/end_to_end.py --model dit --prompts scenes --device cuda --json end_to_end.json

Both commands are processes of their own and start from nothing, in turn. Scoring and reporting are hidden where the
first takes hardly longer than the second. A GPU's own counter says which share of a second a kernel ran; of the units'
records come the seconds that pictures took, apart from start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import results
from pairing import Timing, environment, median, paired, ratio

BENCHMARK = "end_to_end"
RUN, GENERATE = "evalsuite run", "evalsuite generate"
GOAL = 1.15
PACKAGES = ("torch", "evalsuite", "numpy", "pillow")
ROOT = Path(__file__).resolve().parents[1]


class Busy:
    """Reads a GPU's own counter until it is stopped: the share of time in which a kernel ran, in per cent."""

    def __init__(self) -> None:
        self.seen: list[float] = []
        words = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=200"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen += [float(line)] if line.strip().isdecimal() else []

    def stop(self) -> None:
        """Read no more."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()


def command(verb: str, folder: Path, args: argparse.Namespace) -> Callable[[], None]:
    """Run a command from nothing, in a process of its own."""
    words = [sys.executable, "-m", "evalsuite", verb, "--model", args.model, "--prompts", args.prompts, "--quiet"]
    words += ["--device", args.device, "--steps", str(args.steps), "--output-dir", str(folder), *args.more]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EVALSUITE_")}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))

    def call() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        done = subprocess.run(words, env=kept | {"PYTHONPATH": path}, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{verb}: exit code {done.returncode}\n{done.stderr[-2000:]}")

    return call


def records(folder: Path) -> tuple[float, int, list[str]]:
    """Seconds that pictures took, how many there are, and how their passes ran."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("records/*.json"))]
    ran = {record.get("execution", "") for record in found}
    return sum(r["seconds"] for r in found), sum(len(r["images"]) for r in found), sorted(ran)


def figures(timings: Sequence[Timing], folder: Path, busy: Busy | None) -> list[results.Row]:
    """What both commands took."""
    seconds, images, ran = records(folder)
    wall = {arm: median(timings, arm, "wall_s") for arm in (RUN, GENERATE)}
    times = ratio(timings, RUN, GENERATE, "wall_s")
    told = [
        results.figure(BENCHMARK, f"{RUN} over {GENERATE}", times.value, "x", "wall_s", times, most=GOAL),
        *(results.figure(BENCHMARK, arm, one, "s", "wall_s") for arm, one in wall.items()),
        results.figure(BENCHMARK, f"pictures alone, {', '.join(ran)}", seconds, "s", "wall_s"),
        results.figure(BENCHMARK, "pictures", images, "images"),
        results.figure(BENCHMARK, "pictures a second, start-up apart", images / seconds, "images", "wall_s"),
    ]
    if busy is not None and busy.seen:
        told.append(
            results.figure(BENCHMARK, "time with a kernel running, start-up and all", fmean(busy.seen) / 100, "share")
        )
    return told


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="dit")
    parser.add_argument("--prompts", default="scenes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="last: other options of both commands")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    facts = environment(PACKAGES)
    busy = None
    with TemporaryDirectory() as name:
        folders = {RUN: Path(name) / "run", GENERATE: Path(name) / "generate"}
        arms = {arm: command(arm.split()[1], folder, args) for arm, folder in folders.items()}
        if args.device != "cpu":
            arms[GENERATE]()  # what the system keeps of files
            busy = Busy()
        try:
            timings = paired(arms, args.rounds, warm=0)
        finally:
            if busy is not None:
                busy.stop()
        found = figures(timings, folders[RUN], busy)
    results.show_figures(found)
    results.write(args.json, BENCHMARK, facts, vars(args), (), found, timings=timings)


if __name__ == "__main__":
    main()
