"""The command line: thin, and light until a command has real work to do.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the gate failed, 2 the user can fix it,
3 incomplete, 130 and 143 stopped by a signal.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from evalsuite.aspects_cli import aspects
from evalsuite.compare_cli import compare
from evalsuite.cost_cli import cost
from evalsuite.doctor_cli import doctor
from evalsuite.errors import Incomplete, InputError
from evalsuite.gate_cli import baseline, gate
from evalsuite.options import (
    WHAT,
    WHERE,
    As,
    Device,
    Format,
    Given,
    HpsBackend,
    Log,
    Metrics,
    Quiet,
    Reference,
    Threads,
    option,
)
from evalsuite.probe_cli import probe
from evalsuite.report_cli import report
from evalsuite.run_cli import generate, run
from evalsuite.stats_cli import stats
from evalsuite.sweep_cli import sweep
from evalsuite.verify_cli import regenerate, verify
from evalsuite.vote_cli import vote
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
app.add_typer(stats, name="stats")
app.add_typer(weights, name="weights")
app.add_typer(vote, name="vote")
app.add_typer(baseline, name="baseline")
app.command()(run)
app.command()(generate)
app.command()(compare)
app.command()(aspects)
app.command()(cost)
app.command()(probe)
app.command()(sweep)
app.command()(gate)
app.command()(report)
app.command()(verify)
app.command()(doctor)
app.command()(regenerate)


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
def score(
    folder: Annotated[str, typer.Argument(help="A run folder, or a folder of images.", show_default=False)],
    prompts: Annotated[
        str | None, option("--prompts", "Of images made elsewhere: a set's name, or a file.", WHAT)
    ] = None,
    name: Annotated[str | None, option("--name", "Of their model.", WHAT, "the folder's name")] = None,
    num_images: Annotated[
        int | None, option("--num-images", "Images of each prompt.", WHAT, "as many as most have")
    ] = None,
    protocol: Annotated[str | None, option("--protocol", "Of a benchmark: hpdv2.", WHAT)] = None,
    metrics: Metrics = None,
    reference: Reference = None,
    hps_backend: HpsBackend = None,
    weights: Given = None,
    device: Device = None,
    threads: Threads = None,
    output_dir: Annotated[
        str | None, option("--output-dir", "For the report on images made elsewhere.", WHERE, "under outputs/")
    ] = None,
    log: Log = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Score a run folder, or images that another tool made, without making any."""
    from pathlib import Path

    from evalsuite.config import coerce
    from evalsuite.display import results
    from evalsuite.progress import shown
    from evalsuite.score_any import score_any
    from evalsuite.scoring import Scoring
    from evalsuite.trackers.log import log_outcome, opened

    trackers = opened([log or ""])
    scoring = Scoring(
        metrics=None if metrics is None else coerce("metrics", metrics, "--metrics"),
        reference=reference,
        weights=tuple(weights) if weights else None,
        hps_backend=hps_backend,
        device=device,
        threads=threads,
    )
    made = {"prompts": prompts, "name": name, "num_images": num_images, "protocol": protocol, "output_dir": output_dir}
    with shown(quiet) as progress:
        outcome = score_any(Path(folder), scoring, made, progress)
    results(outcome, form)
    log_outcome(trackers, outcome, progress)
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
