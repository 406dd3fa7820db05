"""Our own models from any place: a denoiser's ``.safetensors`` with its card, and the VAE that it draws with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backbones import bundled
from backbones.protocol import TextToImage
from evalsuite.errors import InputError
from evalsuite.loaders.arguments import known_args
from evalsuite.loaders.detect import own_file


def load(path: Path, args: Mapping[str, str]) -> TextToImage:
    """A transformer or U-Net of ours; see `evalsuite.loaders`.

    Args:
        path: the safetensors file, with ``<same name>.json`` beside it, or a folder that holds one such pair.
        args: ``vae``: the VAE's safetensors file, with its card beside it. Without it ``vae.safetensors`` of the same
            folder is used, else the bundled VAE.
    """
    known_args(args, ("vae",), path)
    file = own_file(path) if path.is_dir() else path
    assert file is not None  # detect has found it
    return bundled.load(file.stem, file.parent, _vae(file.parent, args.get("vae")))


def _vae(folder: Path, given: str | None) -> Path:
    if given is not None:
        vae = Path(given).expanduser()
        if vae.suffix != ".safetensors" or not vae.is_file():
            raise InputError(f"vae={given}: not a .safetensors file that exists: correct the path")
        return vae
    own = folder / "vae.safetensors"
    return own if own.is_file() else bundled.WEIGHTS / "vae.safetensors"
