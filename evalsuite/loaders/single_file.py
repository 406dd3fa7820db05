"""Single-file checkpoints in the original layout, read by a local diffusers folder's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from backbones.protocol import TextToImage
from evalsuite.errors import InputError
from evalsuite.loaders import diffusers_models as models
from evalsuite.loaders import diffusers_parts as parts
from evalsuite.loaders import diffusers_single as single
from evalsuite.loaders.arguments import known_args
from evalsuite.loaders.safety import refuse_code
from evalsuite.loaders.tensors import tensors_of

ARGS = ("config", "prediction")
VAE = ("first_stage_model.", "vae.")
TEXT = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.")


def load(path: Path, args: Mapping[str, str]) -> TextToImage:
    """A model in one safetensors file; see `evalsuite.loaders`.

    Args:
        path: the file. What it lacks, such as Flux's VAE and encoders, is read from the config's folder.
        args: ``config``: a diffusers folder of the same architecture: model_index.json and the components' configs,
            scheduler and tokenizers. ``prediction``: eps, x0 or v, in place of what its scheduler's config says.

    Raises:
        InputError: no config, weights that do not fit it, or a pickled file.
    """
    known_args(args, ARGS, path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: pickled single files are not read: save it as .safetensors")
    if "config" not in args:
        raise InputError(f"{path}: needs --model-args config=DIR, a diffusers folder of the same architecture")
    root = Path(args["config"]).expanduser()
    index, family = models.family_of(root)
    refuse_code(root)
    tensors = tensors_of(path)
    part, kind = family.denoiser[:2]
    denoiser = single.network(tensors, path, root / part, kind)
    if any(key.startswith(VAE) for key in tensors):
        vae = single.network(tensors, path, root / "vae", family.vae)
    else:
        vae = parts.network(root / "vae", (family.vae,))
    has_text = any(key.startswith(TEXT) for key in tensors)
    encoders: Mapping[str, nn.Module | None]
    if has_text:
        sizes = sum(value.numel() for key, value in tensors.items() if key.startswith(TEXT))
        encoders = single.encoders(
            str(index["_class_name"]), path, root, family.encoders, sizes, {part: denoiser, "vae": vae}
        )
    else:
        encoders = {name: models.encoder(root, index, name, None) for name in family.encoders}
    return models.build(path.stem, root, denoiser, vae, encoders, args.get("prediction"))
