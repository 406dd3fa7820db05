"""HPS by the package hpsv2 itself: what the published tables were made with, and what ours is compared with.

Nothing else imports hpsv2. Version 1.2.0 cannot be imported as it is: its wheel lacks the tokenizer's vocabulary, and
it asks Tk for a name that it never uses. Both are supplied in memory, while it is imported.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from importlib import import_module
from importlib.metadata import version as version_of
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import open_clip.tokenizer
import torch
from PIL import Image
from torch import Tensor

from evalsuite.digest import digest
from evalsuite.encoders.assign import fill
from evalsuite.encoders.openclip import OpenCLIPEncoder, vocabulary_sha256
from evalsuite.encoders.precision import DTYPE, exact
from evalsuite.errors import InputError

PACKAGE = "hpsv2"
ARCHITECTURE = "ViT-H-14"
STAND_INS = {"turtle": ("forward",), "clint": (), "clint.textui": ("progress",), "requests": ()}
"""Modules that hpsv2 imports and that scoring never calls, with the names it takes from them."""


class HPSv2Encoder(OpenCLIPEncoder):
    """An Encoder that runs hpsv2's network, transform and tokenizer, one image at a time as the package does.

    On CUDA the network runs under fp16 autocast, as there. The package also rounds the cosine to fp16, to steps of
    2.4e-4 between 0.25 and 0.5; a cosine of these features is not rounded.

    Args:
        path: safetensors, verified; opened when the first image or text comes.
        weights_sha256: of the published file.
        version: which weights they are, ``v2.0`` or ``v2.1``.
        device: where to compute.

    Raises:
        InputError: hpsv2 is not installed. On first use: the file is damaged or of another architecture.
    """

    def __init__(self, path: Path, weights_sha256: str, version: str, device: str | torch.device = "cpu") -> None:
        self._package = package()
        self._path = path
        self.on_host = True  # its transform reads PIL images
        config = self._package.get_model_config(ARCHITECTURE)
        precision = DTYPE if torch.device(device).type == "cpu" else "fp16 autocast"
        release, resizer = (version_of(name).partition("+")[0] for name in (PACKAGE, "torchvision"))
        preprocessing = f"{PACKAGE} {release} on torchvision {resizer}, {precision}"
        id = f"{version}-hpsv2"
        facts = [id, weights_sha256, vocabulary_sha256(), config, preprocessing]
        super().__init__(
            lambda: self._parts[0],
            _Tokenizer(self._package),
            id=id,
            width=int(config["embed_dim"]),
            preprocessing=preprocessing,
            fingerprint=digest(facts),
            device=device,
            batch=1,
        )

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        """The package's network with the weights, and its transform of PIL images."""
        # The arguments are those of hpsv2.img_score, but for weights that it would fetch and then overwrite.
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            model, _, transform = self._package.create_model_and_transforms(
                ARCHITECTURE, None, precision="amp", device="meta", light_augmentation=True, output_dict=True
            )
        fill(model, self._path, f"{PACKAGE}'s {ARCHITECTURE}", self.device)
        return model, transform

    def _prepare(self, images: Tensor) -> Tensor:
        model, transform = self._parts
        pictures = [Image.fromarray(image.permute(1, 2, 0).cpu().numpy()) for image in images]
        x = torch.stack([transform(picture) for picture in pictures])
        side = model.visual.image_size[0]
        if x.shape[-2:] != (side, side):
            height, width = images.shape[-2:]
            raise InputError(
                f"{PACKAGE} cannot score images of {width}x{height}, which it leaves unpadded: use open_clip"
            )
        return x

    def _precision(self) -> AbstractContextManager[None]:
        cpu = self.device.type == "cpu"
        return exact(self.device) if cpu else torch.autocast(self.device.type, torch.float16)


class _Tokenizer:
    """The package's functions as an object, like open_clip's."""

    context_length = 77

    def __init__(self, package: ModuleType) -> None:
        self._tokenizer = import_module(f"{package.__name__}.tokenizer")

    def __call__(self, texts: Sequence[str]) -> Tensor:
        tokens: Tensor = self._tokenizer.tokenize(list(texts), self.context_length)
        return tokens

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer._tokenizer.encode(text)
        return ids


def load(path: Path, weights_sha256: str, version: str, device: str | torch.device = "cpu") -> HPSv2Encoder:
    """An encoder over a file of weights; arguments and errors are those of HPSv2Encoder."""
    return HPSv2Encoder(path, weights_sha256, version, device)


def package() -> ModuleType:
    """The copy of open_clip inside hpsv2.

    Raises:
        InputError: hpsv2 is not installed, or cannot be imported for another reason than those repaired here.
    """
    if find_spec(PACKAGE) is None:
        raise InputError(
            'the HPS backend hpsv2 is not installed: pip install "evalsuite[hpsv2]", or, since it pins pytest 7.2 and'
            " protobuf 3, pip install --no-deps hpsv2==1.2.0; --hps-backend open_clip needs neither"
        )
    try:
        with repaired():
            return import_module(f"{PACKAGE}.src.open_clip")
    except ImportError as error:
        raise InputError(f"hpsv2 cannot be imported ({error}): install that, or use --hps-backend open_clip") from error


@contextmanager
def repaired() -> Iterator[None]:
    """Inside, hpsv2 can be imported; afterwards only its own modules stay."""
    stand_ins = [name for name in STAND_INS if name not in sys.modules and _unusable(name)]
    try:
        for name in stand_ins:
            module = ModuleType(name)
            vars(module).update(dict.fromkeys(STAND_INS[name]))
            sys.modules[name] = module
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old names in timm and torch, which no user of ours can change
            _supply_vocabulary()
            yield
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


def _unusable(name: str) -> bool:
    """Whether a module cannot be imported; turtle can be found and yet lack Tk, or want a display."""
    return name == "turtle" or find_spec(name.partition(".")[0]) is None


def _supply_vocabulary() -> None:
    """Import hpsv2's tokenizer as if it lay beside open_clip's vocabulary, which is the same file, if it has none."""
    name, found = f"{PACKAGE}.src.open_clip.tokenizer", find_spec(PACKAGE)
    if name in sys.modules or found is None or found.origin is None:
        return
    path = Path(found.origin).parent / "src" / "open_clip" / "tokenizer.py"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or (path.parent / Path(open_clip.tokenizer.default_bpe()).name).is_file():
        return
    module = module_from_spec(spec)
    module.__file__ = open_clip.tokenizer.__file__
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
