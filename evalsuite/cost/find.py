"""From what the user names to a subject: without its weights wherever a configuration says enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from backbones.bundled import WEIGHTS
from backbones.checkpoint import CheckpointError
from evalsuite.cost import from_diffusers, own, shapes
from evalsuite.cost.subject import Subject
from evalsuite.errors import InputError
from evalsuite.loaders import adm_flags
from evalsuite.loaders import diffusers_parts as parts
from evalsuite.loaders.detect import OWN_KINDS, detect, own_file, read_json
from evalsuite.loaders.diffusers_models import FAMILIES, family_of
from evalsuite.loaders.safety import refuse_code
from evalsuite.model_source import locate, parse
from evalsuite.spec import TRAINED, TURBO

IMAGENET = 1000  # classes of guided-diffusion's class-conditional networks
NO_VAE = "its VAE is not counted: {}"


def find(name: str, args: Sequence[str] = ()) -> Subject:
    """A subject.

    Args:
        name: ``shape:NAME`` of a published architecture, a config.json of diffusers, a card of ours or flags of
            guided-diffusion, or anything that ``--model`` takes.
        args: ``key=value`` for models that must be loaded.

    Raises:
        InputError: nothing of the kind, or a configuration that makes no network.
    """
    try:
        if name.startswith(shapes.PREFIX):
            return _shape(name)
        return _of_json(name, Path(name)) if name.endswith(".json") else _of_model(name, args)
    except CheckpointError as error:
        raise InputError(f"model {name!r}: {error}") from error


def _shape(name: str) -> Subject:
    shape = name.removeprefix(shapes.PREFIX)
    if shape in shapes.DIT:
        return _dit(name, shape)
    if shape in shapes.PIPELINES:
        return from_diffusers.of_configs(name, *shapes.PIPELINES[shape])
    near = get_close_matches(shape, shapes.NAMES, n=1)
    hint = f", did you mean {shapes.PREFIX}{near[0]}?" if near else ";"
    raise InputError(f"no shape {shape!r}{hint} known: {', '.join(shapes.NAMES)}")


def _of_model(name: str, args: Sequence[str]) -> Subject:
    source = parse(name)
    if source.kind == "name" and source.target in (*TRAINED, *TURBO) and not source.args:
        return own.of_file(name, WEIGHTS / f"{source.target}.json")
    if source.is_file and not source.args and not args:
        path = locate(source)
        kind = detect(path)
        if kind == "own":
            file = own_file(path) if path.is_dir() else path
            assert file is not None  # detect has found it
            return own.of_file(name, file)
        if kind == "diffusers":
            return _folder(name, path)
    from evalsuite.cost.from_loaded import load

    return load(name, args)


def _of_json(name: str, path: Path) -> Subject:
    config = read_json(path)
    if not isinstance(config, dict):
        raise InputError(f"{path}: no readable JSON object: name a config.json of diffusers, a card, or flags")
    if "_class_name" in config:
        return _folder(name, path.parent) if path.name == "config.json" else _component(name, path, config)
    if config.get("kind") in OWN_KINDS and "config" in config:
        return own.of_file(name, path)
    if "attention_resolutions" in config:
        flags = adm_flags.read_flags(path, path)
        classes = IMAGENET if flags["class_cond"] else None
        try:
            return own.of_adm(name, adm_flags.config_of(flags, classes, path))
        except ValueError as error:
            raise InputError(f"{path}: {error}") from error
    raise InputError(f"{path}: neither a config.json of diffusers (_class_name), a card of ours, nor flags of ADM")


def _folder(name: str, path: Path) -> Subject:
    """A pipeline's folder, or a denoiser's, beside which its pipeline may be."""
    if (path / "model_index.json").is_file():
        return _pipeline(name, path, None)
    root = path.resolve().parent
    if (root / "model_index.json").is_file():
        return _pipeline(name, root, path)
    refuse_code(path)
    return _component(name, path / "config.json", parts.config_of(path))


def _pipeline(name: str, root: Path, denoiser: Path | None) -> Subject:
    refuse_code(root)
    index, family = family_of(root)
    folder = denoiser or root / family.denoiser[0]
    config = parts.config_of(folder)
    if config.get("_class_name") not in family.denoiser[1:]:
        raise InputError(f"{folder}: {config.get('_class_name')} is no denoiser of a {index['_class_name']}")
    encoders = {
        key: (str(index[key][1]), parts.config_of(root / key))
        for key in family.encoders
        if isinstance(index.get(key), list) and index[key][-1] is not None
    }
    return from_diffusers.of_configs(name, str(index["_class_name"]), config, parts.config_of(root / "vae"), encoders)


def _component(name: str, path: Path, config: Mapping[str, Any]) -> Subject:
    """A denoiser alone."""
    said = config["_class_name"]
    known = [pipeline for pipeline, family in FAMILIES.items() if said in family.denoiser[1:]]
    if not known:
        classes = sorted({family.denoiser[1] for family in FAMILIES.values()})
        raise InputError(f"{path}: {str(said)[:60]} is no denoiser that we know; known: {', '.join(classes)}")
    return from_diffusers.of_configs(name, _likely(known, config), config)


def _likely(known: Sequence[str], config: Mapping[str, Any]) -> str:
    """Of pipelines that share a class of denoisers, the one whose denoiser has such a configuration."""
    marks = {
        "StableDiffusionXLPipeline": config.get("addition_embed_type") == "text_time",
        "PixArtSigmaPipeline": config.get("use_additional_conditions") is False,
        "DiTPipeline": config.get("norm_type") == "ada_norm_zero",
    }
    marked = [pipeline for pipeline in known if marks.get(pipeline)]
    return next(iter(marked), next(pipeline for pipeline in known if pipeline not in marks))


def _dit(name: str, shape: str) -> Subject:
    """A DiT with Stable Diffusion's VAE, which it decodes with, where diffusers is there to build that."""
    network = own.facebook(shapes.DIT[shape])
    try:
        vae = from_diffusers.decoder(parts.unfilled("diffusers", "AutoencoderKL", shapes.VAE))
    except InputError as error:
        return own.of_facebook(name, network, None, (NO_VAE.format(error),))
    return own.of_facebook(name, network, vae)
