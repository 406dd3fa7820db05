"""``evalsuite run`` and ``evalsuite generate``."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from evalsuite.options import As, DryRun, Format, Gpus, Log, Quiet, Shard, takes_a_spec
from evalsuite.spec import RunSpec


class Work(NamedTuple):
    """What a command does with a spec, and in which process of how many."""

    scored: bool
    dry_run: bool
    gpus: int | None
    shard: str | None


@takes_a_spec
def run(
    spec: RunSpec,
    gpus: Gpus = None,
    shard: Shard = None,
    dry_run: DryRun = False,
    log: Log = None,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Generate, score and report. Repeat the command to go on after a stop."""
    make(spec, Work(True, dry_run, gpus, shard), form, quiet, log)


@takes_a_spec
def generate(
    spec: RunSpec,
    gpus: Gpus = None,
    shard: Shard = None,
    dry_run: DryRun = False,
    form: As = Format.table,
    quiet: Quiet = False,
) -> None:
    """Generate only, and print the run folder."""
    make(spec, Work(False, dry_run, gpus, shard), form, quiet)


def make(spec: RunSpec, work: Work, form: Format, quiet: bool, log: str | None = None) -> None:
    """Do the work of a command and print what it gives; raises Incomplete where images are missing."""
    spec.validate()
    from evalsuite import display
    from evalsuite.progress import shown
    from evalsuite.share import share_of

    if work.dry_run:
        from evalsuite.estimate_cost import estimate

        with shown(quiet) as progress:
            found = estimate(spec, progress)
        display.cost(found, form)
        return
    share = share_of(os.environ, work.shard)
    if work.gpus is not None:
        from evalsuite.launch import on_gpus

        on_gpus(work.gpus, sys.argv[1:])
    from evalsuite.pipeline import make
    from evalsuite.trackers.log import log_outcome, opened

    speaks = share.leads or share.shard
    trackers = opened([log or ""] if speaks else [])
    with shown(quiet or not speaks) as progress:
        outcome = make(spec, scored=work.scored, progress=progress, share=share)
        if outcome.rows is not None:
            progress.note(f"report: {outcome.folder / 'report.md'}")
    if outcome.speaks:
        display.results(outcome, form)
        if outcome.rows is not None:
            log_outcome(trackers, outcome, progress)
    outcome.check()
