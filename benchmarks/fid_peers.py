"""The packages that take FID features, each on its own way from files to 2048 numbers per image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import Tensor

MODULES = {  # package -> module
    "torch-fidelity": "torch_fidelity",
    "torchmetrics": "torchmetrics",
    "pytorch-fid": "pytorch_fid",
    "clean-fid": "cleanfid",
}
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
SWEEP_GPU = (Setting(64, 4), Setting(256, 4))  # torch-fidelity takes at most 4 workers
SWEEP_GPU_WORKERS = (Setting(64, 16), Setting(128, 16), Setting(256, 16))
SWEEP_TENSORS = (Setting(8, 0), Setting(8, 0, True), Setting(32, 0, True))


class Peer(NamedTuple):
    """A package's way from files to features."""

    rule: str
    default: Setting
    sweep: Sequence[Setting]
    run: Callable[[Files, Setting], np.ndarray]


def make(name: str, state: Mapping[str, Tensor], folder: Path, device: str = "cpu") -> Peer:
    """A package, its network built over these weights.

    Args:
        name: of MODULES; it is installed.
        state: weights.
        folder: for a file of them, which some packages read.
        device: where its network computes, the way its own users put it there.
    """
    if name in ("pytorch-fid", "clean-fid"):
        return _pytorch_fid(state, device) if name == "pytorch-fid" else _clean_fid(state, device)
    path = folder / "inception.pth"
    torch.save(dict(state), path)
    return _torch_fidelity(str(path), device) if name == "torch-fidelity" else _torchmetrics(str(path), device)


def read(file: str) -> np.ndarray:
    """Pixels (height, width, 3)."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _torch_fidelity(weights: str, device: str) -> Peer:
    from torch_fidelity import utils
    from torch_fidelity.datasets import ImagesPathDataset
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=weights)
    network, gpu = network.to(device), device != "cpu"

    def run(files: Files, setting: Setting) -> np.ndarray:
        # It takes min(4, twice the CPUs) workers, or none.
        none = setting.workers == 0
        found = utils.get_featuresdict_from_dataset(ImagesPathDataset(files), network, setting.batch, gpu, none, False)
        return np.asarray(found["2048"])

    return Peer("tf1", Setting(64, 4), SWEEP_GPU if gpu else SWEEP, run)


def _torchmetrics(weights: str, device: str) -> Peer:
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature_extractor_weights_path=weights).to(device)

    @torch.inference_mode()
    def run(files: Files, setting: Setting) -> np.ndarray:
        # It has no loader and takes tensors: a plain loop. Channels last by chance, as pixels come out of a file, would
        # pass through its resize and speed up its network, so both layouts are measured.
        layout, rows = torch.channels_last if setting.channels_last else torch.contiguous_format, []
        for start in range(0, len(files), setting.batch):
            batch = torch.from_numpy(np.stack([read(file) for file in files[start : start + setting.batch]]))
            batch = batch.to(device).permute(0, 3, 1, 2).contiguous(memory_format=layout)
            rows.append(metric.inception(batch).cpu().numpy())
        return np.concatenate(rows)

    return Peer("antialias", Setting(32, 0), SWEEP_TENSORS, run)


def _pytorch_fid(state: Mapping[str, Tensor], device: str) -> Peer:
    from pytorch_fid import fid_score  # type: ignore[import-untyped]

    network = _pytorch_fid_network(state).to(device)

    def run(files: Files, setting: Setting) -> np.ndarray:
        with mock.patch.object(fid_score, "tqdm", lambda batches: batches):
            found = fid_score.get_activations(
                files, network, min(setting.batch, len(files)), device=device, num_workers=setting.workers
            )
        return np.asarray(found)

    return Peer("pytorch-fid", Setting(50, 1), SWEEP if device == "cpu" else SWEEP_GPU_WORKERS, run)


def _clean_fid(state: Mapping[str, Tensor], device: str) -> Peer:
    from cleanfid import fid  # type: ignore[import-untyped]

    network = _pytorch_fid_network(state, resize_input=False, normalize_input=False).eval().to(device)

    def run(files: Files, setting: Setting) -> np.ndarray:
        return np.asarray(
            fid.get_files_features(
                files,
                lambda x: network((x - 128) / 128)[0].flatten(1),
                num_workers=setting.workers,
                batch_size=setting.batch,
                device=torch.device(device),
                verbose=False,
            )
        )

    return Peer("clean", Setting(128, 12), SWEEP if device == "cpu" else SWEEP_GPU_WORKERS, run)


def _pytorch_fid_network(state: Mapping[str, Tensor], **options: bool) -> Any:
    from pytorch_fid import inception

    with mock.patch.object(inception, "load_state_dict_from_url", return_value=dict(state)):
        return inception.InceptionV3(**options)
