"""Fetch the three artwork packs and turn every named drawing into one square RGBA sprite per style.

    python -m backbones.training.artwork --to artwork

needs `npm` (the packs live on its registry) and `resvg_py`. Licences: see NOTICE.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backbones.training.names import NAMES

STYLES = ("flat", "shaded", "3d")  # Twemoji, Noto, Fluent
SPRITE = 160  # pixels: about the size of a single object in a 256-pixel scene
PACKS = {  # npm name@version -> SHA-256 of the archive
    "@twemoji/svg@15.0.0": "1d2907557a422c7c4e3feca50ef915c39da1db3d76b4a4d7e73fb59bce4403c3",
    "@iconify-json/noto@1.2.9": "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    "@lobehub/fluent-emoji-3d@1.1.0": "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
}


def fetch(folder: Path) -> list[Path]:
    """Download the packs into `folder` and check each against its pinned SHA-256; raise ValueError on a mismatch."""
    folder.mkdir(parents=True, exist_ok=True)
    archives = []
    for pack, pinned in PACKS.items():
        done = subprocess.run(["npm", "pack", "--silent", pack], cwd=folder, check=True, capture_output=True, text=True)
        archive = folder / done.stdout.strip().splitlines()[-1]
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != pinned:
            raise ValueError(f"{pack}: SHA-256 {digest} differs from the pinned {pinned}; do not use it")
        archives.append(archive)
    return archives


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {
            Path(member.name).name: tar.extractfile(member).read()  # type: ignore[union-attr]
            for member in tar
            if member.isfile()
        }


def _from_svg(svg: str) -> Image.Image:
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, width=2 * SPRITE, height=2 * SPRITE)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def _with_selector(files: dict[str, bytes], code: str, suffix: str) -> bytes:
    for stem in (code, f"{code}-fe0f"):
        if f"{stem}{suffix}" in files:
            return files[f"{stem}{suffix}"]
    raise ValueError(f"no drawing {code}{suffix} in the pack")


def _noto_svg(icons: dict[str, Any], chars: dict[str, str], code: str) -> str:
    body = icons["icons"][chars[code]]["body"]
    side = icons.get("width", 128)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {side} {side}">{body}</svg>'
    )


def square(drawing: Image.Image) -> Image.Image:
    """Trim transparent margins, pad to a square and scale to SPRITE pixels, so that every object fills its box."""
    box = drawing.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox()
    if box is None:
        raise ValueError("the drawing is empty")
    cut = drawing.crop(box)
    side = max(cut.size)
    padded = Image.new("RGBA", (side, side))
    padded.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return padded.resize((SPRITE, SPRITE), Image.Resampling.LANCZOS)


def rasterise(archives: list[Path]) -> np.ndarray:
    """Return the sprites (styles, names, SPRITE, SPRITE, 4), uint8 RGBA, in the order of STYLES and NAMES."""
    twemoji, noto, fluent = (_members(archive) for archive in archives)
    icons, chars = json.loads(noto["icons.json"]), json.loads(noto["chars.json"])
    sprites = np.zeros((len(STYLES), len(NAMES), SPRITE, SPRITE, 4), np.uint8)
    for index, thing in enumerate(NAMES.values()):
        flat = _from_svg(_with_selector(twemoji, thing.code, ".svg").decode())
        shaded = _from_svg(_noto_svg(icons, chars, thing.code))
        solid = Image.open(io.BytesIO(_with_selector(fluent, thing.code, ".webp"))).convert("RGBA")
        for style, drawing in enumerate((flat, shaded, solid)):
            sprites[style, index] = np.asarray(square(drawing))
    return sprites


def main() -> None:
    """Write `sprites.npy` into the folder named by --to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("artwork"), help="folder for sprites.npy")
    folder: Path = parser.parse_args().to
    with tempfile.TemporaryDirectory() as scratch:
        sprites = rasterise(fetch(Path(scratch)))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "sprites.npy", sprites)
    print(f"{folder / 'sprites.npy'}: {sprites.shape}, sha256 {hashlib.sha256(sprites.tobytes()).hexdigest()}")


if __name__ == "__main__":
    main()
