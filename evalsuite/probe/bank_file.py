"""A saved bank: tensors in a safetensors file, everything else in the JSON beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from backbones.checkpoint import CheckpointError, read_shapes
from evalsuite.errors import InputError
from evalsuite.files import keep, read_regular
from evalsuite.probe.bank import Bank, Shown

FORMAT = 1
SUFFIX = ".safetensors"
LARGEST = 1 << 36
LARGEST_JSON = 1 << 28


def write(bank: Bank, path: Path) -> None:
    """Write ``path`` (.safetensors) and the JSON beside it, the same bytes for the same bank.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    kinds = {"x0": bank.x0, "drawn": bank.drawn}
    tensors = {f"{name}.{place:05d}": tensor for name, some in kinds.items() for place, tensor in enumerate(some)}
    keep(path, save(tensors))
    text = json.dumps(describe(bank), indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
    keep(path.with_suffix(".json"), f"{text}\n".encode())


def describe(bank: Bank) -> dict[str, Any]:
    """All of a bank but its tensors, as plain JSON data."""
    return {
        "format": FORMAT,
        "sha256": bank.sha256,
        "recipe": bank.recipe,
        "latent_space": bank.latent_space,
        "seed": bank.seed,
        "draws": bank.draws,
        "antithetic": bank.antithetic,
        "times": list(bank.times),
        "images": [asdict(image) for image in bank.images],
    }


def find(given: str) -> list[Path]:
    """The files that ``--bank`` means: one, or those of a folder.

    Raises:
        InputError: there is none.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        found = sorted(file for file in path.glob(f"bank*{SUFFIX}") if file.with_suffix(".json").is_file())
        if not found:
            raise InputError(f"--bank {given}: no bank in this folder: name one that `evalsuite probe` wrote")
        return found
    if path.suffix != SUFFIX or not path.is_file():
        raise InputError(f"--bank {given}: no such {SUFFIX} file, or folder: name one that `evalsuite probe` wrote")
    return [path]


def read(path: Path) -> Bank:
    """A saved bank, checked against its own hash.

    Raises:
        InputError: missing, damaged, changed, or of another format.
    """
    where = path.with_suffix(".json")
    facts, tensors = _facts(where), _tensors(path)
    try:
        bank = _bank(facts, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: not of a bank ({type(error).__name__}: {error}); make it again") from error
    if bank.sha256 != facts.get("sha256"):
        raise InputError(f"{path}: not the bank that its JSON describes: copy both files again")
    return bank


def _bank(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Bank:
    images = tuple(Shown(**{field.name: image[field.name] for field in fields(Shown)}) for image in about["images"])
    times = tuple(float(t) for t in about["times"])
    x0, drawn = (tuple(tensors[f"{name}.{place:05d}"] for place in range(len(images))) for name in ("x0", "drawn"))
    if not all(isinstance(image.id, str) and isinstance(image.caption, str | None) for image in images):
        raise TypeError("ids and captions are texts")
    if len(images) < 2 or not times or not all(0 < t < 1 for t in times):
        raise ValueError("two images at least, and times between 0 and 1, are needed")
    for one, several in zip(x0, drawn, strict=True):
        if one.ndim != 3 or several.shape[1:] != one.shape or len(several) != len(drawn[0]):
            raise ValueError("latents and noise of different shapes")
    return Bank(images, x0, drawn, times, bool(about["antithetic"]), int(about["seed"]), str(about["latent_space"]))


def _facts(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path, LARGEST_JSON), parse_constant=_refuse)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; it belongs beside the bank's tensors") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not the JSON of a bank; copy it again") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(f"{path}: not of a bank of format {FORMAT}; make it again with `evalsuite probe`")
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        read_shapes(path)  # its caps come before the file is read
        found = load(read_regular(path, LARGEST))
    except (CheckpointError, SafetensorError, OSError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}; copy it again") from error
    for name, tensor in found.items():
        if str(tensor.dtype) != "torch.float32" or not bool(tensor.isfinite().all()):
            raise InputError(f"{path}: tensor {name[:40]!r} is not finite fp32; copy it again")
    return found


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number")


def log_snr(t: float) -> float:
    """Logarithm of the power of the data over that of the noise, ((1 - t) / t)^2, at a time of the flow."""
    return 2 * math.log((1 - t) / t)
