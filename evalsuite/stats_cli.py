"""``evalsuite stats``: build, show and convert the reference statistics that fid, fd, kid and cmmd compare with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalsuite.errors import InputError
from evalsuite.options import Device, Given, Quiet, Threads

stats = typer.Typer(
    help="Build, show and convert reference statistics: what fid, fd, kid and cmmd compare with.", no_args_is_help=True
)

KEPT = 5000
EXTRACTOR_HELP = "The network, such as inception-tf1, inception-clean, dinov2-vitl14, vit-l-14-336-hf or scenes."

Out = Annotated[Path, typer.Argument(help="The file to write, .npz.", show_default=False)]
Extractor = Annotated[str, typer.Option("--extractor", help=EXTRACTOR_HELP, show_default=False)]
Rows = Annotated[
    int, typer.Option("--features", help="Rows to keep for kid and cmmd, drawn at random; 0 for none.", min=0)
]
PartOf = Annotated[str, typer.Option("--part", help="Of a file with several, such as fd_dinov2.", show_default=False)]


class Aspects(StrEnum):
    """Whether each aspect ratio gets statistics of its own beside those of all images together."""

    any = "any"
    by_image = "by-image"


@stats.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="A folder, a .zip, or an .npz with the images arr_0.", show_default=False)
    ],
    out: Out,
    extractor: Extractor,
    aspects: Annotated[
        Aspects, typer.Option(help="One set for all ratios, or also one for each ratio found.")
    ] = Aspects.any,
    features: Rows = KEPT,
    skip_corrupt: Annotated[bool, typer.Option("--skip-corrupt", help="Leave corrupt images out.")] = False,
    device: Device = None,
    threads: Threads = None,
    given: Given = None,
    quiet: Quiet = False,
) -> None:
    """Statistics of real images. An image counts as it is: crop and resize beforehand if your protocol does."""
    import torch

    from evalsuite.display import write
    from evalsuite.encoders.scorer import load_encoder
    from evalsuite.progress import shown
    from evalsuite.scoring import Scoring
    from evalsuite.stats_build import build as make

    _check_out(out)
    place, cores = Scoring(device=device, threads=threads).place()
    torch.set_num_threads(cores)
    encoder = load_encoder(extractor, place, given or ())
    with shown(quiet) as progress:
        made = make(
            source,
            out,
            encoder,
            by_aspect=aspects is Aspects.by_image,
            keep=features,
            skip_corrupt=skip_corrupt,
            progress=progress,
        )
        progress.note(f"{', '.join(f'{name}: {m.n} images' for name, m in made.aspects.items())}; sha256 {made.sha256}")
    write(str(out))


@stats.command()
def show(
    file: Annotated[Path, typer.Argument(help="A statistics file, ours or another tool's.", show_default=False)],
    part: PartOf = "",
) -> None:
    """What a file holds: images, dimensions, network, rule; of another tool's file, what it says."""
    from evalsuite.display import facts
    from evalsuite.stats_show import describe

    facts(describe(file, part))


@stats.command()
def convert(
    file: Annotated[
        Path,
        typer.Argument(help="An .npz of pytorch-fid, clean-fid, ADM, EDM, EDM2 or dgm-eval.", show_default=False),
    ],
    out: Out,
    extractor: Extractor,
    rule: Annotated[str, typer.Option(help="How images were resized, in words.", show_default=False)] = "",
    weights_sha256: Annotated[str, typer.Option(help="Of the network's weights.", show_default=False)] = "",
    n: Annotated[int, typer.Option("--n", help="Images behind it, where the file does not say.", min=0)] = 0,
    part: PartOf = "",
    features: Rows = KEPT,
    given: Given = None,
) -> None:
    """Another tool's statistics as a file of ours. What made them is your word, and is marked so."""
    from evalsuite.display import write
    from evalsuite.encoders.scorer import load_encoder
    from evalsuite.foreign_stats import convert as make
    from evalsuite.scorers import scorer_name

    _check_out(out)
    name = scorer_name(extractor).id  # an unknown name ends here
    try:
        encoder = load_encoder(extractor, "cpu", given or ())
        name, fingerprint = encoder.id, encoder.fingerprint
    except InputError as error:
        fingerprint = ""
        typer.echo(f"the network is not here, so only its name is recorded: {error}", err=True)
    made = make(
        file,
        out,
        name,
        fingerprint=fingerprint,
        rule=rule,
        weights_sha256=weights_sha256,
        n=n,
        part=part,
        keep=features,
    )
    typer.echo(f"marked as claimed; sha256 {made.sha256}", err=True)
    write(str(out))


def _check_out(out: Path) -> None:
    if out.suffix.lower() != ".npz":
        raise InputError(f"{out} is not named as statistics: end it in .npz")
