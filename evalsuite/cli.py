"""The command line: thin, and light until a command has real work to do.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 2 the user can fix it, 3 incomplete,
130 and 143 stopped by a signal.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from evalsuite.errors import Incomplete, InputError
from evalsuite.options import As, Device, DryRun, Format, Metrics, Quiet, Threads, takes_a_spec
from evalsuite.spec import RunSpec
from evalsuite.weights_cli import weights

STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)

app = typer.Typer(
    name="evalsuite",
    help="One command turns a diffusion backbone into a reviewed scorecard.",
    epilog="Every option can also be set as an environment variable: --num-images as EVALSUITE_NUM_IMAGES.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)
listed = typer.Typer(help="List models, prompt sets or metrics.", no_args_is_help=True)
app.add_typer(listed, name="list")
app.add_typer(weights, name="weights")


def _version(wanted: bool) -> None:
    if wanted:
        from evalsuite import __version__

        typer.echo(f"evalsuite {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One command turns a diffusion backbone into a reviewed scorecard."""


@app.command()
@takes_a_spec
def run(spec: RunSpec, dry_run: DryRun = False, form: As = Format.table, quiet: Quiet = False) -> None:
    """Generate, score and report. Repeat the command to go on after a stop."""
    _make(spec, True, dry_run, form, quiet)


@app.command()
@takes_a_spec
def generate(spec: RunSpec, dry_run: DryRun = False, form: As = Format.table, quiet: Quiet = False) -> None:
    """Generate only, and print the run folder."""
    _make(spec, False, dry_run, form, quiet)


@app.command()
def score(
    folder: Annotated[str, typer.Argument(help="A run folder.", show_default=False)],
    metrics: Metrics = None,
    device: Device = None,
    threads: Threads = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Score a run folder and report, without making images."""
    from pathlib import Path

    from evalsuite.config import coerce
    from evalsuite.display import results
    from evalsuite.pipeline import rescore
    from evalsuite.progress import shown

    names = None if metrics is None else coerce("metrics", metrics, "--metrics")
    with shown(quiet) as progress:
        outcome = rescore(Path(folder), metrics=names, device=device, threads=threads, progress=progress)
    results(outcome, form)
    outcome.check()


@listed.command("models")
def list_models() -> None:
    """Models that --model takes."""
    from evalsuite import listing
    from evalsuite.display import table

    table(("model", "about"), listing.models().items())


@listed.command("prompts")
def list_prompts() -> None:
    """Prompt sets that --prompts takes."""
    from evalsuite import listing
    from evalsuite.display import table

    table(("prompts", "about"), listing.prompt_sets().items())


@listed.command("metrics")
def list_metrics() -> None:
    """Metrics that --metrics takes."""
    from evalsuite import listing
    from evalsuite.display import table

    table(("metric", "about"), listing.metrics().items())


@app.command()
def show(name: Annotated[str, typer.Argument(help="A model, metric, prompt set or prompt file.")]) -> None:
    """Show all that is known of a model, metric or prompt set."""
    from evalsuite import listing
    from evalsuite.display import facts

    facts(listing.show(name))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; see the exit codes above."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    code = 0
    try:
        code = int(app(arguments, prog_name="evalsuite", standalone_mode=False) or 0)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception as error:
        code = _explain(error)
    if code in STOPPED:
        _complain("stopped; repeat the command to go on")
    sys.exit(code)


def _make(spec: RunSpec, scored: bool, dry_run: bool, form: Format, quiet: bool) -> None:
    spec.validate()
    from evalsuite import display
    from evalsuite.progress import shown

    if dry_run:
        from evalsuite.estimate_cost import estimate

        display.cost(estimate(spec), form)
        return
    from evalsuite.pipeline import make

    with shown(quiet) as progress:
        outcome = make(spec, scored=scored, progress=progress)
        if outcome.rows is not None:
            progress.note(f"report: {outcome.folder / 'report.md'}")
    display.results(outcome, form)
    outcome.check()


def _explain(error: Exception) -> int:
    """One line for what the user can fix or finish; a traceback for a fault of ours or of a plugin."""
    if isinstance(error, InputError):
        _complain(str(error))
        return 2
    if isinstance(error, Incomplete):
        _complain(str(error))
        return 3
    if isinstance(error, typer.TyperException):
        _complain(error.format_message())
        return error.exit_code
    traceback.print_exception(error)
    _complain(f"unexpected {type(error).__name__}: this is a fault, of evalsuite or of a plugin")
    return 3


def _complain(text: str) -> None:
    from evalsuite.progress import plain

    print(f"error: {plain(text)}", file=sys.stderr, flush=True)
