"""From what the user named to an examination and its report on the disk."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from evalsuite.doctor import report
from evalsuite.doctor.examine import SCRATCH, check, examine
from evalsuite.doctor.findings import Examination
from evalsuite.doctor.subject import Asked, subject_of
from evalsuite.errors import InputError
from evalsuite.files import disk_errors
from evalsuite.lock import FolderLock
from evalsuite.networks import Networks
from evalsuite.progress import Progress


def run(asked: Asked, progress: Progress) -> tuple[Examination, Path]:
    """Examine metrics and write the report; nothing but its folder changes.

    Args:
        asked: whose images, and how they are scored.
        progress: told of the stages.

    Returns:
        What was found, and the folder of the report.

    Raises:
        InputError: see `evalsuite.doctor.subject.subject_of` and `evalsuite.doctor.examine.examine`.
        Incomplete: the disk is full or refuses.
    """
    from evalsuite.generate import reproducible

    subject = subject_of(asked, progress)
    device, threads = asked.scoring.place(subject.threads)
    folder, spec = subject.images.folder, subject.spec
    check(subject)
    if (folder / "run.json").exists():
        raise InputError(f"{folder} is a run folder, in which nothing is written: choose another --output-dir")
    with disk_errors(f"make {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    with FolderLock(folder), reproducible(threads):
        for left in folder.glob(f"{SCRATCH}*"):
            rmtree(left)  # of a command that was killed
        networks = Networks(device, spec.weights, spec.reference, folder / "features", progress)
        found = examine(subject, networks, progress)
        report.write(found, folder)
    return found, folder
