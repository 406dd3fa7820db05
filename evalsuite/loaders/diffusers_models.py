"""diffusers' text-to-image models: folders of a pipeline, and folders of one denoiser beside or with a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from backbones.protocol import TextToImage
from evalsuite.errors import InputError
from evalsuite.loaders import diffusers_families as families
from evalsuite.loaders import diffusers_parts as parts
from evalsuite.loaders import diffusers_schedule as schedule
from evalsuite.loaders.arguments import known_args
from evalsuite.loaders.detect import read_json
from evalsuite.loaders.diffusers_base import DiffusersModel, Parts
from evalsuite.loaders.diffusers_texts import Classes, Texts
from evalsuite.loaders.safety import refuse_code

ARGS = ("pipeline", "prediction", "variant")


@dataclass(frozen=True)
class Family:
    """A family of pipelines.

    Attributes:
        model: ours.
        denoiser: folder of the denoiser, and names of its class: of today's, and of older configs.
        vae: class of the VAE.
        encoders: folders of text encoders; their tokenizers' are called alike.
        even: see `diffusers_schedule.read`.
    """

    model: type[DiffusersModel]
    denoiser: tuple[str, ...]
    vae: str = "AutoencoderKL"
    encoders: tuple[str, ...] = ("text_encoder",)
    even: bool = False


TWO = ("text_encoder", "text_encoder_2")
FAMILIES = {
    "StableDiffusionPipeline": Family(families.StableDiffusion, ("unet", "UNet2DConditionModel")),
    "StableDiffusionXLPipeline": Family(families.StableDiffusionXL, ("unet", "UNet2DConditionModel"), encoders=TWO),
    "DiTPipeline": Family(families.DiT, ("transformer", "DiTTransformer2DModel", "Transformer2DModel"), encoders=()),
    "PixArtAlphaPipeline": Family(
        families.PixArtAlpha, ("transformer", "PixArtTransformer2DModel", "Transformer2DModel")
    ),
    "PixArtSigmaPipeline": Family(families.PixArt, ("transformer", "PixArtTransformer2DModel", "Transformer2DModel")),
    "StableDiffusion3Pipeline": Family(
        families.StableDiffusion3, ("transformer", "SD3Transformer2DModel"), encoders=(*TWO, "text_encoder_3")
    ),
    "FluxPipeline": Family(families.Flux, ("transformer", "FluxTransformer2DModel"), encoders=TWO, even=True),
    "SanaPipeline": Family(families.Sana, ("transformer", "SanaTransformer2DModel"), vae="AutoencoderDC"),
}


def load(path: Path, args: Mapping[str, str]) -> TextToImage:
    """A model of diffusers; see `evalsuite.loaders`.

    Args:
        path: a pipeline's folder (model_index.json), or a denoiser's (config.json).
        args: ``pipeline``: for a denoiser's folder, that of everything else; else the folder above is used.
            ``prediction``: eps, x0 or v, in place of what the scheduler's config says. ``variant``: of the weights'
            file names, such as fp16.

    Raises:
        InputError: a family, component or option that is not supported, weights that do not fit, a package that is not
            installed.
    """
    known_args(args, ARGS, path)
    variant = args.get("variant")
    if (path / "model_index.json").is_file():
        root, folder = path, None
    else:
        root, folder = Path(args["pipeline"]).expanduser() if "pipeline" in args else path.resolve().parent, path
        if not (root / "model_index.json").is_file():
            raise InputError(
                f"{path}: a denoiser alone: name the rest with --model-args pipeline=DIR (a diffusers folder)"
            )
        refuse_code(root)
    index, family = family_of(root)
    denoiser = parts.network(folder or root / family.denoiser[0], family.denoiser[1:], variant)
    vae = parts.network(root / "vae", (family.vae,), variant)
    encoders = {name: encoder(root, index, name, variant) for name in family.encoders}
    return build(path.name, root, denoiser, vae, encoders, args.get("prediction"))


def family_of(root: Path) -> tuple[dict[str, Any], Family]:
    """The content of model_index.json, and the family it names.

    Raises:
        InputError: no such file, or a family that is not supported.
    """
    index = read_json(root / "model_index.json")
    if not isinstance(index, dict):
        raise InputError(f"{root}: has no readable model_index.json: name a diffusers folder")
    name = index.get("_class_name")
    if name not in FAMILIES:
        raise InputError(f"{root}: {name} is not supported; known: {', '.join(FAMILIES)}")
    return index, FAMILIES[name]


def build(
    name: str, root: Path, denoiser: Any, vae: Any, encoders: Mapping[str, nn.Module | None], prediction: str | None
) -> TextToImage:
    """Put a model together.

    Args:
        name: of the model.
        root: the pipeline's folder: tokenizers, scheduler and settings come from it.
        denoiser: the network.
        vae: its VAE.
        encoders: folder's name -> text encoder; None where the pipeline has none (SD3 without T5).
        prediction: eps, x0 or v, in place of the scheduler's.
    """
    index, family = family_of(root)
    _refuse_distilled(denoiser, family, root)
    there = {key: encoder for key, encoder in encoders.items() if encoder is not None}
    about: dict[str, object] = {"encoders": {key: _settings(encoder) for key, encoder in there.items()}}
    prompts: Texts | Classes
    if family.encoders:
        prompts, tokenizer_facts = _texts(root, index, encoders, {family.denoiser[0]: denoiser})
        about |= tokenizer_facts
        about["zeros"] = index.get("force_zeros_for_empty_prompt")
    else:
        names = index.get("id2label") or {}
        prompts = Classes(int(denoiser.config.num_embeds_ada_norm), names, name)
        about["classes"] = names
    config = root / "scheduler" / "scheduler_config.json"
    learned = int(denoiser.config.out_channels or 0) == 2 * int(denoiser.config.in_channels)
    patch = 2 if family.even else int(denoiser.config.get("patch_size") or 1)
    native, notes = schedule.read(
        read_json(config) or {}, config, patch=patch, even=family.even, override=prediction, learned_variance=learned
    )
    return family.model(
        Parts(
            name=name,
            denoiser=denoiser,
            vae=vae,
            prompts=prompts,
            native=native,
            about=about,
            settings=index,
            notes=notes + (prompts.notes if isinstance(prompts, Texts) else ()),
        )
    )


def encoder(root: Path, index: Mapping[str, Any], name: str, variant: str | None) -> nn.Module | None:
    """A text encoder of a pipeline's folder, or None where model_index.json says that there is none."""
    said = _class_of(root, index, name)
    return None if said is None else parts.text_model(root / name, said, variant)


def _texts(
    root: Path, index: Mapping[str, Any], encoders: Mapping[str, nn.Module | None], denoiser: Mapping[str, Any]
) -> tuple[Texts, dict[str, object]]:
    """Encoders and tokenizers in a pipeline of diffusers, and facts for the fingerprint."""
    tokenizers: dict[str, Any] = {}
    for name in encoders:
        folder = name.replace("text_encoder", "tokenizer")
        said = _class_of(root, index, folder)
        tokenizers[folder] = None if said is None else parts.tokenizer(root / folder, said)
    there = {key: encoder for key, encoder in encoders.items() if encoder is not None}
    texts = Texts(
        parts.pipeline(str(index["_class_name"]), {**encoders, **tokenizers, **denoiser}),
        nn.ModuleDict(there),
        [tokenizer for tokenizer in tokenizers.values() if tokenizer is not None],
        clean=parts.cleans_captions(),
    )
    digests = {key: parts.digest_of(root / key) for key, value in tokenizers.items() if value is not None}
    return texts, {"tokenizers": digests, "encoding": texts.defaults}


def _class_of(root: Path, index: Mapping[str, Any], name: str) -> str | None:
    entry = index.get(name)
    if not isinstance(entry, list) or len(entry) != 2:
        raise InputError(f"{root / 'model_index.json'}: names no {name}: take the whole model")
    return None if entry[1] is None else str(entry[1])


def _settings(encoder: nn.Module) -> Any:
    """What of a text encoder's config can change a result: all but where it came from."""
    config: dict[str, Any] = encoder.config.to_dict()  # type: ignore[union-attr, operator]
    kept = {key: value for key, value in config.items() if not key.startswith("_") and "version" not in key}
    return {key: repr(value) for key, value in kept.items() if key not in ("dtype", "torch_dtype", "architectures")}


def _refuse_distilled(denoiser: Any, family: Family, root: Path) -> None:
    """Networks that need an input which none of our samplers gives."""
    config = denoiser.config
    if config.get("time_cond_proj_dim") is not None:
        raise InputError(f"{root}: a consistency model (time_cond_proj_dim), which is not supported")
    if family.model is families.Sana and config.get("guidance_embeds"):
        raise InputError(f"{root}: Sana Sprint (guidance_embeds), which is not supported")
    wanted = "text_time" if family.model is families.StableDiffusionXL else None
    if family.denoiser[0] == "unet" and config.get("addition_embed_type") != wanted:
        raise InputError(f"{root}: addition_embed_type {config.get('addition_embed_type')!r} is not supported here")
    if family.model is families.DiT and config.get("norm_type") != "ada_norm_zero":
        raise InputError(f"{root}: norm_type {config.get('norm_type')!r} is not DiT's: ada_norm_zero is needed")
