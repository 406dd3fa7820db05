"""Sheets of what the bundled backbones draw: the same captions for each, at every aspect ratio.

    python benchmarks/gallery.py
    python benchmarks/gallery.py dit:steps=50 toy

Makes `reports/published/gallery/`. The captions are fixed, by a rule that looks at no picture: those of the first try
at the world, then the first four held-out ones of each kind. Repeat the command to go on after a stop.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import gallery_sheet
from gallery_sheet import Picture

import prompts
from backbones.bundled import WEIGHTS
from backbones.checkpoint import sha256_of
from evalsuite.encoders.features import read_image
from evalsuite.manifest import Manifest
from evalsuite.sizes import parse_ratio
from evalsuite.store import RunStore
from reports.files import write_bytes, write_text

PUBLISHED = Path(__file__).parent.parent / "reports" / "published" / "gallery"
RATIOS = "1:1,3:2,2:3,16:9,9:16"
MODELS = ("dit", "unet", "dit-turbo")
EACH = 4  # held-out captions of a kind
KINDS = ("single", "count", "pair", "relation")
PLAIN = (
    "a cat on a blue background",
    "a blue cat on a white background",
    "a red apple on a green background",
    "a dog left of a cat on a white background",
    "a purple elephant on a yellow background",
    "a pizza and a hamburger on a pink background",
    "3d a car on a gray background",
    "a rocket above a house on a blue background",
)
HEAD = """# What the bundled backbones draw

{count} captions, fixed before any of these pictures was made: {plain} plain ones, which are those of the first try at
this world, then the first {each} of the held-out set of each kind ({kinds}), whose combinations of name, colour and
layout no training run has seen. One picture each, the first; none was chosen. 16:9 is held out of training.
"""


class Entry(NamedTuple):
    """A model, and the settings that it does not take from the command line's defaults."""

    name: str
    settings: tuple[str, ...]


class Sheet(NamedTuple):
    """A published sheet."""

    model: str
    aspect: str
    file: str


def entry(word: str) -> Entry:
    """Read `NAME` or `NAME:steps=4,guidance=1`.

    Raises:
        SystemExit: neither.
    """
    name, _, rest = word.partition(":")
    pairs = [re.fullmatch(r"(steps|guidance|sampler|shift)=([\w.+]+)", pair) for pair in rest.split(",") if pair]
    if not name or None in pairs:
        raise SystemExit(f"{word!r}: write NAME, or NAME:steps=4,guidance=1")
    return Entry(name, tuple(part for pair in pairs if pair for part in (f"--{pair[1]}", pair[2])))


def captions() -> list[str]:
    """The fixed list."""
    held_out = prompts.load("held-out").prompts
    kinds = ([prompt.text for prompt in held_out if kind in prompt.tags][:EACH] for kind in KINDS)
    return [*PLAIN, *(text for kind in kinds for text in kind)]


def words(model: Entry, file: Path, aspects: str, run: Path) -> list[str]:
    """The command that makes one model's pictures."""
    shown = ["--prompts", str(file), "--aspects", aspects, "--output-dir", str(run)]
    return ["generate", "--model", model.name, *model.settings, *shown]


def sheets(run: Path, out: Path) -> Iterator[tuple[Sheet, Manifest]]:
    """Draw a run's sheets, one for each ratio, in the order of the captions."""
    with RunStore.open(run) as store:
        manifest, samples = store.manifest, store.samples(store.images())
    order = {prompt.id: place for place, prompt in enumerate(manifest.prompts)}
    for aspect in manifest.spec.aspects:
        own = sorted((s for s in samples if s.aspect == aspect), key=lambda sample: order[sample.prompt_id])
        model, width, height = own[0].model, own[0].width, own[0].height
        pictures = [Picture(read_image(sample), sample.text) for sample in own]
        sheet = Sheet(model, aspect, f"{_file_name(model)}-{aspect.replace(':', 'x')}.webp")
        said = f"{width} x {height} pixels, {settings(manifest)}"
        write_bytes(gallery_sheet.webp(pictures, f"{model} at {aspect}", said), out / sheet.file)
        yield sheet, manifest


def settings(manifest: Manifest) -> str:
    """How a run's pictures were sampled, in words."""
    spec, (facts,) = manifest.spec, manifest.models.values()
    return f"{facts.sampler}, {spec.steps} steps, guidance {spec.guidance:g}, seed {spec.seed}"


def page(made: Iterable[tuple[Sheet, Manifest]], texts: Sequence[str], folder: Path = WEIGHTS) -> str:
    """The index: what made which sheet, the captions, and the sheets by ratio."""
    made = list(made)
    facts = {sheet.model: manifest for sheet, manifest in made}
    kinds = ", ".join(KINDS)
    lines = [HEAD.format(count=len(texts), plain=len(PLAIN), each=EACH, kinds=kinds), *_table(facts, folder), ""]
    for aspect in sorted({sheet.aspect for sheet, _ in made}, key=lambda a: (a != "1:1", -parse_ratio(a))):
        lines += [f"## {aspect}", ""]
        for sheet, _ in made:
            if sheet.aspect == aspect:
                lines += [f"![{len(texts)} pictures by {sheet.model} at {aspect}]({sheet.file})", ""]
    lines += ["## Captions", "", *(f"{number}. {text}" for number, text in enumerate(texts, 1)), ""]
    return "\n".join(lines)


def _table(facts: Mapping[str, Manifest], folder: Path) -> list[str]:
    lines = ["| model | sampled by | weights, SHA-256 |", "|---|---|---|"]
    for model, manifest in facts.items():
        path = folder / f"{model}.safetensors"
        told = sha256_of(path) if path.is_file() else f"fingerprint {manifest.models[model].fingerprint}"
        lines.append(f"| {model} | {settings(manifest)} | `{told}` |")
    vae = folder / "vae.safetensors"
    return [*lines, f"| vae of all | | `{sha256_of(vae)}` |"] if vae.is_file() else lines


def _file_name(model: str) -> str:
    return re.sub(r"[^\w.-]+", "-", model).strip("-.")


def main() -> None:
    """Make every model's pictures, draw the sheets, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, type=str, help="NAME or NAME:steps=4,guidance=1")
    parser.add_argument("--aspects", default=RATIOS)
    parser.add_argument("--work", type=Path, default=Path("outputs/gallery"), help="for images")
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    args = parser.parse_args()
    models, texts = [entry(word) for word in args.models], captions()
    args.work.mkdir(parents=True, exist_ok=True)
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.work / "captions.txt"
    write_text("".join(f"{text}\n" for text in texts), file)
    made = []
    for model in models:
        run = args.work / _file_name(model.name)
        command = words(model, file, args.aspects, run)
        print("+ " + shlex.join(["evalsuite", *command]), file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "evalsuite", *command], check=True, stdout=subprocess.DEVNULL)
        made += list(sheets(run, args.out))
    more = () if args.aspects == RATIOS else ("--aspects", args.aspects)
    given = () if tuple(args.models) == MODELS else args.models
    said = shlex.join(["python", "benchmarks/gallery.py", *given, *more])
    write_text(f"{page(made, texts)}\nMade by `{said}`.\n", args.out / "README.md")
    print(args.out / "README.md")


if __name__ == "__main__":
    main()
