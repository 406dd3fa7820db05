"""Command lines of evalsuite as arms: each call is a process, or a team of them, with a run folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalsuite.launch import torchrun

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Job:
    """What a process makes.

    Attributes:
        verb: ``generate`` or ``run``.
        images: how many, one per prompt.
        processes: that make them; more than one are started by torchrun.
        model: its name.
        side: of an image, in pixels.
        steps: of the sampler.
    """

    verb: str
    images: int
    processes: int
    model: str
    side: int
    steps: int

    def __str__(self) -> str:
        """Its name as an arm."""
        team = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return f"{self.verb}, {team}, {self.images} images"

    def words(self, prompts: str, folder: Path) -> list[str]:
        """Of the command, with one thread for each process."""
        settings = {
            "model": self.model,
            "prompts": prompts,
            "limit": self.images,
            "steps": self.steps,
            "aspects": "1:1",
            "pixels": self.side**2,
            "threads": 1,
            "device": "cpu",
            "output-dir": folder,
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        arguments = [self.verb, *options, "--quiet"]
        if self.processes > 1:
            return torchrun(self.processes, arguments, restarts=0)
        return [sys.executable, "-m", "evalsuite", *arguments]


def arm(job: Job, prompts: str, folder: Path) -> Callable[[], None]:
    """Run the command from nothing.

    Args:
        job: what to make.
        prompts: a file with enough of them.
        folder: for its run, which is removed before each call.
    """
    own = folder / str(job).replace(", ", "-").replace(" ", "-")
    # Settings of the tester's own would make another run.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("EVALSUITE_")}
    surroundings = kept | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def call() -> None:
        shutil.rmtree(own, ignore_errors=True)
        done = subprocess.run(job.words(prompts, own), env=surroundings, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{job}: exit code {done.returncode}\n{done.stderr[-2000:]}")

    return call
