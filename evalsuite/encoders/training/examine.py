"""Examine generators on a run over held-out prompts: do the pictures show what was asked?

    evalsuite generate --model dit --model unet --prompts held-out --aspects 1:1,16:9 --output-dir outputs/held-out
    python -m evalsuite.encoders.training.examine outputs/held-out --sprites artwork/sprites.npy

Prints a Markdown table per aspect ratio: whether the bundled scorer finds the right caption among 100 of the set, for
single objects the right name among 100 (all else in the caption equal, so that colours don't help), whether the border
has the named background colour (a pixel test, no network; plain backgrounds), and the Frechet distance on the scorer's
features; beside them the same for fresh renders of the same captions. Shares with their 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image

from backbones.training.data import random_for
from backbones.training.names import NAMES
from backbones.training.render import Renderer
from backbones.training.scene import COLOURS, Scene, sample_scene
from evalsuite.encoders import scenes as scorer
from evalsuite.metrics.frechet import frechet_distance_of
from evalsuite.reference import load_reference
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


def named(image: np.ndarray, texts: Sequence[str], variants: Mapping[str, np.ndarray]) -> list[bool]:
    """For each image (n, d) whose text has variants (m, d), its own first: does its own score best?"""
    pairs = zip(image, texts, strict=True)
    return [bool((variants[text] @ row).argmax() == 0) for row, text in pairs if text in variants]


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


def held_out_scenes(texts: Sequence[str]) -> dict[str, Scene]:
    """The scenes behind captions of the bundled held-out set, found by drawing it again."""
    random = random_for("held-out prompts", 0, 0)
    found: dict[str, Scene] = {}
    while missing := set(texts) - found.keys():
        scene = sample_scene(random, "held-out")
        if scene.caption in missing:
            found[scene.caption] = scene
    return found


def renders(sprites: Path, scenes: Sequence[Scene], width: int, height: int) -> list[np.ndarray]:
    """Real pictures of the scenes, with new places."""
    renderer = Renderer(sprites)
    return [np.asarray(renderer.draw(scene, width, height, Random(scene.caption))) for scene in scenes]


class Examiner:
    """What every row of a table needs: the scorer, the reference, and the text features of all captions."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.encoder, self.reference = scorer.load(), load_reference()
        self.texts, self.scenes = texts, held_out_scenes(texts)
        self.features = self.encoder.texts(texts)
        self.names = {text: self._renamed(scene) for text, scene in self.scenes.items() if scene.layout == "single"}

    def _renamed(self, scene: Scene) -> np.ndarray:
        """Text features of the scene's caption (first) and of the same with 99 other names."""
        (subject,) = scene.subjects
        others = [name for name in NAMES if name != subject.name]
        names = [subject.name, *random_for(f"names|{scene.caption}", 0, 0).sample(others, AMONG - 1)]
        return self.encoder.texts([replace(scene, subjects=(replace(subject, name=name),)).caption for name in names])

    def row(self, name: str, pixels: Sequence[np.ndarray], texts: Sequence[str], aspect: str) -> str:
        """One line of the table."""
        image = self.encoder.images(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2))
        caption = retrieved(image, texts, self.features, self.texts)
        distance = frechet_distance_of(image, self.reference.mixture({aspect: len(image)}))
        cells = [
            name,
            str(len(texts)),
            share(caption),
            share(named(image, texts, self.names)),
            share(right_border(pixels, texts)),
        ]
        return f"| {' | '.join(cells)} | {distance:.3f} |"


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927): honest at 0 and 1 too."""
    middle, spread = hits + z * z / 2, z * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)


def share(hits: Sequence[bool]) -> str:
    """`91.0 % [86.2, 94.2], n = 200`: the share and its 95 % Wilson interval."""
    low, high = wilson_interval(sum(hits), len(hits))
    return f"{100 * sum(hits) / len(hits):.1f} % [{100 * low:.1f}, {100 * high:.1f}], n = {len(hits)}"


def main() -> None:
    """Print the tables of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run over the prompt set held-out")
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    args = parser.parse_args()
    with RunStore.open(args.run) as store:
        samples = store.samples(store.images())
        if store.manifest.prompts_name != "held-out" or len(store.manifest.prompts) < AMONG:
            sys.exit(f"{args.run}: made with prompts {store.manifest.prompts_name!r}; make it with --prompts held-out")
        examiner = Examiner([prompt.text for prompt in store.manifest.prompts])
        groups: dict[tuple[str, int, int], dict[str, list[Sample]]] = {}
        for sample in samples:
            group = groups.setdefault((sample.aspect, sample.width, sample.height), {})
            group.setdefault(sample.model, []).append(sample)
        for (aspect, width, height), models in sorted(groups.items()):
            print(f"\n{aspect} ({width} x {height} pixels)\n")
            print(
                f"| pictures | n | caption among {AMONG} | name among {AMONG} | border colour | FD on scorer features |"
            )
            print("|---|---|---|---|---|---|")
            for model, found in sorted(models.items()):
                pixels = [np.asarray(Image.open(sample.file)) for sample in found]
                print(examiner.row(model, pixels, [sample.text for sample in found], aspect))
            real = renders(args.sprites, list(examiner.scenes.values()), width, height)
            print(examiner.row("real renders", real, list(examiner.scenes), aspect), flush=True)


if __name__ == "__main__":
    main()
