"""Banks of a Gaussian world, where every number of a probe has a closed form; and the command on four pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evalsuite.cli import main
from evalsuite.probe import panels
from evalsuite.probe.bank import Bank, Shown

TIMES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
SMALL = ["--images", "4", "--draws", "4", "--times", "3", "--paths", "2", "--steps", "4", "--threads", "1", "--quiet"]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


def unit(count: int, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draws (count, *shape), each of exactly zero mean and unit second moment in every channel."""
    noise = torch.randn(count, *shape, generator=generator)
    return (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True, correction=0)


@pytest.fixture
def gaussian_bank() -> Callable[..., Bank]:
    """x0 ~ N(mean, deviation^2), by channel; captions say the mean's colour to the toy model."""

    def make(
        mean: Sequence[float] | float = 0.7,
        deviation: float = 0.5,
        *,
        images: int = 32,
        draws: int = 8,
        side: int = 16,
        channels: int = 3,
        times: Sequence[float] = TIMES,
        antithetic: bool = True,
        caption: str | None = "red",
        exact: bool = False,
    ) -> Bank:
        generator = torch.Generator().manual_seed(3)
        shape = (channels, side, side)
        centre = torch.tensor(mean).expand(channels)[:, None, None]
        count = draws // 2 if antithetic else draws
        draw = unit if exact else lambda n, size, source: torch.randn(n, *size, generator=source)
        x0 = [centre + deviation * torch.randn(shape, generator=generator) for _ in range(images)]
        drawn = [draw(count, shape, generator) for _ in range(images)]
        shown = [Shown(f"{place:03}", caption, 8 * side, 8 * side, f"{place:064}") for place in range(images)]
        return Bank(tuple(shown), tuple(x0), tuple(drawn), tuple(times), antithetic, 0, "toy")

    return make


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Four pictures of 32x32."""
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"p{number}.png")
    return str(folder)


@pytest.fixture
def captions(prompt_file: Callable[..., str]) -> str:
    """Of these pictures."""
    return prompt_file([{"id": f"p{n}", "text": f"a ball, number {n}"} for n in range(4)])


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without curves, which take most of a small probe's time."""
    monkeypatch.setattr(panels, "draw", lambda *_: [])


@pytest.fixture
def probe(
    data: str, captions: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Run the command on these pictures; with ``code`` 0 it must succeed."""

    def call(*words: str, code: int = 0, folder: str = "out", told: bool = True) -> tuple[str, str]:
        prompts = ["--prompts", captions] if told else []
        shown = [] if "--bank" in words else ["--data", data, *prompts]
        small = SMALL if "--bank" not in words else [*SMALL[6:]]
        with pytest.raises(SystemExit) as caught:
            main(["probe", *small, *shown, "--output-dir", str(tmp_path / folder), *words])
        out, err = capsys.readouterr()
        assert caught.value.code == code, err
        return out, err

    return call


@pytest.fixture
def rows_of() -> Callable[[str], dict[tuple[str, str, str], dict[str, str]]]:
    """Rows of a CSV by model, metric and slice."""

    def read(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
        return {(row["model"], row["metric"], row["slice"]): row for row in csv.DictReader(io.StringIO(text))}

    return read
