"""Examine generators on a run over held-out prompts: do the pictures show what was asked?

    evalsuite generate --model dit --model unet --prompts held-out --aspects 1:1,16:9 --output-dir outputs/held-out
    python -m evalsuite.encoders.training.examine outputs/held-out --sprites artwork/sprites.npy

Prints a Markdown table per aspect ratio: whether the bundled scorer finds the right caption among 100, whether the
border has the named background colour (a pixel test, no network), and the Frechet distance on the scorer's features;
beside them the same for fresh renders of the same captions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image

from backbones.training.data import random_for
from backbones.training.render import Renderer
from backbones.training.scene import COLOURS, Scene, sample_scene
from evalsuite.encoders import scenes
from evalsuite.encoders.scenes import ScenesEncoder
from evalsuite.metrics.frechet import frechet_distance_of
from evalsuite.reference import Reference, load_reference
from evalsuite.samples import Sample
from evalsuite.store import RunStore

AMONG = 100
FRAME = 4  # pixels of border that the colour test reads


def retrieved(image: np.ndarray, texts: Sequence[str], features: np.ndarray, all_texts: Sequence[str]) -> list[bool]:
    """For each image (n, d): does its own text score best among itself and 99 others, drawn from a fixed seed?"""
    places = {text: place for place, text in enumerate(all_texts)}
    hits = []
    for row, text in zip(image, texts, strict=True):
        others = [place for other, place in places.items() if other != text]
        rivals = random_for("retrieval", 0, places[text]).sample(others, AMONG - 1)
        scores = features[[places[text], *rivals]] @ row
        hits.append(bool(scores.argmax() == 0))
    return hits


def border_colour(pixels: np.ndarray) -> str:
    """The named colour nearest to the median of a FRAME-pixel border; pixels (H, W, 3) uint8."""
    inner = np.ones(pixels.shape[:2], bool)
    inner[FRAME:-FRAME, FRAME:-FRAME] = False
    median = np.median(pixels[inner], axis=0)
    return min(COLOURS, key=lambda name: float(((median - COLOURS[name]) ** 2).sum()))


def right_border(pixels: Sequence[np.ndarray], texts: Sequence[str]) -> list[bool]:
    """For pictures on a plain background: is the border's colour the one that the caption ends with?"""
    named = [text.removesuffix(" background").rsplit(" ", 1)[-1] for text in texts]
    pairs = zip(pixels, named, strict=True)
    return [border_colour(picture) == colour for picture, colour in pairs if colour in COLOURS]


def renders(sprites: Path, texts: Sequence[str], width: int, height: int) -> list[np.ndarray]:
    """Real pictures of the captions: the scenes of the held-out set, drawn again with new places."""
    random = random_for("held-out prompts", 0, 0)
    scenes_by_text: dict[str, Scene] = {}
    while missing := set(texts) - scenes_by_text.keys():
        scene = sample_scene(random, "held-out")
        if scene.caption in missing:
            scenes_by_text[scene.caption] = scene
    renderer = Renderer(sprites)
    return [np.asarray(renderer.draw(scenes_by_text[text], width, height, Random(text))) for text in texts]


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927): honest at 0 and 1 too."""
    middle, spread = hits + z * z / 2, z * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)


def share(hits: Sequence[bool]) -> str:
    """`91.0 % [86.2, 94.2]`: the share and its 95 % Wilson interval."""
    low, high = wilson_interval(sum(hits), len(hits))
    return f"{100 * sum(hits) / len(hits):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def line(
    name: str,
    pixels: Sequence[np.ndarray],
    texts: Sequence[str],
    encoder: ScenesEncoder,
    reference: Reference,
    aspect: str,
    all_texts: Sequence[str],
) -> str:
    """One row of the table."""
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    image = encoder.images(stacked)
    hits = retrieved(image, texts, encoder.texts(all_texts), all_texts)
    distance = frechet_distance_of(image, reference.mixture({aspect: len(image)}))
    border = right_border(pixels, texts)
    return f"| {name} | {len(texts)} | {share(hits)} | {share(border)} (n = {len(border)}) | {distance:.4f} |"


def main() -> None:
    """Print the tables of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run over the prompt set held-out")
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    args = parser.parse_args()
    encoder, reference = scenes.load(), load_reference()
    with RunStore.open(args.run) as store:
        samples = store.samples(store.images())
        if store.manifest.prompts_name != "held-out" or len(store.manifest.prompts) < AMONG:
            sys.exit(f"{args.run}: made with prompts {store.manifest.prompts_name!r}; make it with --prompts held-out")
        all_texts = [prompt.text for prompt in store.manifest.prompts]
        groups: dict[tuple[str, int, int], dict[str, list[Sample]]] = {}
        for sample in samples:
            group = groups.setdefault((sample.aspect, sample.width, sample.height), {})
            group.setdefault(sample.model, []).append(sample)
        for (aspect, width, height), models in sorted(groups.items()):
            print(f"\n{aspect} ({width} x {height} pixels)\n")
            print(f"| pictures | n | caption among {AMONG} | border colour | FD on scorer features |")
            print("|---|---|---|---|---|")
            for model, found in sorted(models.items()):
                pixels = [np.asarray(Image.open(sample.file)) for sample in found]
                print(line(model, pixels, [s.text for s in found], encoder, reference, aspect, all_texts))
            real = renders(args.sprites, all_texts, width, height)
            print(line("real renders", real, all_texts, encoder, reference, aspect, all_texts), flush=True)


if __name__ == "__main__":
    main()
