"""What a probe is: models, the bank that they are shown, and how their paths are walked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalsuite.errors import InputError
from evalsuite.spec import SAMPLERS, RunSpec

FIRST, LAST = 0.02, 0.98
"""Times between which reading a prediction as a velocity multiplies its error by 50 at most."""
FINE = 50
"""Steps under which the solver's own error shows in the straightness."""
DEFAULT = RunSpec(steps=FINE, sampler="midpoint")
NO_CAPTIONS = "none"
_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_LIMITS = {"images": (2, 100_000), "draws": (2, 10_000), "paths": (2, 100_000), "seed": (0, 2**63 - 1)}
Value = TypeVar("Value")
_OF_A_BANK = ("data", "prompts", "images", "draws", "times", "antithetic", "size", "seed")


@dataclass(frozen=True, kw_only=True, slots=True)
class BankSpec:
    """What a bank is made of; None leaves a choice to its default.

    Attributes:
        data: a folder of images; None means the reference pictures of the package.
        prompts: a set's name or a file, matched with the images by name; ``none`` for no captions. Without it the
            pictures of the package have their own captions and those of a folder none.
        images: how many of them, P: taken in turn from every size. 20.
        draws: of noise for each image, M. 8.
        times: how many, evenly from 0.02 to 0.98, or the times themselves. 17.
        antithetic: draws come in pairs e, -e. True.
        size: (width, height), pixels, to which pictures are scaled and cropped; None leaves them as they are.
        seed: of the noise. 0.
    """

    data: str | None = None
    prompts: str | None = None
    images: int | None = None
    draws: int | None = None
    times: str | None = None
    antithetic: bool | None = None
    size: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A `BankSpec` with nothing left open."""

    data: str | None
    prompts: str | None
    images: int
    draws: int
    times: tuple[float, ...]
    antithetic: bool
    size: tuple[int, int] | None
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeSpec:
    """One probe.

    Attributes:
        run: models, their arguments, guidance, the steps K and the solver of the paths (``auto`` is midpoint), device,
            dtype, batch and threads.
        made: the bank's recipe.
        bank: a saved bank to use in its place: its file, or a folder of banks.
        paths: how many images of the bank have their path walked.
        output_dir: where all files go; None means a folder named after the probe under ``outputs``.
    """

    run: RunSpec = DEFAULT
    made: BankSpec = BankSpec()
    bank: str | None = None
    paths: int = 10
    output_dir: str | None = None

    def recipe(self) -> Recipe | None:
        """The bank's recipe, or None where a saved bank is used.

        Raises:
            InputError: a setting out of range, or one that a saved bank has already settled.
        """
        self._check()
        if self.bank is not None:
            given = [name for name in _OF_A_BANK if getattr(self.made, name) is not None]
            if given:
                raise InputError(f"--bank {self.bank} has settled its {given[0]}: leave out --{given[0]}")
            return None
        made = self.made
        if made.prompts not in (None, NO_CAPTIONS) and made.data is None:
            raise InputError("--prompts goes with --data: the pictures of the package have captions of their own")
        draws, antithetic = _or(made.draws, 8), _or(made.antithetic, True)
        if antithetic and (draws % 2 or draws < 4):
            raise InputError(
                f"--draws {draws}: they come in pairs e, -e, two at least: use 4, 6, 8, ... or --independent"
            )
        return Recipe(
            data=made.data,
            prompts=made.prompts,
            images=_or(made.images, 20),
            draws=draws,
            times=parse_times("17" if made.times is None else made.times),
            antithetic=antithetic,
            size=None if made.size is None else parse_size(made.size),
            seed=_or(made.seed, 0),
        )

    def _check(self) -> None:
        self.run.validate_values()
        if self.run.sampler not in ("auto", *SAMPLERS):
            raise InputError(f"--sampler {self.run.sampler!r}: paths are walked by {', '.join(SAMPLERS)}")
        if self.run.steps == 1:
            raise InputError("--steps 1: a path's change needs at least 2 steps")
        values = {"images": self.made.images, "draws": self.made.draws, "seed": self.made.seed, "paths": self.paths}
        for name, value in values.items():
            least, most = _LIMITS[name]
            if value is not None and not least <= value <= most:
                raise InputError(f"--{name} is {value}: use a whole number from {least} to {most}")


def parse_times(text: str) -> tuple[float, ...]:
    """Times of the bank, rising: a number of them from 2, or themselves with commas.

    Raises:
        InputError: neither, or one outside FIRST to LAST, or one twice.
    """
    if text.strip().isdecimal():
        count = int(text)
        if not 2 <= count <= 1000:
            raise InputError(f"--times {text}: use 2 to 1000 of them, or the times themselves such as 0.1,0.5,0.9")
        return tuple(round(FIRST + (LAST - FIRST) * k / (count - 1), 6) for k in range(count))
    try:
        found = sorted(round(float(part), 6) for part in text.split(","))
    except ValueError:
        raise InputError(f"--times {text!r}: write how many, or times such as 0.1,0.5,0.9") from None
    if not all(math.isfinite(t) and FIRST <= t <= LAST for t in found):
        raise InputError(
            f"--times {text}: from {FIRST} to {LAST}: beyond, a prediction of noise or of data says next to nothing"
            " of the velocity"
        )
    if len(set(found)) < max(2, len(found)):
        raise InputError(f"--times {text}: at least two, each once")
    return tuple(found)


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) in pixels of a text such as ``256x256``.

    Raises:
        InputError: not two whole numbers, or one of them zero.
    """
    match = _SIZE.fullmatch(text)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not width * height:
        raise InputError(f"--size {text!r}: write width x height in pixels, such as 256x256")
    return width, height


def named(models: Sequence[str]) -> tuple[str, ...]:
    """Names of models from arguments that may hold several, with commas."""
    return tuple(name for item in models for name in item.split(",") if name.strip())


def _or(value: Value | None, default: Value) -> Value:
    return default if value is None else value
