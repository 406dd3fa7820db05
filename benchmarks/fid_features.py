"""FID features from PNG files: four packages against evalsuite, each with that package's own resize rule.

    python benchmarks/fid_features.py --images 48 --rounds 3 --json out.json

Same files, same weights (random, seeded: none are fetched), whole jobs: read, resize, network, 2048 numbers per image.
The networks are built beforehand. A peer runs with its defaults and with the fastest of a few settings; an arm whose
features differ from ours by more than TOLERANCE gets no ratio. clean-fid's own network is a download, so its loader and
resizer feed pytorch-fid's.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import results
import torch
from fid_peers import MODULES, Files, Peer, Setting, make, read
from pairing import Timing, environment, gemm_peak, median, paired
from PIL import Image
from results import Comparison
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders.inception import InceptionEncoder
from evalsuite.encoders.inception_v3 import InceptionV3
from evalsuite.encoders.protocol import BATCH
from evalsuite.encoders.resize import RULES

SIZE = 256
TOLERANCE = 1e-5
PACKAGES = ("torch", "numpy", "pillow", *MODULES)
BENCHMARK = "fid_features"
TUNED, FOLDED = ", tuned", "network, folded"
GOALS = {"torch-fidelity": 1.9, "pytorch-fid": 1.8, "clean-fid": 1.7, "torchmetrics": 1.5}
SHARE_GOAL = 0.9


class Found(NamedTuple):
    """Of the comparison."""

    rows: list[results.Row]
    timings: list[Timing]


def random_state(seed: int = 0) -> dict[str, Tensor]:
    """Weights for every package, with batch norms that do something."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in InceptionV3().state_dict().items()}
    generator, made = torch.Generator().manual_seed(seed), {}
    for key, shape in shapes.items():
        if key.endswith("num_batches_tracked"):
            made[key] = torch.tensor(0)
        elif key.endswith(("running_var", "bn.weight")):
            made[key] = torch.empty(shape).uniform_(0.5, 1.5, generator=generator)
        else:
            scale = (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else 0.1
            made[key] = torch.empty(shape).normal_(0, scale, generator=generator)
    return made


def write_images(folder: Path, number: int, seed: int = 0) -> Files:
    """PNG files of SIZE x SIZE: soft shapes under noise, which compress about as photographs do."""
    generator = np.random.default_rng(seed)
    files = []
    for index in range(number):
        coarse = Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float64)
        noisy = soft + generator.normal(0, 6, soft.shape)
        path = folder / f"{index:05}.png"
        Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8)).save(path)
        files.append(str(path))
    return files


def ours(encoder: InceptionEncoder, files: Files) -> np.ndarray:
    """Features by evalsuite; threads decode ahead of the network."""
    rows = []
    with ThreadPoolExecutor(2) as pool:
        decoded = pool.map(read, files)
        while batch := [image for _, image in zip(range(BATCH), decoded, strict=False)]:
            rows.append(encoder.images(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)))
    return np.concatenate(rows)


def tuned(peer: Peer, files: Files) -> Setting:
    """The setting that took the least CPU time, each tried once after one untimed call."""
    arms = {str(number): lambda s=setting: peer.run(files, s) for number, setting in enumerate(peer.sweep)}
    timings = paired(arms, rounds=1)
    return peer.sweep[int(min(arms, key=lambda arm: median(timings, arm)))]


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative, in the Euclidean norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def goal_of(arm: str) -> float | None:
    """What is hoped for against a package, however it is set."""
    return GOALS.get(arm.removesuffix(TUNED))


def compare(state: Mapping[str, Tensor], files: Files, folder: Path, args: argparse.Namespace) -> Found:
    """Every peer against ours: the numeric difference first, then times and ratios."""
    arms: dict[str, Callable[[], np.ndarray]] = {}
    found: list[tuple[Comparison, dict[str, float], dict[str, str]]] = []
    for name in args.peers:
        if not results.installed(MODULES[name]):
            continue
        peer = make(name, state, folder)
        encoder = InceptionEncoder(state, "random:0", peer.rule)
        about = Comparison(
            BENCHMARK, f"features, {peer.rule}", f"ours, {peer.rule}", "image", len(files), "relative", TOLERANCE
        )
        settings = {name: peer.default, name + TUNED: tuned(peer, files[: max(BATCH, len(files) // 3)])}
        own: dict[str, Callable[[], np.ndarray]] = {about.ours: partial(ours, encoder, files)}
        own |= {arm: partial(peer.run, files, setting) for arm, setting in settings.items()}
        expected = own[about.ours]()
        off = {arm: difference(run(), expected) for arm, run in own.items()}
        arms |= {arm: run for arm, run in own.items() if about.same(off[arm])}
        found.append((about, off, {arm: str(setting) for arm, setting in settings.items()}))
    timings = paired(arms, args.rounds, warm=0)  # the gate above was the warm-up
    rows = []
    for about, off, notes in found:
        rows += results.rows(about, timings, off, {arm: goal for arm in off if (goal := goal_of(arm))}, notes)
    results.show(rows)
    return Found(rows, timings)


def split(state: Mapping[str, Tensor], files: Files, args: argparse.Namespace) -> list[results.Row]:
    """Milliseconds of CPU per image by stage, and how near the network comes to the processor's matrix products."""
    images = torch.from_numpy(np.stack([read(file) for file in files[:BATCH]])).permute(0, 3, 1, 2)
    plain, folded = (InceptionEncoder(state, "random:0", "tf1", folded=form) for form in (False, True))
    x = RULES["tf1"].function(images)
    last = x.contiguous(memory_format=torch.channels_last)
    arms: dict[str, Callable[[], object]] = {"decode": lambda: [read(file) for file in files[:BATCH]]}
    arms |= {f"resize {name}": lambda f=rule.function: f(images) for name, rule in RULES.items()}  # type: ignore[misc]
    arms |= {"network, plain": lambda: plain.network(x), FOLDED: lambda: folded.network(last)}
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        plain.network(x)
    peak = gemm_peak(torch.float32, args.threads, args.gemm_seconds)
    with torch.inference_mode():
        timings = paired(arms, args.stage_rounds)
    peak = max(peak, gemm_peak(torch.float32, args.threads, args.gemm_seconds))
    flops = counter.get_total_flops()  # of the batch
    figures = [
        results.figure(BENCHMARK, f"stage {arm}", median(timings, arm) / len(images), "s per image", "cpu_s")
        for arm in arms
    ]
    share = flops * args.threads / median(timings, FOLDED) / 1e9 / peak
    name = "network alone, of the matrix products' limit"
    figures.append(results.figure(BENCHMARK, name, share, "share", "cpu_s", least=SHARE_GOAL))
    results.show_figures(figures)
    return figures


def main() -> None:
    """Print the comparison and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=48, help=f"PNG files of {SIZE} x {SIZE}, at least {BATCH}")
    parser.add_argument("--rounds", type=int, default=3, help="of all arms; fewer than 3 give no interval")
    parser.add_argument("--stage-rounds", type=int, default=7, help="of decoding, resizing and the network alone")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--gemm-seconds", type=float, default=5.0, help="twice this long for the GEMM peak")
    parser.add_argument("--peers", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--json", type=Path, help="where to write everything")
    args = parser.parse_args()
    facts = environment(PACKAGES) | {"threads": args.threads}
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    with tempfile.TemporaryDirectory() as name:
        state, files = random_state(), write_images(Path(name), max(BATCH, args.images))
        figures = split(state, files, args)
        found = compare(state, files, Path(name), args)
    absent = [name for name in args.peers if not results.installed(MODULES[name])]
    rows = [results.not_run(Comparison(BENCHMARK, "features", "ours"), name, name) for name in absent]
    results.write(args.json, BENCHMARK, facts, vars(args), found.rows + rows, figures, timings=found.timings)


if __name__ == "__main__":
    main()
