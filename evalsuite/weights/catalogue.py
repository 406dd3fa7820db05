"""The published weight files that scorers name, as data: where each is, how large, and which bytes it must be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote

from evalsuite.errors import InputError

FORMATS = (".safetensors", ".pt", ".pth", ".bin")
# Hub ids start and end with a letter or digit; so "..", absolute paths and queries cannot come in.
_HUB_FILE = re.compile(
    r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*)/(?P<file>\w[\w.-]*(?:/\w[\w.-]*)*)@(?P<revision>[\w.-]+)", re.A
)
_LONGEST = 150


@dataclass(frozen=True, slots=True)
class Weights:
    """One published file.

    Attributes:
        name: what scorers and users call it.
        about: one line on it.
        file: its name where it is published, with folders if there are any.
        repo: on the hub, ``owner/name``; None when ``url`` says where it is.
        revision: commit of that repository.
        url: for a file that is not on the hub.
        sha256: of the published file, hex; None when nobody has told us: then the first one seen is trusted.
        size: bytes, for people and for the room on the disk; None when unknown.
    """

    name: str
    about: str
    file: str
    repo: str | None = None
    revision: str | None = None
    url: str | None = None
    sha256: str | None = None
    size: int | None = None

    @property
    def stem(self) -> str:
        """A file name of its own: no two names share one."""
        return quote(self.name, safe="@")

    def address(self, endpoint: str) -> str:
        """Where to fetch it, from a hub or from its own place."""
        if self.url is not None:
            return self.url
        return f"{endpoint}/{self.repo}/resolve/{self.revision}/{quote(self.file)}"


# The digests of HPSv2 are those of the hub's own commit page; the other two are as published by independent users
# of the files, and Inception's begins with the eight digits in its file name.
_KNOWN = (
    Weights(
        name="hps@v2.0",
        about="HPS v2.0, an open_clip ViT-H-14",
        file="HPS_v2_compressed.pt",
        repo="xswu/HPSv2",
        revision="697403c78157020a1ae59d23f111aa58ced35b0a",
        sha256="07cb0d20626232204ca3a6ec53ff5984e7e53212a8a7b0e0ec2bac1bdaf125a1",
        size=1_972_484_501,
    ),
    Weights(
        name="hps@v2.1",
        about="HPS v2.1, an open_clip ViT-H-14",
        file="HPS_v2.1_compressed.pt",
        repo="xswu/HPSv2",
        revision="697403c78157020a1ae59d23f111aa58ced35b0a",
        sha256="c57a38fb4a2f7e7c15bf00da2ea377cdf165448b4dd1052a484c215a998c9837",
        size=1_972_490_005,
    ),
    Weights(
        name="clip-vit-l-14",
        about="OpenAI's CLIP ViT-L/14 (quickgelu), in open_clip's layout",
        file="open_clip_model.safetensors",
        repo="timm/vit_large_patch14_clip_224.openai",
        revision="18d0535469bb561bf468d76c1d73aa35156c922b",
        sha256="9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",
        size=1_710_000_000,
    ),
    Weights(
        name="clip-vit-l-14-336",
        about="OpenAI's CLIP ViT-L/14 at 336 pixels (quickgelu), in open_clip's layout: for CMMD",
        file="open_clip_model.safetensors",
        repo="timm/vit_large_patch14_clip_336.openai",
        revision="main",
        size=1_710_000_000,
    ),
    Weights(
        name="dinov2-vitl14",
        about="DINOv2 ViT-L/14, as its authors published it: for FD",
        file="dinov2_vitl14_pretrain.pth",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        size=1_217_586_395,
    ),
    Weights(
        name="inception-fid",
        about="Inception of the TensorFlow FID, as ported by pytorch-fid",
        file="pt_inception-2015-12-05-6726825d.pth",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        size=95_628_359,
    ),
)
CATALOGUE = {entry.name: entry for entry in _KNOWN}


def lookup(name: str) -> Weights:
    """The file of a name: one of ours, or ``hf:owner/repo/file@revision`` for any other file on the hub.

    Raises:
        InputError: neither; says the nearest name and lists all of them.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    match = _HUB_FILE.fullmatch(name)
    if match is not None and len(name) <= _LONGEST and match["file"].endswith(FORMATS):
        return Weights(
            name, f"{match['file']} of {match['repo']}", match["file"], repo=match["repo"], revision=match["revision"]
        )
    near = get_close_matches(name, CATALOGUE, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"no weights {name!r}: {hint}known are {', '.join(CATALOGUE)}, and hf:owner/repo/file@revision"
        f" for a file on the hub that ends in {', '.join(FORMATS)}"
    )


def said(size: int | None) -> str:
    """A size for people: ``1.97 GB``, ``95.6 MB``."""
    if size is None:
        return "size unknown"
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= step:
            return f"{size / step:.3g} {unit}"
    return f"{size} bytes"
