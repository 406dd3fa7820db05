"""HPS: our batched scorer against the package hpsv2 on the same files and random weights, and how soon it is ready.

    python benchmarks/hps.py --images 16 --rounds 3 --json hps.json

hpsv2 is called as its users call it, and as its own benchmark loop runs it: weights loaded once, batches of 20. Part
two makes a checkpoint of a ViT-H-14 in three formats, 10 GB on disk for as long as it runs.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import open_clip
import results
import torch
from pairing import Timing, environment, gemm_peak, median, paired
from PIL import Image
from results import Comparison
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders import hps, hpsv2_backend
from evalsuite.encoders.assign import build
from evalsuite.images import read_rgb

BENCHMARK = "hps"
PROMPT = "A photo of a cat on a red sofa"
TOLERANCE = 1e-6  # of a raw cosine in fp32
OURS, PATHS, LIST, LOOP = "evalsuite", "hpsv2.score(path) each", "hpsv2.score([paths])", "hpsv2 benchmark loop"
READY, READY_HALF, BUILD, RELOAD = "evalsuite fp32 file", "evalsuite fp16 file", "hpsv2 constructor", "hpsv2 reload"
GOALS = {PATHS: 3.5, LIST: 2.0}
LARGE, READY_GOAL = "ViT-H-14", 1.0  # seconds
PACKAGES = ("torch", "torchvision", "open_clip_torch", "hpsv2", "safetensors", "pillow")
PEER_BATCH = 20


@dataclass(frozen=True)
class Files:
    """The same weights for both, and images."""

    ours: Path
    half: Path
    theirs: Path
    images: tuple[str, ...] = ()


class Found(NamedTuple):
    """Of one part of this benchmark."""

    rows: list[results.Row]
    figures: list[results.Row]
    timings: list[Timing]


class Peer:
    """hpsv2 with an architecture of our choice; its own loads a ViT-H-14 from the hub first."""

    def __init__(self, architecture: str, checkpoint: Path) -> None:
        self._package = hpsv2_backend.package()
        with hpsv2_backend.repaired():
            self._score = import_module("hpsv2.img_score")
        self._checkpoint = str(checkpoint)
        self.model, self._transform = self.construct(architecture)
        vars(self._score)["device"] = "cpu"
        self._score.model_dict.update(model=self.model, preprocess_val=self._transform)
        self.reload()
        self.model.eval()

    def construct(self, architecture: str) -> tuple[Any, Any]:
        """Network and transform, as hpsv2.img_score asks for them."""
        model, _, transform = self._package.create_model_and_transforms(
            architecture, None, precision="amp", device="cpu", light_augmentation=True, output_dict=True
        )
        return model, transform

    def reload(self) -> None:
        """What every call of hpsv2.score does before it looks at an image."""
        self.model.load_state_dict(torch.load(self._checkpoint, map_location="cpu")["state_dict"])

    def score(self, images: str | list[str]) -> list[float]:
        """hpsv2.score: one path or many."""
        return [float(score) for score in self._score.score(images, PROMPT, cp=self._checkpoint)]

    def loop(self, images: Sequence[str]) -> list[float]:
        """The loop of hpsv2.evaluation: no reload, images in batches, the prompt read for every image."""
        scores: list[float] = []
        with torch.no_grad():
            for start in range(0, len(images), PEER_BATCH):
                batch = images[start : start + PEER_BATCH]
                x = torch.stack([self._transform(Image.open(path)) for path in batch])
                found = self.model(x, self._package.tokenize([PROMPT] * len(batch)))
                scores += torch.diagonal(found["image_features"] @ found["text_features"].T).tolist()
        return scores


def make_weights(architecture: str, folder: Path) -> Files:
    """Random weights on disk: safetensors in fp32 and fp16, and a .pt as hpsv2's is."""
    torch.manual_seed(0)
    state = open_clip.create_model(architecture, precision="fp32").state_dict()
    files = Files(folder / "fp32.safetensors", folder / "fp16.safetensors", folder / "fp32.pt")
    save_file(state, files.ours)
    save_file({key: value.half() for key, value in state.items()}, files.half)
    torch.save({"state_dict": state}, files.theirs)
    return files


def make_images(folder: Path, count: int, side: int) -> tuple[str, ...]:
    """Square PNG files of blurred noise."""
    generator = torch.Generator().manual_seed(0)
    paths = []
    for number in range(count):
        coarse = torch.rand(1, 3, side // 8, side // 8, generator=generator)
        x = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
        x = (x + 0.1 * torch.rand(x.shape, generator=generator)).clamp(0, 1)
        Image.fromarray((x[0] * 255).byte().permute(1, 2, 0).numpy()).save(folder / f"{number:03}.png")
        paths.append(str(folder / f"{number:03}.png"))
    return tuple(paths)


def ours(encoder: hps.HPSEncoder, images: Sequence[str]) -> list[float]:
    """From files to scores."""
    pixels = torch.from_numpy(np.stack([read_rgb(Path(path)) for path in images])).permute(0, 3, 1, 2)
    scores: list[float] = (encoder.images(pixels) @ encoder.texts([PROMPT])[0]).tolist()
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
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--architecture", default="ViT-B-32", help="of part one")
    parser.add_argument("--ready", default=LARGE, help="architecture of part two; empty to leave it out")
    parser.add_argument("--folder", type=Path, help="for the temporary files")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")  # of old names that hpsv2 uses
    facts = environment(PACKAGES) | {"threads": args.threads}
    if not results.installed(hpsv2_backend.PACKAGE):
        about = Comparison(BENCHMARK, args.architecture, OURS)
        results.write(args.json, BENCHMARK, facts, vars(args), [results.not_run(about, LIST, hpsv2_backend.PACKAGE)])
        return
    parts = []
    with TemporaryDirectory(dir=args.folder) as folder:
        made = make_weights(args.architecture, Path(folder))
        images = make_images(Path(folder), args.images, args.side)
        parts.append(scoring(replace(made, images=images), args.architecture, args.rounds, args.threads))
    if args.ready:
        with TemporaryDirectory(dir=args.folder) as folder:
            parts.append(readiness(make_weights(args.ready, Path(folder)), args.ready, args.rounds))
    rows, figures, timings = (list(chain.from_iterable(kind)) for kind in zip(*parts, strict=True))
    results.show(rows)
    results.show_figures(figures)
    results.write(args.json, BENCHMARK, facts, vars(args), rows, figures, timings=timings)


if __name__ == "__main__":
    main()
