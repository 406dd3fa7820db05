"""The bundled U-Net against the bundled DiT: every diagnosis of evalsuite over both, as one page.

    python benchmarks/unet_vs_dit.py

Makes `reports/published/unet-vs-dit/`. Each step is a command that its page names; repeat the whole to go on after a
stop.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PUBLISHED = Path(__file__).parent.parent / "reports" / "published" / "unet-vs-dit"
RATIOS = "1:1,3:2,2:3,16:9,9:16"
CORNER = "dit?positions=corner"
KEPT = (".csv", ".png", ".svg")
ABOUT = """# The bundled U-Net against the bundled DiT

Same data, text encoder, loss, optimiser, steps, and parameters within 3.2 %. **There is one training seed of each**, so
what follows is about these two sets of weights; how far another training run would move them is not known. All scores
are those of the bundled scorer on the bundled world, and are not comparable with published values.
"""


class Step(NamedTuple):
    """A command and its page.

    Attributes:
        name: of its folder.
        title: of its page.
        words: the command.
        pictures: that the first page shows.
        lead: heading of the section that the first page repeats, empty for what comes before any, None for nothing.
        kept: endings of the files that are published beside the page.
    """

    name: str
    title: str
    words: tuple[str, ...]
    pictures: tuple[str, ...] = ()
    lead: str | None = None
    kept: tuple[str, ...] = KEPT


def steps(work: Path, prompts: int) -> list[Step]:
    """All commands, in their order.

    Args:
        work: for runs.
        prompts: of the held-out set.
    """
    run, two = str(work / "run"), (str(work / "run") + ":dit", str(work / "run") + ":unet")
    models = ("--model", "dit", "--model", "unet")
    made = ("run", *models, "--model", CORNER, "--prompts", "held-out", "--limit", str(prompts), "--aspects", RATIOS)
    grid = ("--guidance", "1,2,4,7", "--steps", "5,10,20", "--prompts", "smoke", "--aspects", "1:1")
    return [
        Step("run", "Images and scores", (*made, "--threads", "1", "--output-dir", run), kept=("scores.csv",)),
        Step("compare", "dit minus unet, image by image", ("compare", *two)),
        Step("aspects", "By aspect ratio", ("aspects", run), ("aspects.png",), ""),
        Step(
            "probe",
            "The velocity field",
            ("probe", "dit", "unet", "--threads", "1"),
            ("bank-curves.png", "path-curves.png", "difference-curves.png"),
            "dit minus unet",
        ),
        Step("cost", "What it costs", ("cost", "dit", "unet", "--sizes", "256,512,1024,4096"), ("cost.png",)),
        Step("sweep", "Where the best setting lies", ("sweep", *models, *grid, "--threads", "1"), ("front.png",), ""),
        Step("doctor", "What the metrics see", ("doctor", f"{run}:dit", "--metrics"), ("doctor.png",)),
    ]


def perform(step: Step, work: Path) -> str:
    """Run a command and return its Markdown; its folder is ``work/NAME`` where it has one."""
    folder = () if step.name in ("run", "compare") else ("--output-dir", str(work / step.name))
    words = [sys.executable, "-m", "evalsuite", *step.words, *folder, "--format", "md"]
    print("+ " + said(step.words), file=sys.stderr, flush=True)
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "120"})
    if done.returncode not in ((0, 1) if step.name == "doctor" else (0,)):
        raise SystemExit(f"{step.name} ended with {done.returncode}")
    return done.stdout


def said(words: Sequence[str]) -> str:
    """A command as a reader would type it, with runs named by their last part."""
    return shlex.join(["evalsuite", *(re.sub(r"^.*/(run(:\w+)?)$", r"\1", word) for word in words)])


def keep(step: Step, work: Path, out: Path, page: str) -> None:
    """Put a command's page and its small files into the published folder."""
    target = out / step.name
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((work / step.name).glob("*")):
        if path.name.endswith(step.kept) and path.is_file():
            shutil.copyfile(path, target / path.name)
    anywhere = page.replace(f"{work}{os.sep}", "")
    shown = (line for line in anywhere.strip().splitlines() if _is_there(line, target))
    text = "\n".join([f"`{said(step.words)}`", "", *shown])
    (target / "README.md").write_text(re.sub(r"\n{3,}", "\n\n", text) + "\n", encoding="utf-8")


def _is_there(line: str, folder: Path) -> bool:
    """Whether a line is no picture, or one that is published."""
    picture = re.match(r"!\[.*\]\((.+)\)$", line)
    return picture is None or (folder / picture[1]).exists()


def verdict(found: Mapping[str, Any]) -> Iterable[str]:
    """Who wins what, in sentences: every metric over all images."""
    whole = [difference for difference in found["differences"] if difference["slice"] == "all"]
    yield f"**{found['headline']}**"
    yield ""
    yield from (f"- `{difference['metric']}`: {difference['sentence']}" for difference in whole)


def lead(step: Step, page: str) -> list[str]:
    """The part of a page that the first page repeats, without its headings and pictures."""
    if step.lead is None:
        return []
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    sections = {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))
    lines = [line for line in sections[step.lead].splitlines() if not line.startswith(("# ", "![", "`evalsuite "))]
    return ["", "\n".join(lines).strip()]


def page(steps: Sequence[Step], compared: Mapping[str, Any], prompts: int, out: Path) -> str:
    """The page that leads to all others."""
    lines = [
        ABOUT,
        "## Verdict",
        "",
        f"{prompts} held-out captions at five ratios; paired by caption, ratio and noise.",
        "",
    ]
    lines += verdict(compared)
    for step in steps:
        lines += ["", f"## {step.title}", "", f"`{said(step.words)}`: [{step.name}]({step.name}/README.md)"]
        lines += lead(step, (out / step.name / "README.md").read_text(encoding="utf-8"))
        lines += [line for name in step.pictures for line in ("", f"![{name}]({step.name}/{name})")]
    lines += ["", "Made by `python benchmarks/unet_vs_dit.py`.", ""]
    return "\n".join(lines)


def main() -> None:
    """Run every step and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("outputs/unet-vs-dit"), help="for images and features")
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    parser.add_argument("--prompts", type=int, default=40, help="of the held-out set")
    parser.add_argument("--only", nargs="+", help="these steps alone; pages of the others stay")
    args = parser.parse_args()
    found = steps(args.work, args.prompts)
    for step in found:
        if not args.only or step.name in args.only:
            keep(step, args.work, args.out, perform(step, args.work))
    words = [sys.executable, "-m", "evalsuite", *found[1].words, "--format", "json"]
    compared = json.loads(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
    (args.out / "README.md").write_text(page(found, compared, args.prompts, args.out), encoding="utf-8")


if __name__ == "__main__":
    main()
