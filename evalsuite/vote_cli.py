"""``evalsuite vote``: a blind vote on this machine, what it says, and its votes as a preference set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from evalsuite.options import WHAT, WHERE, Quiet, option
from evalsuite.sections import AsForm, Form, show


class _Vote(TyperGroup):
    """``vote A B`` is short for ``vote start A B``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["start", *args]
        return super().parse_args(ctx, args)


class Layout(StrEnum):
    """Which of HPDv2's files the export is like."""

    test = "test"
    train = "train"


SOURCE_HELP = "A scored run folder with two models, or two that have one each; FOLDER:MODEL names one of several."
Votes = Annotated[Path, typer.Argument(help="A folder of votes, or its votes.db.", show_default=False)]

vote = typer.Typer(
    cls=_Vote,
    help="Vote blindly between two models: `evalsuite vote A B` opens a page for this machine alone.",
    epilog="A run folder that is called like a command is named as ./results.",
    no_args_is_help=True,
)


@vote.command()
def start(
    runs: Annotated[list[str], typer.Argument(help=SOURCE_HELP, metavar="A [B]", show_default=False)],
    rater: Annotated[str | None, option("--rater", "Who votes.", WHAT, "asked on the page", metavar="NAME")] = None,
    question: Annotated[str | None, option("--question", "Above the images.", WHAT, "Which image is better?")] = None,
    limit: Annotated[
        int | None, option("--limit", "Draw N pairs, the same for all raters.", WHAT, "all", metavar="N", min=1)
    ] = None,
    seed: Annotated[int, option("--seed", "Of orders and sides.", WHAT, 0)] = 0,
    votes: Annotated[
        Path | None, option("--votes", "Folder of votes.db.", WHERE, "under outputs/, named after the models")
    ] = None,
    port: Annotated[int, option("--port", "Of the page.", WHERE, "any that is free", min=0, max=65535)] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    quiet: Quiet = False,
) -> None:
    """Show pairs in random order and on random sides; keep every vote at once. Repeat the command to go on."""
    from evalsuite import sources
    from evalsuite.display import write
    from evalsuite.progress import shown
    from evalsuite.vote.database import VoteBook
    from evalsuite.vote.server import VoteServer
    from evalsuite.vote.service import VoteService
    from evalsuite.vote.study import QUESTION, plan_study, slug

    study = plan_study(sources.read_all(runs), limit=limit, question=question or QUESTION, seed=seed)
    folder = votes or Path("outputs") / slug(study)
    with (
        shown(quiet) as progress,
        VoteBook.begin(folder, study) as book,
        VoteServer(VoteService(book, rater), port) as server,
    ):
        progress.note(f"{len(study.pairs)} pairs; votes go to {book.path}; Ctrl-C stops, the same command goes on")
        for why, count in study.left_out.items():
            progress.note(f"{count} images are left out: {why}")
        write(server.url)
        _flush()
        if open_page:
            import webbrowser

            webbrowser.open(server.url)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            progress.note(f"{len(book.ballots())} votes in {book.path}; see `evalsuite vote results {folder}`")


@vote.command()
def results(
    votes: Votes,
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Where the two runs are now. Default: where they were.", metavar="[A] [B]"),
    ] = None,
    form: AsForm = Form.table,
) -> None:
    """Win rate with its interval, by rater and part; how raters agree, and which metric agrees with them."""
    from evalsuite.vote.database import VoteBook
    from evalsuite.vote.results import results as found_by

    with VoteBook.read(votes) as book:
        found = found_by(book, runs or ())
    show(found.sections(), found.to_json(), form)


@vote.command()
def export(
    votes: Votes,
    out: Annotated[Path, typer.Argument(help="The file to write, .json.", show_default=False)],
    layout: Annotated[
        Layout,
        typer.Option(help="As HPDv2's test.json (a line per pair, ranks) or train.json (a line per decided vote)."),
    ] = Layout.test,
    copy_images: Annotated[
        bool, typer.Option("--copy-images", help="Copy the images beside the file, so that the set can be moved.")
    ] = False,
) -> None:
    """Write votes as a preference set in HPDv2's format (arXiv:2306.09341)."""
    from evalsuite.display import write
    from evalsuite.progress import shown
    from evalsuite.vote.database import VoteBook
    from evalsuite.vote.export import export as make

    with VoteBook.read(votes) as book, shown() as progress:
        told = make(book, out, layout.value, copy_images=copy_images)
        for note in told.notes:
            progress.note(note)
    write(str(out))


def _flush() -> None:
    """Whoever reads the address from a pipe gets it now."""
    import sys

    sys.stdout.flush()
