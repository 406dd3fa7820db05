"""How far a model's pictures are from real ones, in units of how far real ones are from real ones.

    python -m backbones.training.held_out_prompts --count 5000 > runs/held-out-5000.jsonl
    evalsuite generate --model dit --prompts runs/held-out-5000.jsonl --aspects 1:1 --output-dir outputs/many
    python -m evalsuite.encoders.training.frechet_floor outputs/many --sprites artwork/sprites.npy

Two sets of fresh held-out renders, A and B, have as many pictures of each ratio as the model. The Frechet distance
(on the bundled scorer's features) of the model from A, over that of B from A, is 1 for a perfect model. Its interval
is a jackknife's over groups of pictures, in the logarithm (Efron and Stein, Annals of Statistics 9, 1981).

Letters: n pictures, d features, G groups.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from backbones.training.data import Size, World, batches
from evalsuite.encoders import scenes as scorer
from evalsuite.encoders.features import read_image
from evalsuite.encoders.protocol import BATCH, ImageEncoder
from evalsuite.encoders.training.encoding import encoded
from evalsuite.encoders.training.examine import opened
from evalsuite.errors import InputError
from evalsuite.files import keep
from evalsuite.metrics.frechet import frechet_distance_of
from evalsuite.moments import Rows, moments
from evalsuite.samples import Sample
from evalsuite.stats import interval

GROUPS = 20
PER_FEATURE = 4
"""Pictures for each feature, at least: of fewer a distance is all bias."""


class Floor(NamedTuple):
    """A model's distance, the floor, and their ratio with its 95 % interval."""

    n: int
    distance: float
    floor: float
    ratio: float
    low: float
    high: float


def against_floor(model: Rows, groups: Sequence[int], first: Rows, second: Rows) -> Floor:
    """Compare three sets of features.

    Args:
        model: (n, d).
        groups: (n,) of each row of ``model`` what it is left out with, in 0 .. GROUPS - 1: all pictures of a prompt.
        first: (n, d) of real pictures, the reference of both distances.
        second: (n, d) of other real pictures.
    """
    own, real = np.asarray(groups), np.arange(len(first)) % GROUPS
    pairs = []
    for group in (None, *range(GROUPS)):
        left = [
            rows if group is None else rows[of != group] for rows, of in ((model, own), (first, real), (second, real))
        ]
        reference = moments(left[1])
        pairs.append((frechet_distance_of(left[0], reference), frechet_distance_of(left[2], reference)))
    whole, *logs = [math.log(distance / floor) for distance, floor in pairs]
    mean = math.fsum(logs) / GROUPS
    error = math.sqrt((GROUPS - 1) / GROUPS * math.fsum((log - mean) ** 2 for log in logs))
    found = interval(whole, error, GROUPS)
    low, high = (whole if end is None else end for end in (found.low, found.high))
    return Floor(len(model), *pairs[0], math.exp(whole), math.exp(low), math.exp(high))


class Real:
    """Features of fresh held-out renders, as many of each size as were asked for so far."""

    def __init__(self, encoder: ImageEncoder, sprites: Path, workers: int = 0) -> None:
        self._encoder, self._sprites, self._workers = encoder, sprites, workers
        self._known: dict[tuple[str, Size], Rows] = {}

    def rows(self, name: str, sizes: Counter[Size]) -> Rows:
        """Features of a set by this name; sets of different names have no render in common."""
        return np.concatenate([self._of_size(name, size, count) for size, count in sorted(sizes.items())])

    def _of_size(self, name: str, size: Size, count: int) -> Rows:
        known = self._known.get((name, size))
        if known is None or len(known) < count:
            print(f"real renders {name}, {size[0]} x {size[1]}: {count}", file=sys.stderr, flush=True)
            world = World(self._sprites, f"floor {name} {size}", "held-out", 0, count, (size,), BATCH)
            drawn = batches(world, self._workers)
            known = encoded(self._encoder, (pixels for batch in drawn for pixels in batch.pixels.numpy()))
            self._known[name, size] = known
        return known[:count]


def compared(samples: Sequence[Sample], encoder: ImageEncoder, real: Real) -> Floor:
    """One model's samples against the floor.

    Raises:
        InputError: too few, or of too few prompts.
    """
    prompts = {prompt: place for place, prompt in enumerate(sorted({sample.prompt_id for sample in samples}))}
    least = PER_FEATURE * encoder.width
    if len(samples) < least or len(prompts) < GROUPS:
        raise InputError(
            f"{samples[0].model}: {len(samples)} pictures of {len(prompts)} prompts; "
            f"a distance needs at least {least} of {GROUPS}: make more"
        )
    ordered = sorted(samples, key=lambda sample: (sample.width, sample.height, sample.id))
    sizes = Counter((sample.width, sample.height) for sample in ordered)
    own = [encoded(encoder, map(read_image, part)) for part in _by_size(ordered, sizes)]
    groups = [prompts[sample.prompt_id] % GROUPS for sample in ordered]
    return against_floor(np.concatenate(own), groups, real.rows("A", sizes), real.rows("B", sizes))


def _by_size(ordered: Sequence[Sample], sizes: Counter[Size]) -> Iterator[Sequence[Sample]]:
    start = 0
    for _, count in sorted(sizes.items()):
        yield ordered[start : start + count]
        start += count


def as_markdown(found: dict[str, Floor]) -> str:
    """A row for each model."""
    lines = ["| pictures | n | FD on scorer features | real against real | ratio |", "|---|---|---|---|---|"]
    for name, f in found.items():
        ratio = f"{f.ratio:.2f} [{f.low:.2f}, {f.high:.2f}]"
        lines.append(f"| {name} | {f.n} | {f.distance:.4f} | {f.floor:.4f} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table of runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs over held-out prompts, of different models")
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--workers", type=int, default=0, help="processes that render")
    parser.add_argument("--device", default="cpu", help="of the scorer")
    args = parser.parse_args()
    torch.set_num_threads(1)  # batches of a few small pictures gain nothing from more
    encoder = scorer.load(args.device)
    real, found = Real(encoder, args.sprites, args.workers), dict[str, Floor]()
    try:
        samples, _, _ = opened(args.runs)
        for name in sorted({sample.model for sample in samples}):
            print(name, file=sys.stderr, flush=True)
            found[name] = compared([sample for sample in samples if sample.model == name], encoder, real)
    except InputError as error:
        sys.exit(str(error))
    print(as_markdown(found))
    if args.json:
        figures = {"scorer": encoder.fingerprint, "models": {name: each._asdict() for name, each in found.items()}}
        keep(args.json, f"{json.dumps(figures, indent=1, sort_keys=True, allow_nan=False)}\n".encode())


if __name__ == "__main__":
    main()
