"""Train the detector that judges names and relations, on crops of training-split scenes; about 10 minutes of one core.

    python -m evalsuite.encoders.training.train_detector --sprites artwork/sprites.npy --out runs/detector

Crops are made as tensors: tinted drawings, scaled, moved and melted by one warp, on flat and gradient grounds, then
blurred, noised and faded, as generators' pictures come. Its card says how often it is right on held-out renders.

Letters: B crops.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.training.data import SIZES, World, random_for
from backbones.training.loop import Progress
from backbones.training.names import NAMES
from backbones.training.options import recipe_facts
from backbones.training.render import Renderer
from backbones.training.scene import COLOURS, RELATIONS, Scene, Subject, sample_scene
from evalsuite.aspects.counter import find_objects
from evalsuite.encoders.bundle import save_tensors
from evalsuite.encoders.training.detector import FILE, SIDE, Detector, Namer, placed

DRAWN = 64  # pixels of a drawing before it is warped
PURPOSE = "detector"
TESTED = 1500  # held-out renders


class Wanted(NamedTuple):
    """A crop to make: of what, in which style, and the colours at its top and bottom."""

    subject: Subject
    style: str
    top: Sequence[float]
    bottom: Sequence[float]


class Drawings:
    """Every drawing in every tint, made when it is first wanted."""

    def __init__(self, sprites: Path) -> None:
        self._renderer = Renderer(sprites)
        self._made: dict[tuple[Subject, str], Tensor] = {}

    def __call__(self, subject: Subject, style: str) -> Tensor:
        """Pixels (4, DRAWN, DRAWN) uint8; RGB is multiplied by alpha."""
        if (subject, style) not in self._made:
            drawing = self._renderer.sprite(subject, style).convert("RGBa").resize((DRAWN, DRAWN))
            self._made[subject, style] = torch.from_numpy(np.asarray(drawing).copy()).permute(2, 0, 1)
        return self._made[subject, style]


def wanted(scene: Scene, random: Random) -> Iterator[Wanted]:
    """One crop for each subject of a scene."""
    colour = np.array(COLOURS[scene.background], float)
    light = (np.full(3, 255.0) if scene.background != "white" else np.full(3, 150.0)) - colour
    for subject in scene.subjects:
        ends = sorted((random.random(), random.random()), reverse=True) if scene.gradient else (0.0, 0.0)
        top, bottom = ((colour + 0.6 * share * light).tolist() for share in ends)
        yield Wanted(subject, scene.style, top, bottom)


def crops_of(rows: Sequence[Wanted], drawings: Drawings, noise: torch.Generator) -> Tensor:
    """Draw crops (B, 3, SIDE, SIDE) in [-1, 1], each warped and made worse in its own way."""
    count = len(rows)
    some = torch.stack([drawings(row.subject, row.style) for row in rows]).float()  # (B, 4, DRAWN, DRAWN)
    fore = F.grid_sample(some, _warp(count, noise), mode="bilinear", align_corners=False)
    ends = torch.tensor([[row.top, row.bottom] for row in rows])  # (B, 2, 3)
    down = torch.linspace(0, 1, SIDE)[None, None, :, None]
    ground = ends[:, 0, :, None, None] * (1 - down) + ends[:, 1, :, None, None] * down  # (B, 3, SIDE, 1)
    picture = (fore[:, :3] + ground * (1 - fore[:, 3:] / 255)) / 127.5 - 1
    return _worse(picture, noise)


def _warp(count: int, noise: torch.Generator) -> Tensor:
    """Grids (B, SIDE, SIDE, 2): objects of 0.7 to 1.15 of the crop, moved, turned a little, a third of them melted."""
    uniform = torch.rand((6, count), generator=noise)
    zoom, turn = 1 / (0.7 + 0.45 * uniform[0]), 0.2 * (uniform[1] - 0.5)
    move = 0.24 * (uniform[2:4] - 0.5)
    rows = [torch.stack([zoom * turn.cos(), -zoom * turn.sin(), move[0]])]
    rows += [torch.stack([zoom * turn.sin(), zoom * turn.cos(), move[1]])]
    affine = torch.stack(rows).permute(2, 0, 1)  # (B, 2, 3)
    grid = F.affine_grid(affine, [count, 1, SIDE, SIDE], align_corners=False)
    coarse = (
        torch.randn((count, 2, 5, 5), generator=noise) * 0.1 * (uniform[4] * (uniform[5] < 1 / 3))[:, None, None, None]
    )
    return grid + F.interpolate(coarse, (SIDE, SIDE), mode="bicubic").permute(0, 2, 3, 1)


def _worse(picture: Tensor, noise: torch.Generator) -> Tensor:
    """Blur, contrast, cast and noise, each of its own strength."""
    uniform = torch.rand((4, len(picture), 1, 1, 1), generator=noise)
    soft = F.interpolate(F.avg_pool2d(picture, 3), (SIDE, SIDE), mode="bilinear")
    picture = picture.lerp(soft, uniform[0] ** 2)
    picture = picture * (0.7 + 0.4 * uniform[1]) + 0.2 * (uniform[2] - 0.5)
    picture = picture + 0.08 * torch.randn((len(picture), 3, 1, 1), generator=noise)
    return picture + 0.12 * uniform[3] ** 2 * torch.randn(picture.shape, generator=noise)


def train(args: argparse.Namespace) -> Namer:
    """Learn names from an endless supply of crops; AdamW, one cycle of the learning rate."""
    torch.manual_seed(args.seed)
    noise = torch.Generator().manual_seed(args.seed)
    drawings, network, places = Drawings(args.sprites), Namer(), {name: i for i, name in enumerate(NAMES)}
    optimiser = torch.optim.AdamW(network.parameters(), args.lr, weight_decay=0.02)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, args.steps)
    progress, rows, scene = Progress(args.steps, 100), list[Wanted](), 0
    for step in range(args.steps):
        while len(rows) < args.batch:
            random = random_for(PURPOSE, args.seed, scene)
            rows += wanted(sample_scene(random, "train"), random)
            scene += 1
        some, rows = rows[: args.batch], rows[args.batch :]
        logits = network(crops_of(some, drawings, noise))
        loss = F.cross_entropy(logits, torch.tensor([places[row.subject.name] for row in some]), label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        cycle.step()
        progress(step, loss, len(some))
    return network


def measure(detector: Detector, args: argparse.Namespace) -> dict[str, float]:
    """Shares of held-out renders of all sizes that it gets right: names of single objects, and relations."""
    names, relations = list[bool](), list[bool]()
    world = World(args.sprites, f"{PURPOSE}-test", "held-out", args.seed, args.tested, tuple(SIZES.values()))
    for index in range(args.tested):
        scene, pixels = world[index].scene, world[index].pixels
        objects = find_objects(pixels)
        found = [] if objects is None else detector.name(pixels, objects)
        if scene.layout == "single":
            names.append([each.name for each in found] == [scene.subjects[0].name])
        elif scene.relation in RELATIONS:
            first, second = (subject.name for subject in scene.subjects)
            relations.append(placed(found, first, second, scene.relation))
    return {
        "name_right": sum(names) / len(names),
        "names": len(names),
        "relation_right": sum(relations) / len(relations),
        "relations": len(relations),
    }


def main() -> None:
    """Train, measure on held-out renders, write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and card")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lr", type=float, default=6e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tested", type=int, default=TESTED, help="held-out renders")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the same weights wherever a core computes the same
    network = train(args)
    measured = measure(Detector(network, ""), args)
    facts = recipe_facts(args, "evalsuite.encoders.training.train_detector") | {"measured": measured}
    save_tensors(args.out / FILE, network.state_dict(), facts)
    print(measured)


if __name__ == "__main__":
    main()
