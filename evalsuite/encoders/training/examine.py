"""Examine generators on a run over held-out prompts: do the pictures show what was asked?

    S=artwork/sprites.npy
    python -m backbones.training.held_out_prompts --count 500 > runs/held-out-500.jsonl
    P="--prompts runs/held-out-500.jsonl --aspects 1:1,16:9"
    evalsuite generate --model dit --model unet $P --output-dir runs/500
    evalsuite generate --model dit-turbo --model unet-turbo $P --output-dir runs/500-turbo
    python -m evalsuite.encoders.training.train_detector --sprites $S --out runs/detector
    python -m evalsuite.encoders.training.examine runs/500 runs/500-turbo --sprites $S --detector runs/detector

Prints a Markdown table for each aspect ratio: shares of right pictures with their 95 % intervals (`measures` says of
what), each model beside fresh renders of the same captions, which show how often the measure itself is right; and the
Frechet distance on the scorer's features. Then how the ratio that training never saw differs from the others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from backbones.training.render import Renderer
from evalsuite.aspects.counter import Pixels
from evalsuite.encoders import scenes as scorer
from evalsuite.encoders.features import read_image
from evalsuite.encoders.training.detector import Detector
from evalsuite.encoders.training.encoding import encoded
from evalsuite.encoders.training.examined import Examined, as_json, as_markdown
from evalsuite.encoders.training.held_out import rendered, scenes_of
from evalsuite.encoders.training.measures import CAPTION, NAME, SINGLE, judged
from evalsuite.encoders.training.retrieval import AMONG, Captions
from evalsuite.errors import InputError
from evalsuite.files import keep
from evalsuite.metrics.frechet import frechet_distance_of
from evalsuite.reference import load_reference
from evalsuite.samples import Sample
from evalsuite.store import RunStore

REAL = "real renders"
Group = tuple[str, int, int]  # aspect, width, height


class Examiner:
    """What looks at pictures: the scorer, its reference, the detector, and the captions of the run."""

    def __init__(self, texts: Iterable[str], detector: Detector, device: str = "cpu") -> None:
        self.scenes = scenes_of(texts)
        if len(self.scenes) < AMONG:
            raise InputError(f"{len(self.scenes)} captions: retrieval among {AMONG} needs as many")
        self.encoder, self.reference, self.detector = scorer.load(device), load_reference(), detector
        self.captions = Captions(self.encoder, self.scenes)

    def examine(self, name: str, group: Group, texts: Sequence[str], pictures: Sequence[Pixels]) -> Examined:
        """Judge pictures (n) of one size; texts (n) are their captions."""
        features = encoded(self.encoder, pictures)  # (n, d)
        pairs = zip(texts, pictures, strict=True)
        verdicts = [judged(pixels, self.scenes[text], self.detector) for text, pixels in pairs]
        for verdict, caption, named in zip(verdicts, *self.captions.found(features, texts), strict=True):
            verdict[CAPTION] = caption
            if named is not None:
                verdict |= {NAME: named, SINGLE: caption}
        distance = frechet_distance_of(features, self.reference.mixture({group[0]: len(features)}))
        return Examined(name, *group, tuple(texts), tuple(verdicts), distance)


def examined(samples: Iterable[Sample], examiner: Examiner, sprites: Path) -> Iterator[Examined]:
    """Every model at every ratio, each ratio with real renders of the same captions."""
    groups: dict[Group, dict[str, list[Sample]]] = {}
    for sample in samples:
        models = groups.setdefault((sample.aspect, sample.width, sample.height), {})
        models.setdefault(sample.model, []).append(sample)
    renderer = Renderer(sprites)
    for group, models in sorted(groups.items()):
        for name, samples in sorted(models.items()):
            print(f"{name} at {group[0]}: {len(samples)} pictures", file=sys.stderr, flush=True)
            yield examiner.examine(name, group, [sample.text for sample in samples], list(map(read_image, samples)))
        real = [rendered(renderer, scene, *group[1:]) for scene in examiner.scenes.values()]
        yield examiner.examine(REAL, group, list(examiner.scenes), real)


def facts(store: RunStore) -> dict[str, Any]:
    """What made the pictures of a run."""
    spec = store.manifest.spec
    return {
        "prompts": {"name": store.manifest.prompts_name, "used": len(store.manifest.prompts)},
        "steps": spec.steps,
        "guidance": spec.guidance,
        "seed": spec.seed,
        "models": {name: model.fingerprint for name, model in sorted(store.manifest.models.items())},
    }


def opened(runs: Sequence[Path]) -> tuple[list[Sample], list[dict[str, Any]], list[str]]:
    """Samples, facts and texts of runs.

    Raises:
        InputError: no run, or two runs have models of one name.
    """
    samples, about, texts, names = list[Sample](), list[dict[str, Any]](), list[str](), set[str]()
    for run in runs:
        with RunStore.open(run) as store:
            if both := sorted(names & store.manifest.models.keys()):
                raise InputError(f"{run}: {both[0]} is in another of the runs too: examine it by itself")
            names |= store.manifest.models.keys()
            samples += store.samples(store.images())
            about.append(facts(store))
            texts += [prompt.text for prompt in store.manifest.prompts]
    return samples, about, texts


def main() -> None:
    """Print the tables of runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs over held-out prompts, of different models")
    parser.add_argument("--sprites", type=Path, required=True, help="sprites.npy of backbones.training.artwork")
    parser.add_argument("--detector", type=Path, default=Path("runs/detector"), help="folder of train_detector")
    parser.add_argument("--device", default="cpu", help="of the scorer")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)  # batches of a few small pictures gain nothing from more
    try:
        samples, about, texts = opened(args.runs)
        examiner = Examiner(texts, Detector.load(args.detector), args.device)
        found = list(examined(samples, examiner, args.sprites))
    except InputError as error:
        sys.exit(str(error))
    print(as_markdown(found, REAL))
    if args.json:
        judges = {"scorer": examiner.encoder.fingerprint, "detector": examiner.detector.sha256}
        text = json.dumps({"runs": about} | judges | as_json(found), indent=1, sort_keys=True, allow_nan=False)
        keep(args.json, f"{text}\n".encode())


if __name__ == "__main__":
    main()
