"""What a run costs besides its images: knowing its plan, and opening it again when it is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from evalsuite import plan
from evalsuite.pipeline import make
from evalsuite.plan import Machine, Unit
from evalsuite.seen import FILE
from evalsuite.share import split
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore
from evalsuite.team import cost
from prompts import Prompt

BATCH = 4  # images in a record
SIDE = 64
WORLD = 8


def spec_of(prompts: str, folder: Path) -> RunSpec:
    """Small pictures of the closed-form model."""
    return RunSpec(
        models=("toy",),
        prompts=prompts,
        aspects=("1:1",),
        pixels=SIDE * SIDE,
        steps=4,
        device="cpu",
        threads=1,
        batch_size=BATCH,
        metrics=("v_variance",),
        output_dir=str(folder),
    )


def write_prompts(count: int, folder: Path) -> str:
    """A prompt file of so many lines; its path."""
    path = folder / f"prompts-{count}.jsonl"
    lines = (json.dumps({"id": f"p{number:07}", "text": f"a red ball, number {number}"}) for number in range(count))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def finished_run(records: int, folder: Path) -> Path:
    """A run that is done. Its files are not forced to the disk one by one: only what is read again is timed."""
    run = folder / f"run-{records}"
    with mock.patch("evalsuite.files.os.fsync"):
        make(spec_of(write_prompts(records * BATCH, folder), run), scored=False)
    return run


def reopen(run: Path, seen: bool) -> int:
    """Open a run and look for work left in it.

    Args:
        run: that is done.
        seen: whether it knows what its files were when they were last read; else all of them are read and hashed.

    Returns:
        How many units are left.
    """
    if not seen:
        (run / FILE).unlink(missing_ok=True)
    with RunStore.open(run) as store:
        return len(store.pending())


def planned(images: int) -> Sequence[Sequence[Unit]]:
    """The plan of a run of so many images, in parts for WORLD processes."""
    spec = spec_of("none", Path("none"))
    prompts = tuple(Prompt(f"p{number:07}", f"a red ball, number {number}", None, ()) for number in range(images))
    jobs = plan.jobs(spec, prompts, {"toy": 8})
    units = plan.work_order(plan.units(jobs, spec, {"toy": "toy"}, Machine("cpu", "2")), spec.models)
    return split(units, [cost(unit) for unit in units], WORLD)
