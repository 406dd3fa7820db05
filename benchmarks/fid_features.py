"""FID features from PNG files: four packages against evalsuite, each with that package's own resize rule.

    python benchmarks/fid_features.py --images 48 --rounds 3 --json out.json
    python benchmarks/fid_features.py --device cuda --images 2048 --peers torch-fidelity clean-fid --json gpu.json

Same files, same weights (random, seeded: none are fetched), whole jobs: read, resize, network, 2048 numbers per image.
The networks are built beforehand. Ours is what `evalsuite stats build` does, up to its sums. A peer runs with its
defaults and with the fastest of a few settings; an arm whose features differ from ours by more than TOLERANCE gets no
ratio. clean-fid's own network is a download, so its loader and resizer feed pytorch-fid's.

On a GPU peers compute in TF32, as PyTorch's convolutions do unless told not to; ours does when asked. So ours runs in
fp32 and in TF32, each against all peers, and every peer's note says how far its features are from ours without TF32.
There our files are decoded by processes that stay until the end; an arm with threads in their place stands beside.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import results
import torch
from fid_inputs import SIZE, random_state, write_images
from fid_peers import MODULES, Files, Peer, Setting, make
from fid_stages import split
from pairing import Clock, Timing, environment, gpu_facts, median, paired
from results import Comparison
from torch import Tensor

from evalsuite import decoders
from evalsuite.encoders.inception import InceptionEncoder
from evalsuite.encoders.precision import DTYPE, TF32, batch_of, exact
from evalsuite.image_sources import source_of
from evalsuite.read_ahead import readers
from evalsuite.stats_build import Batches

TOLERANCE = 1e-5
TOLERANCE_TF32 = 1e-2  # 10 bits of a factor, through 94 convolutions
PACKAGES = ("torch", "numpy", "pillow", *MODULES)
BENCHMARK = "fid_features"
TUNED, THREADS = ", tuned", ", threads"
GOALS = {"torch-fidelity": 1.9, "pytorch-fid": 1.8, "clean-fid": 1.7, "torchmetrics": 1.5}
ALIKE, BESIDE = 256, 64
"""Images that a peer sees without TF32, and images whose features a CPU makes too."""
GOALS_GPU = {"torch-fidelity": 3.0, "clean-fid": 3.0}


class Found(NamedTuple):
    """Of the comparison."""

    rules: list[str]
    rows: list[results.Row]
    figures: list[results.Row]
    timings: list[Timing]


Arm = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """A resize rule: our arms by precision, the peer's by setting.

    Attributes:
        name: of resize.RULES.
        ours: arm's name to what it does.
        theirs: likewise.
        notes: arm's name to words on how it ran.
        off: arm's name to its distance from the first of ours.
        off_tf32: likewise from the second, where there is one.
    """

    name: str
    ours: Mapping[str, Arm]
    theirs: Mapping[str, Arm]
    notes: Mapping[str, str]
    off: Mapping[str, float]
    off_tf32: Mapping[str, float]


def ours(encoder: InceptionEncoder, folder: Path, device: str = "") -> np.ndarray:
    """Features by evalsuite, in the order of the files' names, read as for this device or as for the encoder's."""
    return np.concatenate([batch.rows for batch in Batches(source_of(folder, device or encoder.device.type), encoder)])


def tuned(peer: Peer, files: Files, clock: Clock) -> Setting:
    """The setting that took the least time, each tried once; on a CPU after one untimed call."""
    arms = {str(number): partial(peer.run, files, setting) for number, setting in enumerate(peer.sweep)}
    timings = paired(arms, rounds=1, warm=int(clock == "cpu_s"))
    return peer.sweep[int(min(arms, key=lambda arm: median(timings, arm, clock)))]


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative, in the Euclidean norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def goal_of(arm: str, goals: Mapping[str, float]) -> float | None:
    """What is hoped for against a package, however it is set."""
    return goals.get(arm.removesuffix(TUNED))


def arms_of(name: str, state: Mapping[str, Tensor], files: Files, folder: Path, args: argparse.Namespace) -> Rule:
    """A package's arms and ours by its rule, which have run once: what their answers are, as they will be timed.

    Args:
        name: of the package.
        state: weights.
        files: of the folder ``images`` in the folder.
        folder: for files that packages want.
        args: of the command.
    """
    peer, gpu = make(name, state, folder, args.device), args.device != "cpu"
    own = {
        f"ours, {peer.rule}" + ("" if precision == DTYPE else f", {precision}"): InceptionEncoder(
            state, "random:0", peer.rule, args.device, precision=precision
        )
        for precision in ((DTYPE, TF32) if gpu else (DTYPE,))
    }
    # A loader's worker reads whole batches: only many images keep all workers busy.
    some = files if gpu else files[: max(batch_of(torch.device(args.device)), len(files) // 3)]
    settings = {name: peer.default, name + TUNED: tuned(peer, some, args.clock)}
    mine = {arm: partial(ours, encoder, folder / "images") for arm, encoder in own.items()}
    if gpu:  # what its last arm takes if threads decode
        mine |= {f"{arm}{THREADS}": partial(ours, own[arm], folder / "images", "cpu") for arm in list(own)[-1:]}
    theirs = {arm: partial(peer.run, files, setting) for arm, setting in settings.items()}
    answers = {arm: run() for arm, run in (mine | theirs).items()}
    first, *others = (answers[arm] for arm in own)
    notes = {arm: str(setting) for arm, setting in settings.items()}
    if gpu:
        with exact(torch.device(args.device)):
            alike = difference(peer.run(files[:ALIKE], peer.default), first[:ALIKE])
        notes = {arm: f"{words}; {alike:.1e} from ours in fp32 if its TF32 is off" for arm, words in notes.items()}
        if decoders.are_worth_it(len(files), args.device):
            notes |= dict.fromkeys(own, f"{readers()} processes decode, started before; their CPU time is left out")
    off = {arm: difference(answer, first) for arm, answer in answers.items()}
    off_tf32 = {arm: difference(answers[arm], other) for other in others for arm in answers}
    return Rule(peer.rule, mine, theirs, notes, off, off_tf32)


def compare(state: Mapping[str, Tensor], files: Files, folder: Path, args: argparse.Namespace) -> Found:
    """Every peer against ours: the numeric difference first, then times and ratios."""
    tolerance, goals = (TOLERANCE, GOALS) if args.device == "cpu" else (TOLERANCE_TF32, GOALS_GPU)
    rules = {name: arms_of(name, state, files, folder, args) for name in args.peers if results.installed(MODULES[name])}
    arms = {arm: run for rule in rules.values() for arm, run in (rule.ours | rule.theirs).items()}
    near = {arm for rule in rules.values() for arm, apart in rule.off.items() if apart <= tolerance}
    timings = paired({arm: run for arm, run in arms.items() if arm in near}, args.rounds, warm=0)  # they have run once
    rows, figures = [], []
    for rule in rules.values():
        hoped = {arm: goal for arm in rule.theirs if (goal := goal_of(arm, goals))}
        for our, off in zip(rule.ours, (rule.off, rule.off_tf32), strict=False):
            case = our.replace("ours", "features")
            variants = tuple(arm for arm in rule.ours if arm != our)
            about = Comparison(BENCHMARK, case, our, "image", len(files), "relative", tolerance, args.clock, variants)
            rows += results.rows(about, timings, off, hoped, rule.notes)
            if args.device != "cpu" and our in near:
                rate = len(files) / median(timings, our, args.clock)
                figures.append(results.figure(BENCHMARK, f"{case}: ours", rate, "images/s", args.clock))
    results.show(rows)
    results.show_figures(figures)
    return Found([rule.name for rule in rules.values()], rows, figures, timings)


def beside_cpu(
    state: Mapping[str, Tensor], files: Files, folder: Path, rules: list[str], device: str
) -> list[results.Row]:
    """How far features of a GPU are from those of this CPU, on some of the images."""
    for file in files[:BESIDE]:
        (folder / "some").mkdir(exist_ok=True)
        (folder / "some" / Path(file).name).hardlink_to(file)
    figures = []
    for rule in rules:
        found = [
            ours(InceptionEncoder(state, "random:0", rule, where, precision=precision), folder / "some")
            for where, precision in (("cpu", DTYPE), (device, DTYPE), (device, TF32))
        ]
        for precision, rows in zip((DTYPE, TF32), found[1:], strict=True):
            name = f"features, {rule}, {precision}: from those of the CPU, n = {len(rows)}"
            figures.append(results.figure(BENCHMARK, name, difference(rows, found[0]), "relative"))
    results.show_figures(figures)
    return figures


def main() -> None:
    """Print the comparison and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=48, help=f"PNG files of {SIZE} x {SIZE}, at least a pass's")
    parser.add_argument("--rounds", type=int, default=3, help="of all arms; fewer than 3 give no interval")
    parser.add_argument("--stage-rounds", type=int, default=7, help="of decoding, resizing and the network alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--gemm-seconds", type=float, default=5.0, help="twice this long for the GEMM peak")
    parser.add_argument("--peers", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--json", type=Path, help="where to write everything")
    args = parser.parse_args()
    args.benchmark, args.clock = BENCHMARK, "cpu_s" if args.device == "cpu" else "wall_s"
    facts = environment(PACKAGES) | {"threads": args.threads}
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    here = [name for name in args.peers if results.installed(MODULES[name])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        number = max(batch_of(torch.device(args.device)), args.images)
        state, files = random_state(), write_images(folder / "images", number)
        figures = split(state, files, args)
        found = compare(state, files, folder, args)
        if args.device != "cpu":
            figures += beside_cpu(state, files, folder, found.rules, args.device)
            facts |= gpu_facts()
    rows = [
        results.not_run(Comparison(BENCHMARK, "features", "ours", clock=args.clock), peer, peer)
        for peer in args.peers
        if peer not in here
    ]
    figures += found.figures
    results.write(args.json, BENCHMARK, facts, vars(args), found.rows + rows, figures, timings=found.timings)


if __name__ == "__main__":
    main()
