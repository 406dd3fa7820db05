"""HPS: our batched scorer against the package hpsv2 on the same files and random weights, and how soon it is ready.

    python benchmarks/hps.py --images 16 --rounds 3 --json hps.json

hpsv2 is called as its users call it, and as its own benchmark loop runs it: weights loaded once, batches of 20. Part
two makes a checkpoint of a ViT-H-14 in three formats, 10 GB on disk for as long as it runs.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import open_clip
import torch
from pairing import Timing, environment, gemm_peak, median, paired, ratio
from PIL import Image
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders import hps, hpsv2_backend
from evalsuite.encoders.assign import build
from evalsuite.images import read_rgb

PROMPT = "A photo of a cat on a red sofa"
TOLERANCE = 1e-6  # of a raw cosine in fp32
OURS, PATHS, LIST, LOOP = "evalsuite", "hpsv2.score(path) each", "hpsv2.score([paths])", "hpsv2 benchmark loop"
READY, READY_HALF, BUILD, RELOAD = "evalsuite fp32 file", "evalsuite fp16 file", "hpsv2 constructor", "hpsv2 reload"
FIRST = ", one image"
GOALS = {PATHS: 3.5, LIST: 2.0}
PEER_BATCH = 20


@dataclass(frozen=True)
class Files:
    """The same weights for both, and images."""

    ours: Path
    half: Path
    theirs: Path
    images: tuple[str, ...] = ()


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


def compare_scoring(files: Files, architecture: str, rounds: int, threads: int) -> dict[str, Any]:
    """Scores of all arms, then their times."""
    hps.ARCHITECTURE = architecture
    encoder, peer = hps.load(files.ours, "random:0", "v2.1"), Peer(architecture, files.theirs)
    paths = list(files.images)
    arms: dict[str, Callable[[], list[float]]] = {
        OURS: lambda: ours(encoder, paths),
        PATHS: lambda: [score for path in paths for score in peer.score(path)],
        LIST: lambda: peer.score(paths),
        LOOP: lambda: peer.loop(paths),
    }
    differences = same_work({name: arm() for name, arm in arms.items()}, OURS)
    timings = paired(arms, rounds)
    found = summary(timings, OURS, differences, len(paths))
    with FlopCounterMode(display=False) as counter:
        encoder.texts([PROMPT])
        encoder.images(torch.zeros(len(paths), 3, 224, 224, dtype=torch.uint8))
    rate = counter.get_total_flops() / median(timings, OURS, "wall_s") / 1e9
    peak = gemm_peak(torch.float32, threads, seconds=3.0)
    return found | {"gflop_per_s": rate, "gemm_gflop_per_s": peak, "of_gemm": rate / peak}


def compare_readiness(files: Files, architecture: str, rounds: int) -> dict[str, Any]:
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
        READY + FIRST: lambda: see(build(architecture, files.ours)),
        RELOAD + FIRST: lambda: see(reloaded()),
    }
    differences = same_work({name: arm() for name, arm in images.items()}, READY + FIRST)
    arms: dict[str, Callable[[], object]] = {
        READY: lambda: build(architecture, files.ours),
        READY_HALF: lambda: build(architecture, files.half),
        BUILD: lambda: peer.construct(architecture),
        RELOAD: peer.reload,
    }
    return summary(paired(arms | images, rounds), READY, differences, 1)


def same_work(results: Mapping[str, Sequence[float]], reference: str) -> dict[str, float]:
    """Largest difference from the reference's result, by arm; stops where one did other work."""
    expected = np.array(results[reference])
    differences = {name: float(np.abs(np.array(result) - expected).max()) for name, result in results.items()}
    for name, difference in differences.items():
        if difference > TOLERANCE:
            raise SystemExit(f"different work: {name} is {difference:.1e} from {reference}, more than {TOLERANCE:g}")
    return differences


def summary(timings: Sequence[Timing], ours: str, differences: Mapping[str, float], images: int) -> dict[str, Any]:
    """Medians per image and ratios, printed and returned."""
    rows = {}
    for arm in dict.fromkeys(timing.arm for timing in timings):
        cpu, wall = (median(timings, arm, clock) / images for clock in ("cpu_s", "wall_s"))
        slower = None if arm == ours else ratio(timings, arm, ours)
        slower_wall = None if arm == ours else ratio(timings, arm, ours, "wall_s")
        said = "" if slower is None else f"  x {slower}"
        apart = f"  {differences[arm]:.1e} apart" if arm in differences else ""
        print(f"{arm:32} {1e3 * cpu:9.1f} CPU ms {1e3 * wall:9.1f} wall ms{said}{apart}")
        rows[arm] = {
            "cpu_s": cpu,
            "wall_s": wall,
            "ratio_cpu": slower and asdict(slower),
            "ratio_wall": slower_wall and asdict(slower_wall),
            "difference": differences.get(arm),
            "goal": GOALS.get(arm),
        }
    return {"arms": rows, "timings": [asdict(timing) for timing in timings]}


def main() -> None:
    """Run both parts and print; --json keeps all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--architecture", default="ViT-B-32", help="of part one")
    parser.add_argument("--ready", default="ViT-H-14", help="architecture of part two; empty to leave it out")
    parser.add_argument("--folder", type=Path, help="for the temporary files")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")  # of old names that hpsv2 uses
    packages = ("torch", "torchvision", "open_clip_torch", "hpsv2", "safetensors", "pillow")
    found: dict[str, Any] = {"settings": {k: str(v) for k, v in vars(args).items()}, **environment(packages)}
    with TemporaryDirectory(dir=args.folder) as folder:
        made = make_weights(args.architecture, Path(folder))
        files = Files(made.ours, made.half, made.theirs, make_images(Path(folder), args.images, args.side))
        print(f"{args.architecture}, {args.images} images of {args.side} px, per image:")
        found["scoring"] = compare_scoring(files, args.architecture, args.rounds, args.threads)
        print(f"{OURS}: {found['scoring']['of_gemm']:.0%} of the matrix products' limit, decoding included")
    if args.ready:
        with TemporaryDirectory(dir=args.folder) as folder:
            print(f"{args.ready}, until the weights are ready:")
            found["readiness"] = compare_readiness(make_weights(args.ready, Path(folder)), args.ready, args.rounds)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
