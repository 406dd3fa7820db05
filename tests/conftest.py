from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch

from evalsuite.spec import RunSpec

ROOT = Path(__file__).parent.parent
PLUGINS = Path(__file__).parent / "plugins"
sys.path.append(str(PLUGINS))

WORDS = ("red", "green", "blue", "black", "white", "pink")


@pytest.fixture(autouse=True)
def _clean_surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the tester's own, and the signal handlers as they were."""
    for name in [name for name in os.environ if name.startswith("EVALSUITE_")]:
        monkeypatch.delenv(name)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Many small matrices: threads would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def environment() -> Mapping[str, str]:
    """For a process of its own that finds this checkout and the test models."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{PLUGINS}",
        "COLUMNS": "100",
    }


@pytest.fixture
def prompt_file(tmp_path: Path) -> Callable[..., str]:
    """Write a prompt file of plain prompts, or of given entries, and return its path."""

    def write(entries: int | Sequence[Mapping[str, object]] = 4, name: str = "mine.jsonl") -> str:
        if isinstance(entries, int):
            entries = [{"id": f"p{n:03}", "text": f"a {WORDS[n % 6]} ball, number {n}"} for n in range(entries)]
        path = tmp_path / name
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def tiny(prompt_file: Callable[..., str], tmp_path: Path) -> Callable[..., RunSpec]:
    """A run of a second: 4 prompts at 64x64 and 80x48, in units of 3."""

    def make(prompts: int | str | Sequence[Mapping[str, object]] = 4, **changes: object) -> RunSpec:
        settings: dict[str, object] = {
            "models": ("tiny_models:conv",),
            "prompts": prompts if isinstance(prompts, str) else prompt_file(prompts),
            "aspects": ("1:1", "3:2"),
            "pixels": 4096,
            "steps": 3,
            "batch_size": 3,
            "threads": 1,
            "device": "cpu",
            "metrics": ("v_variance",),
            "output_dir": str(tmp_path / "run"),
        }
        return RunSpec(**settings | changes)

    return make
