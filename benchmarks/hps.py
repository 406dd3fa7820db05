"""HPS: our batched scorer against the package hpsv2 on the same files and random weights, and how soon it is ready.

    python benchmarks/hps.py --images 16 --rounds 3 --json hps.json
    python benchmarks/hps.py --device cuda --architecture ViT-H-14 --images 32 --memory 2048 --ready= --json gpu.json

hpsv2 is called as its users call it, and as its own benchmark loop runs it: weights loaded once, batches of 20. Part
two makes a checkpoint of a ViT-H-14 in three formats, 10 GB on disk for as long as it runs.

On a GPU hpsv2 computes under fp16 autocast and rounds the cosine to fp16. Ours runs there in every precision: the files
are scored in fp32 and in fp16, each against hpsv2, and with --memory pictures in memory, by precision.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import results
import torch
from hps_memory import HALF, LARGE, Found, arm_of, by_precision, from_memory
from hps_peer import PROMPT, Files, Peer, make_images, make_weights
from pairing import environment, gemm_peak, gpu_facts, median, paired
from results import Comparison
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders import hps, hpsv2_backend
from evalsuite.encoders.assign import build
from evalsuite.encoders.features import encoded_in_turn, images_per_pass
from evalsuite.encoders.precision import DTYPE
from evalsuite.images import read_rgb
from evalsuite.read_ahead import read_ahead

BENCHMARK = "hps"
TOLERANCE = 1e-6  # of a raw cosine in fp32
TOLERANCE_HALF = 2e-3  # of one in half precision, which hpsv2 rounds by up to 1.2e-4 besides
OURS, PATHS, LIST, LOOP = "evalsuite", "hpsv2.score(path) each", "hpsv2.score([paths])", "hpsv2 benchmark loop"
READY, READY_HALF, BUILD, RELOAD = "evalsuite fp32 file", "evalsuite fp16 file", "hpsv2 constructor", "hpsv2 reload"
GOALS = {PATHS: 3.5, LIST: 2.0}
GOALS_GPU = {LIST: 10.0}
READY_GOAL = 1.0  # seconds
PACKAGES = ("torch", "torchvision", "open_clip_torch", "hpsv2", "safetensors", "pillow")


def ours(encoder: hps.HPSEncoder, images: Sequence[str]) -> list[float]:
    """From files to scores."""
    pixels = read_ahead(read_rgb, map(Path, images))
    batches = iter(lambda: list(islice(pixels, images_per_pass(encoder))), [])
    rows = np.concatenate([rows for _, rows in encoded_in_turn(encoder, ((None, batch) for batch in batches))])
    scores: list[float] = (rows @ encoder.texts([PROMPT])[0]).tolist()
    return scores


def scoring(files: Files, architecture: str, rounds: int, threads: int) -> Found:
    """Scores of all arms, then their times."""
    hps.ARCHITECTURE = architecture
    encoder, peer = hps.load(files.ours, "random:0", "v2.1"), Peer(architecture, files.theirs)
    paths = list(files.images)
    case = f"{architecture}, {len(paths)} images"
    about = Comparison(BENCHMARK, case, OURS, "image", len(paths), "cosine", TOLERANCE)
    arms: dict[str, Callable[[], list[float]]] = {
        OURS: lambda: ours(encoder, paths),
        PATHS: lambda: [score for path in paths for score in peer.score(path)],
        LIST: lambda: peer.score(paths),
        LOOP: lambda: peer.loop(paths),
    }
    differences = apart({name: arm() for name, arm in arms.items()}, OURS)
    same = {name: arm for name, arm in arms.items() if about.same(differences[name])}
    timings = paired(same, rounds, warm=0)  # the scores above were the warm-up
    with FlopCounterMode(display=False) as counter:
        encoder.texts([PROMPT])
        encoder.images(torch.zeros(len(paths), 3, 224, 224, dtype=torch.uint8))
    peak = gemm_peak(torch.float32, threads, seconds=3.0)
    limit = results.Limit(counter.get_total_flops() / len(paths), peak, threads)
    rows = results.rows(about, timings, differences, GOALS, limit=limit)
    # The peer does more than these products: it reads the prompt for every image.
    rows = [row if row["arm"] == OURS else row | {"share": None} for row in rows]
    return Found(rows, [], timings)


def scoring_on(files: Files, args: argparse.Namespace) -> Found:
    """The same on a GPU: ours in fp32 and in half precision, each against hpsv2; then pictures in memory.

    hpsv2.score(path) is left out: it reads the whole checkpoint for every image.
    """
    architecture, paths = args.architecture, list(files.images)
    encoders, peer = by_precision(files.ours, architecture, args.device), Peer(architecture, files.theirs, args.device)
    mine = {arm_of(name): encoders[name] for name in (DTYPE, HALF)}
    arms: dict[str, Callable[[], list[float]]] = {
        **{arm: lambda encoder=encoder: ours(encoder, paths) for arm, encoder in mine.items()},  # type: ignore[misc]
        LIST: lambda: peer.score(paths),
        LOOP: lambda: peer.loop(paths),
    }
    answers = {name: arm() for name, arm in arms.items()}
    timings = paired(arms, args.rounds, warm=0)  # the answers above were the warm-up
    rows: list[results.Row] = []
    for own in mine:
        about = Comparison(
            BENCHMARK,
            f"{architecture}, {len(paths)} PNG files, {own}",
            own,
            "image",
            len(paths),
            "cosine",
            TOLERANCE_HALF,
            args.clock,
            variants=tuple(mine),
        )
        rows += results.rows(about, timings, apart(answers, own), GOALS_GPU)
    if not args.memory:
        return Found(rows, [], timings)
    found = from_memory(encoders, architecture, args)
    return Found(rows + found.rows, found.figures, timings + found.timings)


def readiness(files: Files, architecture: str, rounds: int) -> Found:
    """How long until a checkpoint, which is in memory's file cache, is ready, and until a first image is seen.

    A mapped file is read where it is first used, so ready alone would flatter ours.
    """
    peer = Peer(architecture, files.theirs)
    image = hps.hps_letterbox(torch.arange(256, dtype=torch.uint8).repeat(3 * 256).view(1, 3, 256, 256))

    def see(model: Any) -> list[float]:
        with torch.inference_mode():
            features: list[float] = model.encode_image(image, normalize=True)[0].tolist()
        return features

    def reloaded() -> Any:
        peer.reload()
        return peer.model

    images: dict[str, Callable[[], list[float]]] = {
        READY: lambda: see(build(architecture, files.ours)),
        RELOAD: lambda: see(reloaded()),
    }
    differences = apart({name: arm() for name, arm in images.items()}, READY)
    loads: dict[str, Callable[[], object]] = {
        READY: lambda: build(architecture, files.ours),
        READY_HALF: lambda: build(architecture, files.half),
        BUILD: lambda: peer.construct(architecture),
        RELOAD: peer.reload,
    }
    ready = Comparison(BENCHMARK, f"{architecture} ready", READY, "load", variants=(READY_HALF,))
    first = Comparison(BENCHMARK, f"{architecture} ready, one image", READY, "load", 1, "feature", TOLERANCE)
    # One pairing for both, in turn.
    timings = paired({f"{first.case}: {k}": arm for k, arm in images.items()} | dict(loads), rounds, warm=0)
    seen = [replace(t, arm=t.arm.removeprefix(f"{first.case}: ")) for t in timings if t.arm not in loads]
    found = results.rows(ready, [t for t in timings if t.arm in loads]) + results.rows(first, seen, differences)
    seconds = median(timings, READY)
    name = f"{architecture}: checkpoint ready, files cached"
    goal = READY_GOAL if architecture == LARGE else None
    return Found(found, [results.figure(BENCHMARK, name, seconds, "s", "cpu_s", most=goal)], timings)


def apart(answers: Mapping[str, Sequence[float]], reference: str) -> dict[str, float]:
    """Largest difference from the reference's answer, by arm."""
    expected = np.array(answers[reference])
    return {name: float(np.abs(np.array(answer) - expected).max()) for name, answer in answers.items()}


def main() -> None:
    """Run both parts and print; --json keeps all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--memory", type=int, default=0, help="pictures in memory that a GPU looks at")
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peak-seconds", type=float, default=1.0, help="of a GPU's limit")
    parser.add_argument("--architecture", default="ViT-B-32", help="of part one")
    parser.add_argument("--ready", default=LARGE, help="architecture of part two; empty to leave it out")
    parser.add_argument("--folder", type=Path, help="for the temporary files")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")  # of old names that hpsv2 uses
    cpu = args.device == "cpu"
    args.clock = "cpu_s" if cpu else "wall_s"
    facts = environment(PACKAGES) | {"threads": args.threads}
    if not results.installed(hpsv2_backend.PACKAGE):
        about = Comparison(BENCHMARK, args.architecture, OURS)
        results.write(args.json, BENCHMARK, facts, vars(args), [results.not_run(about, LIST, hpsv2_backend.PACKAGE)])
        return
    parts = []
    with TemporaryDirectory(dir=args.folder) as folder:
        made = make_weights(args.architecture, Path(folder), args.device)
        given = replace(made, images=make_images(Path(folder), args.images, args.side))
        parts.append(scoring(given, args.architecture, args.rounds, args.threads) if cpu else scoring_on(given, args))
    if args.ready:
        with TemporaryDirectory(dir=args.folder) as folder:
            parts.append(readiness(make_weights(args.ready, Path(folder)), args.ready, args.rounds))
    if not cpu:
        facts |= gpu_facts()
    rows, figures, timings = (list(chain.from_iterable(kind)) for kind in zip(*parts, strict=True))
    results.show(rows)
    results.show_figures(figures)
    results.write(args.json, BENCHMARK, facts, vars(args), rows, figures, timings=timings)


if __name__ == "__main__":
    main()
