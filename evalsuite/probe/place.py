"""The folder of a probe: its banks, the numbers of models that are done, and the report.

bank.safetensors, bank.json     what was shown; of models with other latents bank-2 and so on
numbers/<key>.json              all numbers of one model, kept when it is done
probe.csv, probe.json, probe.md differences.csv and the curves: made anew from the numbers every time
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.errors import InputError
from evalsuite.files import TEMPORARY, disk_errors, refuse_link, sweep
from evalsuite.lock import FolderLock
from evalsuite.probe import bank_file
from evalsuite.probe.bank import Bank

NUMBERS = "numbers"


class Place:
    """An open probe folder.

    Attributes:
        folder: that exists.
        banks: latent space to the saved bank.
    """

    def __init__(self, folder: Path) -> None:
        """Use `opened` instead."""
        self.folder = folder
        with disk_errors(f"make the folders of {folder}"):
            refuse_link(folder / NUMBERS)
            (folder / NUMBERS).mkdir(exist_ok=True)
            sweep(folder)
            sweep(folder / NUMBERS)
        self.banks = {bank.latent_space: bank for bank in map(bank_file.read, _banks(folder))}

    def check(self, recipe: str) -> None:
        """Raise InputError where the folder's banks were made by another recipe."""
        if any(bank.recipe != recipe for bank in self.banks.values()):
            raise InputError(
                f"{self.folder} has the bank of another probe: choose another --output-dir, or use that bank with"
                f" --bank {self.folder}"
            )

    def add(self, bank: Bank) -> Bank:
        """Save a bank, unless the folder has it.

        Raises:
            InputError: another one of the same latents is there.
            Incomplete: the disk is full or refuses.
        """
        there = self.banks.get(bank.latent_space)
        if there is not None:
            if there.sha256 != bank.sha256:
                raise InputError(f"{self.folder} has another bank of these latents: choose another --output-dir")
            return there
        number = len(self.banks) + 1
        bank_file.write(bank, self.folder / f"bank{'' if number == 1 else f'-{number}'}{bank_file.SUFFIX}")
        self.banks[bank.latent_space] = bank
        return bank

    def numbers(self, key: str) -> Path:
        """Where the numbers of a key are kept."""
        return self.folder / NUMBERS / f"{key}.json"


@contextmanager
def opened(folder: Path) -> Iterator[Place]:
    """Make or open a probe's folder, and have its lock.

    Raises:
        InputError: it cannot be written, is in use, or holds something else.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in folder.iterdir() if not path.name.startswith((".lock", TEMPORARY))]
        if others and NUMBERS not in others:
            raise InputError(f"{folder} holds other things ({min(others)}): choose another --output-dir")
        lock = FolderLock(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}; choose another --output-dir") from error
    with lock:
        yield Place(folder)


def _banks(folder: Path) -> list[Path]:
    """Whole banks; a bank whose JSON is not there yet was cut short, and is written again."""
    files = sorted(folder.glob(f"bank*{bank_file.SUFFIX}"))
    return [file for file in files if file.with_suffix(".json").is_file()]
