"""``evalsuite weights``: list, fetch, verify and find published weight files. Only ``fetch`` uses the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.errors import InputError
from evalsuite.options import Given, Quiet

if TYPE_CHECKING:
    from evalsuite.weights.record import Record

weights = typer.Typer(help="List, fetch, verify and find published weight files.", no_args_is_help=True)

NAME_HELP = "A name of `evalsuite weights list`, or hf:owner/repo/file@revision."
Names = Annotated[list[str], typer.Argument(help=NAME_HELP, show_default=False)]


@weights.command("list")
def list_weights(given: Given = None) -> None:
    """Weights that scorers name: size, how they are verified, and where they are."""
    from evalsuite.display import table
    from evalsuite.weights.catalogue import lookup, said
    from evalsuite.weights.find import locate, names

    lines = []
    for entry in map(lookup, names()):
        digest = f"pinned: {entry.sha256[:16]}" if entry.sha256 is not None else "trusted on first use"
        where = locate(entry, given or ()) or "not here"
        lines.append((entry.name, entry.about, said(entry.size), digest, where))
    table(("weights", "about", "size", "sha256", "where"), lines)


@weights.command()
def fetch(names: Names, given: Given = None, quiet: Quiet = False) -> None:
    """Download what is not here yet, verify it, keep it as safetensors. Repeat the command to go on after a stop."""
    from evalsuite.display import write
    from evalsuite.progress import shown
    from evalsuite.weights.catalogue import lookup, said
    from evalsuite.weights.fetch import fetch as bring

    entries = [lookup(name) for name in names]
    with shown(quiet) as progress:
        for entry in entries:
            path, known = bring(entry.name, progress, given or ())
            progress.note(f"{entry.name}: {said(known.bytes)}, sha256 {_trust(known)}")
            write(str(path))


@weights.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help=f"{NAME_HELP} Default: all.", show_default=False)] = None,
    given: Given = None,
) -> None:
    """Read files again in full, and compare them with the published or the recorded SHA-256."""
    from evalsuite.display import table
    from evalsuite.weights import find
    from evalsuite.weights.catalogue import lookup, said

    lines, faults = [], []
    for entry in [lookup(name) for name in names or find.names()]:
        try:
            path = find.locate(entry, given or ())
            if path is not None:
                known = find.verify(entry, path, full=True)
                lines.append((entry.name, _trust(known), said(known.bytes), path))
            elif names:
                raise InputError(find.missing(entry))
        except InputError as error:
            faults.append(str(error))
    if lines:
        table(("sound", "sha256", "size", "where"), lines)
    elif not faults:
        typer.echo("no weights are here; `evalsuite weights list` tells what there is", err=True)
    if faults:
        raise InputError("; and ".join(faults))


@weights.command("path")
def path_of(
    name: Annotated[str, typer.Argument(help=NAME_HELP, show_default=False)],
    given: Given = None,
) -> None:
    """Print the verified safetensors file that a scorer would load; a .pt is converted the first time."""
    from evalsuite.display import write
    from evalsuite.weights.find import ready

    write(str(ready(name, given or ())[0]))


def _trust(known: Record) -> str:
    """The published file's digest, and why it is believed."""
    why = "pinned" if known.trust == "pinned" else f"not known to evalsuite, trusted since first use, {known.since}"
    return f"{known.source_sha256[:16]} ({why})"
