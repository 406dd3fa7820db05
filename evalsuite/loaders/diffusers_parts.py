"""Components of diffusers' and transformers' models from local files: the one file that imports these packages.

Classes come from our own tables, weights from safetensors, nothing from a hub, and no code from a model's folder.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import nn

from backbones.checkpoint import read_shapes
from evalsuite.errors import InputError
from evalsuite.loaders.detect import read_json
from evalsuite.weights import convert

TEXT_MODELS = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel", "Gemma2Model")
TOKENIZERS = (
    "CLIPTokenizer",
    "CLIPTokenizerFast",
    "T5Tokenizer",
    "T5TokenizerFast",
    "GemmaTokenizer",
    "GemmaTokenizerFast",
)
LOCAL: dict[str, Any] = {"local_files_only": True}
SHOWN = 3


def library(name: Literal["diffusers", "transformers"]) -> ModuleType:
    """Import diffusers or transformers, as untyped: checking their own types takes minutes.

    Raises:
        InputError: it is not installed; says how to.
    """
    try:
        return import_module("diffusers") if name == "diffusers" else import_module("transformers")
    except ImportError as error:
        raise InputError(f"{name} cannot be imported ({error}): pip install 'evalsuite[diffusers]'") from error


def pipeline(name: str, components: Mapping[str, Any]) -> Any:
    """A pipeline of diffusers for its `encode_prompt` alone: components that this does not need may be left out."""
    kind = getattr(library("diffusers"), name)
    takes = inspect.signature(kind.__init__).parameters
    needed = [key for key, about in takes.items() if key != "self" and about.default is inspect.Parameter.empty]
    quiet = {"add_watermarker": False, "requires_safety_checker": False}  # of some pipelines
    given = dict.fromkeys(needed) | {key: value for key, value in quiet.items() if key in takes} | dict(components)
    return kind(**given)


def network(folder: Path, names: Sequence[str], variant: str | None = None) -> nn.Module:
    """A denoiser or VAE from its own folder, in fp32, for inference.

    Args:
        folder: with config.json and weights.
        names: of the class in diffusers that is built, and others that the config may name instead of it.
        variant: part of the weights' file names, such as fp16.

    Raises:
        InputError: another class, or weights that do not fit the config: says which.
    """
    said = config_of(folder).get("_class_name")
    if said not in names:
        raise InputError(f"{folder}: {said} is not supported here: a folder of {names[0]} is needed")
    return _load(getattr(library("diffusers"), names[0]), folder, variant, strict=True, use_safetensors=True)


def text_model(folder: Path, name: str, variant: str | None = None) -> nn.Module:
    """A text encoder from its folder, in fp32, for inference; weights of its other towers are left out.

    Raises:
        InputError: see `network`.
    """
    if name not in TEXT_MODELS:
        raise InputError(f"{folder}: text encoder {name} is not supported; known: {', '.join(TEXT_MODELS)}")
    config_of(folder)
    return _load(getattr(library("transformers"), name), folder, variant, strict=False, use_safetensors=True)


def unfilled(package: Literal["diffusers", "transformers"], name: str, config: Mapping[str, Any]) -> Any:
    """A component on the meta device, from its configuration alone: its shapes, without weights.

    Args:
        package: that has the class.
        name: of the class; the caller knows it, it does not come from a file unchecked.
        config: content of its config.json.

    Raises:
        InputError: the configuration does not make one; says why.
    """
    kind = getattr(library(package), name)
    try:
        with torch.device("meta"):
            made = kind.from_config(dict(config)) if package == "diffusers" else kind(kind.config_class(**config))
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError, ImportError) as error:
        raise InputError(f"{name}: its configuration makes no network: {line_of(error)}") from error
    return made.eval().requires_grad_(False)


def tokenizer(folder: Path, name: str) -> Any:
    """A tokenizer from its folder.

    Raises:
        InputError: an unknown class, or files that cannot be read.
    """
    if name not in TOKENIZERS:
        raise InputError(f"{folder}: tokenizer {name} is not supported; known: {', '.join(TOKENIZERS)}")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: take the whole model")
    try:
        return getattr(library("transformers"), name).from_pretrained(str(folder), **LOCAL)
    except Exception as error:  # of the tokenizers package, which raises bare Exception
        raise InputError(f"{folder}: {line_of(error)}") from error


def cleans_captions() -> bool:
    """Whether diffusers can clean captions here, as PixArt's and Sana's pipelines do where they can."""
    utils = library("diffusers").utils
    return bool(utils.is_bs4_available() and utils.is_ftfy_available())


def digest_of(folder: Path) -> str:
    """SHA-256, hex, of a tokenizer's files, names and contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".model")):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _load(kind: Any, folder: Path, variant: str | None, strict: bool, **how: Any) -> nn.Module:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder}: holds no .safetensors: save the model as safetensors")
    for file in files:
        read_shapes(file)  # its caps come before the file is read
    try:
        with without_bars():
            model, seen = kind.from_pretrained(
                str(folder), output_loading_info=True, ignore_mismatched_sizes=True, variant=variant, **how, **LOCAL
            )
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{folder}: {line_of(error)}") from error
    check(seen, folder, strict)
    return ready(model, folder)


@contextmanager
def without_bars() -> Iterator[None]:
    """No progress bars of these packages: what is told to people is told by us."""
    logs = [library("diffusers").utils.logging, library("transformers").utils.logging]
    shown = [log for log in logs if log.is_progress_bar_enabled()]
    for log in shown:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in shown:
            log.enable_progress_bar()


def ready(model: nn.Module, where: Path) -> nn.Module:
    """The model in fp32, for inference; raise InputError where a weight is not finite."""
    for key, value in model.state_dict().items():
        if not convert.is_finite(value):
            raise InputError(f"{where}: tensor {key[:80]!r} holds values that are not finite: take another checkpoint")
    return model.float().eval().requires_grad_(False)


def check(seen: Mapping[str, Any], where: Path, strict: bool) -> None:
    """Raise InputError where weights and configuration differ; says the first few.

    Args:
        seen: missing_keys, unexpected_keys, and mismatched_keys as (key, shape in the file, shape in the model).
        where: for the message.
        strict: whether keys that the model does not have are wrong.
    """
    said = [
        f"{key} is {tuple(file)} in the file and {tuple(model)} in the config"
        for key, file, model in sorted(seen["mismatched_keys"])
    ]
    complaints = [*said[:SHOWN]]
    if seen["missing_keys"]:
        complaints.append(f"missing {_few(seen['missing_keys'])}")
    if strict and seen["unexpected_keys"]:
        complaints.append(f"not in the model {_few(seen['unexpected_keys'])}")
    if complaints:
        raise InputError(
            f"{where}: weights do not fit config.json: {'; '.join(complaints)}: take the two from one model"
        )


def _few(keys: Iterable[str]) -> str:
    names = sorted(keys)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def config_of(folder: Path) -> dict[str, Any]:
    """A component's config.json."""
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise InputError(f"{folder / 'config.json'}: is missing or no JSON object: take the whole model")
    return config


def line_of(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
