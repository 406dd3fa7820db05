"""``evalsuite verify`` and ``evalsuite regenerate``: whether a run can be believed, and one of its images again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from evalsuite.options import HOW, WHAT, WHERE, Device, Given, Quiet, option
from evalsuite.sections import AsForm, Form, Section, show

SCORES, IMAGES, PSNR = 16, 4, 50.0

Run = Annotated[Path, typer.Argument(help="A run folder; nothing in it changes.", show_default=False)]


def verify(
    run: Run,
    scores: Annotated[
        int, option("--scores", "Images to score again from pixels; 0 leaves all numbers out.", WHAT, SCORES, min=0)
    ] = SCORES,
    images: Annotated[
        int, option("--images", "Images to make again, with the others of their units.", WHAT, IMAGES, min=0)
    ] = IMAGES,
    seed: Annotated[
        int | None, option("--seed", "Of which images are drawn.", WHAT, "another one every time, and printed", min=0)
    ] = None,
    psnr: Annotated[
        float, option("--psnr", "Least likeness in dB of images from another kind of machine.", HOW, PSNR)
    ] = PSNR,
    device: Device = None,
    weights: Given = None,
    form: AsForm = Form.table,
    quiet: Quiet = False,
) -> None:
    """Hash every record and image again, score some from pixels, make some again. Exit 1 when anything differs."""
    import secrets

    from evalsuite.progress import shown
    from evalsuite.verify import Depth
    from evalsuite.verify import verify as check

    depth = Depth(scores=scores, images=images, seed=secrets.randbelow(10**6) if seed is None else seed, psnr=psnr)
    with shown(quiet) as progress:
        found = check(run, depth, device=device, weights=weights or (), progress=progress)
    show(found.sections(), found.to_json(), form)
    found.check()
    if found.findings:
        raise typer.Exit(1)


def regenerate(
    run: Run,
    id: Annotated[str, typer.Option("--id", help="Of the image, as scores.csv lists it.", show_default=False)],
    output: Annotated[
        Path | None, option("--output", "The PNG to write.", WHERE, "here, named after the id", metavar="FILE")
    ] = None,
    device: Device = None,
    form: AsForm = Form.table,
    quiet: Quiet = False,
) -> None:
    """Make one image of a run again, and say whether it is the recorded one. Exit 1 when it is not."""
    from evalsuite.progress import shown
    from evalsuite.regenerate import regenerate as make

    with shown(quiet) as progress:
        found = make(run, id, output, device=device, progress=progress)
    lines = [(name.replace("_", " "), value or "none") for name, value in asdict(found).items()]
    show([Section("", ("image", "made again"), lines)], asdict(found), form)
    if found.verdict == "differs":
        raise typer.Exit(1)
