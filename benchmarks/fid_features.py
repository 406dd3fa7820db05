"""FID features from PNG files: four packages against evalsuite, each with that package's own resize rule.

    python benchmarks/fid_features.py --images 48 --rounds 3 --json out.json

Same files, same weights (random, seeded: none are fetched), whole jobs: read, resize, network, 2048 numbers per image.
The networks are built beforehand. A peer runs with its defaults and with the fastest of a few settings; an arm whose
features differ from ours by more than TOLERANCE gets no ratio. clean-fid's own network is a download, so its loader and
resizer feed pytorch-fid's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from pairing import CLOCKS, Clock, Ratio, environment, gemm_peak, median, paired, ratio
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from evalsuite.encoders.inception import InceptionEncoder
from evalsuite.encoders.inception_v3 import InceptionV3
from evalsuite.encoders.protocol import BATCH
from evalsuite.encoders.resize import RULES, SIDE

SIZE = 256
TOLERANCE = 1e-5
PACKAGES = ("torch", "numpy", "pillow", "torch-fidelity", "torchmetrics", "pytorch-fid", "clean-fid")
Files = Sequence[str]


class Setting(NamedTuple):
    """Of a peer's loader, and of its network where the package hands it out."""

    batch: int
    workers: int
    channels_last: bool = False

    def __str__(self) -> str:
        layout = ", channels last" if self.channels_last else ""
        return f"batch {self.batch}, workers {self.workers}{layout}"


SWEEP = (Setting(8, 0), Setting(8, 2), Setting(32, 0))
SWEEP_TENSORS = (Setting(8, 0), Setting(8, 0, True), Setting(32, 0, True))


class Peer(NamedTuple):
    """A package's way from files to features."""

    rule: str
    default: Setting
    sweep: Sequence[Setting]
    run: Callable[[Files, Setting], np.ndarray]


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
        decoded = pool.map(_read, files)
        while batch := [image for _, image in zip(range(BATCH), decoded, strict=False)]:
            rows.append(encoder.images(torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)))
    return np.concatenate(rows)


def peers(state: Mapping[str, Tensor], folder: Path, only: Sequence[str]) -> Iterator[tuple[str, Peer]]:
    """The packages asked for, their networks built over these weights."""
    path = folder / "inception.pth"
    torch.save(dict(state), path)
    makers: dict[str, Callable[[], Peer]] = {
        "torch-fidelity": lambda: _torch_fidelity(str(path)),
        "torchmetrics": lambda: _torchmetrics(str(path)),
        "pytorch-fid": lambda: _pytorch_fid(state),
        "clean-fid": lambda: _clean_fid(state),
    }
    yield from ((name, makers[name]()) for name in only)


def _torch_fidelity(weights: str) -> Peer:
    from torch_fidelity import utils
    from torch_fidelity.datasets import ImagesPathDataset
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=weights)

    def run(files: Files, setting: Setting) -> np.ndarray:
        # It takes min(4, twice the CPUs) workers, or none.
        none = setting.workers == 0
        found = utils.get_featuresdict_from_dataset(
            ImagesPathDataset(files), network, setting.batch, False, none, False
        )
        return np.asarray(found["2048"])

    return Peer("tf1", Setting(64, 4), SWEEP, run)


def _torchmetrics(weights: str) -> Peer:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature_extractor_weights_path=weights)

    @torch.inference_mode()
    def run(files: Files, setting: Setting) -> np.ndarray:
        # It has no loader and takes tensors: a plain loop. Channels last by chance, as pixels come out of a file, would
        # pass through its resize and speed up its network, so both layouts are measured.
        layout, rows = torch.channels_last if setting.channels_last else torch.contiguous_format, []
        for start in range(0, len(files), setting.batch):
            batch = torch.from_numpy(np.stack([_read(file) for file in files[start : start + setting.batch]]))
            rows.append(metric.inception(batch.permute(0, 3, 1, 2).contiguous(memory_format=layout)).numpy())
        return np.concatenate(rows)

    return Peer("antialias", Setting(32, 0), SWEEP_TENSORS, run)


def _pytorch_fid(state: Mapping[str, Tensor]) -> Peer:
    from pytorch_fid import fid_score  # type: ignore[import-untyped]

    network = _pytorch_fid_network(state)

    def run(files: Files, setting: Setting) -> np.ndarray:
        with mock.patch.object(fid_score, "tqdm", lambda batches: batches):
            found = fid_score.get_activations(
                files, network, min(setting.batch, len(files)), num_workers=setting.workers
            )
        return np.asarray(found)

    return Peer("pytorch-fid", Setting(50, 1), SWEEP, run)


def _clean_fid(state: Mapping[str, Tensor]) -> Peer:
    from cleanfid import fid  # type: ignore[import-untyped]

    network = _pytorch_fid_network(state, resize_input=False, normalize_input=False).eval()

    def run(files: Files, setting: Setting) -> np.ndarray:
        return np.asarray(
            fid.get_files_features(
                files,
                lambda x: network((x - 128) / 128)[0].flatten(1),
                num_workers=setting.workers,
                batch_size=setting.batch,
                device=torch.device("cpu"),
                verbose=False,
            )
        )

    return Peer("clean", Setting(128, 12), SWEEP, run)


def _pytorch_fid_network(state: Mapping[str, Tensor], **options: bool) -> Any:
    from pytorch_fid import inception

    with mock.patch.object(inception, "load_state_dict_from_url", return_value=dict(state)):
        return inception.InceptionV3(**options)


def _read(file: str) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def tuned(peer: Peer, files: Files) -> Setting:
    """The setting that took the least CPU time, each tried once after one untimed call."""
    arms = {str(number): lambda s=setting: peer.run(files, s) for number, setting in enumerate(peer.sweep)}
    timings = paired(arms, rounds=1)
    return peer.sweep[int(min(arms, key=lambda arm: median(timings, arm)))]


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative, in the Euclidean norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def compare(state: Mapping[str, Tensor], files: Files, folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Every peer against ours: the numeric difference first, then times and ratios."""
    known = dict(peers(state, folder, args.peers))
    arms: dict[str, Callable[[], np.ndarray]] = {}
    settings, differences = {}, {}
    for name, peer in known.items():
        encoder = InceptionEncoder(state, "random:0", peer.rule)
        settings[name], settings[f"{name} tuned"] = peer.default, tuned(peer, files[: max(8, len(files) // 3)])
        arms[f"ours {peer.rule}"] = lambda e=encoder: ours(e, files)  # type: ignore[misc]
        expected = arms[f"ours {peer.rule}"]()
        for arm in (name, f"{name} tuned"):
            arms[arm] = lambda p=peer, s=settings[arm]: p.run(files, s)  # type: ignore[misc]
            differences[arm] = difference(arms[arm](), expected)
    timings = paired(arms, args.rounds, warm=0)  # the gate above was the warm-up
    ratios: dict[str, dict[Clock, Ratio] | None] = {}
    for arm, off in differences.items():
        own = f"ours {known[arm.removesuffix(' tuned')].rule}"
        same = off <= TOLERANCE
        both = {clock: ratio(timings, arm, own, clock) for clock in CLOCKS}
        ratios[arm] = both if same else None
        said = f"CPU {both['cpu_s']}, wall {both['wall_s']}" if same else "different work, no ratio"
        print(f"{arm:22} {settings[arm]}  off by {off:.1e}  {said}")
    for arm in arms:
        cpu, wall = (1000 * median(timings, arm, clock) / len(files) for clock in CLOCKS)
        print(f"{arm:22} {cpu:7.1f} CPU ms per image {wall:7.1f} wall ms per image")
    return {
        "settings": {arm: setting._asdict() for arm, setting in settings.items()},
        "difference": differences,
        "ratios": {arm: _plain(both) for arm, both in ratios.items()},
        "timings": [asdict(timing) for timing in timings],
    }


def _plain(ratios: Mapping[Clock, Ratio] | None) -> dict[str, object] | None:
    return {clock: asdict(one) for clock, one in ratios.items()} if ratios else None


def split(state: Mapping[str, Tensor], files: Files, args: argparse.Namespace) -> dict[str, object]:
    """Milliseconds of CPU per image by stage, and how near the network comes to the processor's matrix products."""
    images = torch.from_numpy(np.stack([_read(file) for file in files[:BATCH]])).permute(0, 3, 1, 2)
    plain, folded = (InceptionEncoder(state, "random:0", "tf1", folded=form) for form in (False, True))
    x = RULES["tf1"].function(images)
    last = x.contiguous(memory_format=torch.channels_last)
    arms: dict[str, Callable[[], object]] = {"decode": lambda: [_read(file) for file in files[:BATCH]]}
    arms |= {f"resize {name}": lambda f=rule.function: f(images) for name, rule in RULES.items()}  # type: ignore[misc]
    arms |= {"network plain": lambda: plain.network(x), "network folded": lambda: folded.network(last)}
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        plain.network(x)
    peak = gemm_peak(torch.float32, args.threads, args.gemm_seconds)
    with torch.inference_mode():
        timings = paired(arms, max(7, args.rounds))
    peak = max(peak, gemm_peak(torch.float32, args.threads, args.gemm_seconds))
    per_image = {arm: 1000 * median(timings, arm) / len(images) for arm in arms}
    flops = counter.get_total_flops() / len(images)
    gflops = {clock: flops * len(images) / median(timings, "network folded", clock) / 1e9 for clock in CLOCKS}
    shares = {"cpu_s": gflops["cpu_s"] * args.threads / peak, "wall_s": gflops["wall_s"] / peak}
    print("CPU ms per image:", ", ".join(f"{arm} {value:.1f}" for arm, value in per_image.items()))
    print(f"{peak:.0f} GFLOP/s at most; the folded network does {flops / 1e9:.2f} GFLOP per image: ", end="")
    print(f"{shares['cpu_s']:.0%} of the peak by CPU time, {shares['wall_s']:.0%} by wall time")
    return {"cpu_ms": per_image, "gflop": flops / 1e9, "gemm_gflops": peak, "share_of_peak": shares}


def main() -> None:
    """Print the comparison and write it as JSON."""
    names = ["torch-fidelity", "torchmetrics", "pytorch-fid", "clean-fid"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=48, help=f"PNG files of {SIZE} x {SIZE}, at least {BATCH}")
    parser.add_argument("--rounds", type=int, default=3, help="of all arms; fewer than 3 give no interval")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of PyTorch")
    parser.add_argument("--gemm-seconds", type=float, default=5.0, help="twice this long for the GEMM peak")
    parser.add_argument("--peers", nargs="+", choices=names, default=names)
    parser.add_argument("--json", type=Path, help="where to write everything")
    args = parser.parse_args()
    facts = environment(PACKAGES) | {"threads": args.threads, "images": args.images, "size": SIZE, "side": SIDE}
    print(json.dumps(facts))
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    with tempfile.TemporaryDirectory() as name:
        state, files = random_state(), write_images(Path(name), max(BATCH, args.images))
        found = {"split": split(state, files, args), "jobs": compare(state, files, Path(name), args)}
    if args.json:
        args.json.write_text(json.dumps({"environment": facts, **found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
