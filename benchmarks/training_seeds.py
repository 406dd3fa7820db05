"""Two recipes over their training seeds: pictures and scores of every model, and what the seeds leave of a difference.

    python benchmarks/training_seeds.py --dit runs/twins/dit-0 runs/twins/dit-1 runs/twins/dit-2 \
        --unet runs/twins/unet-0 runs/twins/unet-1 runs/twins/unet-2

Makes `reports/published/training-seeds/` from folders that `backbones.training.train_generator` has filled, one for
each seed. Its page names every command; repeat the whole to go on after a stop.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backbones.cards import read_card
from evalsuite import scorecard
from evalsuite.loaders.detect import own_file
from reports.files import write_text
from reports.seed_plot import Panel, Recipe, Seed, write_seed_plot
from reports.text import markdown

PUBLISHED = Path(__file__).parent.parent / "reports" / "published" / "training-seeds"
RATIOS = "1:1,16:9"
LEAST = 2  # seeds of a recipe
HEAD = """# {names}, over training seeds

{counts}, trained by the same commands but for `--seed`.

What follows is about the recipes: its intervals cover other training runs of them and other captions, which one run of
each could not do. All scores are those of the bundled scorer on the bundled world, and are not comparable with
published values.
"""


class Trained(NamedTuple):
    """A folder of one training run, and what its card says."""

    folder: Path
    card: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """Of the training."""
        return int(self.card["recipe"]["seed"])

    @property
    def recipe(self) -> dict[str, Any]:
        """All options that decide the weights, without the seed."""
        return {key: value for key, value in self.card["recipe"].items() if key not in ("seed", "compile")}


def trained(folder: Path) -> Trained:
    """Read a folder's card.

    Raises:
        SystemExit: no weights of ours, or they do not match their card.
    """
    file = own_file(folder) if folder.is_dir() else None
    if file is None:
        raise SystemExit(f"{folder}: no weights with a card: name a folder that train_generator has filled")
    try:
        return Trained(folder, read_card(folder, file.stem))
    except ValueError as error:
        raise SystemExit(str(error)) from error


def check(name: str, models: Sequence[Trained]) -> None:
    """Refuse models that differ by more, or less, than their training seed.

    Raises:
        SystemExit: they do, or there are too few.
    """
    if len(models) < LEAST:
        raise SystemExit(f"--{name}: {len(models)} folder: training seeds need {LEAST} at least")
    first = models[0]
    for other in models[1:]:
        if other.recipe != first.recipe:
            keys = [key for key in first.recipe | other.recipe if first.recipe.get(key) != other.recipe.get(key)]
            raise SystemExit(f"--{name}: {other.folder} differs from {first.folder} in {', '.join(keys)}")
    seeds = [model.seed for model in models]
    if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise SystemExit(f"--{name}: seed {twice[0]} is trained twice: name each seed once")


def perform(words: Sequence[str]) -> str:
    """Run a command of evalsuite and return what it prints.

    Raises:
        SystemExit: it failed; its own line says why.
    """
    print("+ " + shlex.join(["evalsuite", *words]), file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "evalsuite", *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def said(command: str) -> str:
    """A command as a reader would type it, with folders by their last part."""
    words = [re.sub(r"^.*/(?=[^/]+$)", "", word.rstrip("/")) if "/" in word else word for word in shlex.split(command)]
    return shlex.join(words)


def of_groups(groups: Mapping[str, Sequence[Trained]], run: Path) -> list[str]:
    """The words that compare two recipes."""
    named = (f"{name}={','.join(model.folder.name for model in models)}" for name, models in groups.items())
    return ["compare", str(run), *(word for group in named for word in ("--group", group))]


def panels(found: Mapping[str, Any]) -> Iterator[Panel]:
    """A panel for each metric over all images."""
    for one in found["differences"]:
        if one["slice"] != "all":
            continue
        recipes = [
            Recipe(group["name"], [Seed(seed["value"], seed["low"], seed["high"]) for seed in group["seeds"]])
            for group in one["groups"]
        ]
        arrow = {True: " ↑", False: " ↓", None: ""}[one["higher_is_better"]]
        said = one["sentence"].partition(";")[0]
        yield Panel(one["title"] or one["metric"], f"{one['metric']}{arrow}: {said}", recipes)


def recipes(groups: Mapping[str, Sequence[Trained]]) -> Iterator[str]:
    """What was trained, a line for each model."""
    yield "| model | seed | denoiser + text | steps x batch | preset | held-out loss | weights' SHA-256 |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for models in groups.values():
        for model in models:
            card, options = model.card, model.card["recipe"]
            size = " + ".join(f"{count / 1e6:.2f} M" for count in card["parameters"].values())
            loss = card.get("measured", {}).get("held_out_loss", "-")
            cells = [model.folder.name, model.seed, size, f"{options['steps']} x {options['batch']}"]
            cells += [options["preset"], loss, card["sha256"][:12]]
            yield f"| {' | '.join(markdown(cell) for cell in cells)} |"


def page(groups: Mapping[str, Sequence[Trained]], run: Path, compared: str, pictures: Sequence[Path]) -> str:
    """The page.

    Args:
        groups: what was trained.
        run: the scored run of all models.
        compared: Markdown of the comparison.
        pictures: beside the page.
    """
    card = scorecard.read(run)[0]
    counts = " and ".join(f"{len(models)} training seeds of {name}" for name, models in groups.items())
    prompts, ratios = card.run["prompts"], ", ".join(card.run["spec"]["aspects"])
    head = HEAD.format(names=" against ".join(groups), counts=counts[0].upper() + counts[1:])
    lines = [head, "## What was trained", "", *recipes(groups)]
    lines += ["", "## Verdict", "", f"{prompts['count']} captions of `{prompts['name']}` at {ratios}.", ""]
    lines += [f"`{said(card.run['command'])}`", "", f"`{said(shlex.join(['evalsuite', *of_groups(groups, run)]))}`", ""]
    table = compared.strip().splitlines()
    verdict, rest = table[0], table[1:]
    lines += [verdict, "", *(f"![{path.name}]({path.name})" for path in pictures if path.suffix == ".png"), *rest]
    return "\n".join([*lines, "", "Made by `python benchmarks/training_seeds.py`.", ""])


def main() -> None:
    """Make and score pictures of all models, compare, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dit", type=Path, nargs="+", required=True, help="folders of one recipe, a seed each")
    parser.add_argument("--unet", type=Path, nargs="+", required=True, help="of the other")
    parser.add_argument("--limit", type=int, default=200, help="held-out captions")
    parser.add_argument("--work", type=Path, default=Path("outputs/training-seeds"), help="for pictures and scores")
    parser.add_argument("--run", type=Path, help="a scored run of all models, instead of making one")
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    args = parser.parse_args()
    groups = {name: [trained(folder) for folder in getattr(args, name)] for name in ("dit", "unet")}
    for name, models in groups.items():
        check(name, models)
    run = args.run or args.work / "run"
    if args.run is None:
        args.work.mkdir(parents=True, exist_ok=True)
        folders = [_path(model.folder) for models in groups.values() for model in models]
        named = [word for folder in folders for word in ("--model", folder)]
        held_out = ("--prompts", "held-out", "--limit", str(args.limit), "--aspects", RATIOS)
        perform(["run", *named, *held_out, "--output-dir", str(run), "--format", "json"])
    words = of_groups(groups, run)
    found = json.loads(perform([*words, "--format", "json"]))
    args.out.mkdir(parents=True, exist_ok=True)
    pictures = write_seed_plot(list(panels(found)), args.out)
    write_text(perform([*words, "--format", "csv"]), args.out / "seeds.csv")
    write_text(page(groups, run, perform([*words, "--format", "md"]), pictures), args.out / "README.md")


def _path(folder: Path) -> str:
    """A folder that no registered name hides."""
    return str(folder) if len(folder.parts) > 1 else f"./{folder}"


if __name__ == "__main__":
    main()
