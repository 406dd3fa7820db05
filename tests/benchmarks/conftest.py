from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # its scripts find each other by their own folder

from results import SCHEMA

ENVIRONMENT = {
    "python": "3.12.0",
    "system": "Linux x86_64",
    "cpu": "A Processor",
    "cpu_flags": ["avx2"],
    "cpus": 2,
    "load_before": 3.0,
    "contended": True,
    "threads": 2,
    "packages": {"torch": "2.10.0", "hpsv2": "not installed"},
}
Document = dict[str, Any]


def ratio(value: float, low: float | None = None, high: float | None = None) -> Document:
    return {"value": value, "low": low, "high": high, "rounds": 3}


def row(arm: str, cpu_s: float | None, **changes: Any) -> Document:
    made: Document = {
        "benchmark": "frechet",
        "case": "full rank",
        "arm": arm,
        "ours": "ours",
        "peer": arm != "ours",
        "unit": "call",
        "cpu_s": cpu_s,
        "wall_s": None if cpu_s is None else cpu_s / 2,
        "rounds": 3,
        "clock": "cpu_s",
        "ratio": None,
        "difference": 0.0,
        "measure": "relative",
        "tolerance": 1e-9,
        "goal": None,
        "share": None,
        "note": "",
    }
    return made | changes


@pytest.fixture
def document() -> Callable[..., Document]:
    """What a script writes, and what publishing adds to it."""

    def make(
        rows: Sequence[Document] = (),
        figures: Sequence[Document] = (),
        curves: Sequence[Document] = (),
        run: Mapping[str, Any] | None = None,
        **environment: Any,
    ) -> Document:
        made: Document = {"schema": SCHEMA, "environment": ENVIRONMENT | environment, "settings": {"rounds": 3}}
        made |= {"rows": list(rows), "figures": list(figures), "curves": list(curves), "timings": []}
        return made if run is None else made | {"run": dict(run)}

    return make


@pytest.fixture
def quiet() -> Document:
    return {"command": "frechet.py --rounds 3", "seconds": 9.0, "load_before": 0.1, "others": 0.01, "contended": False}


@pytest.fixture
def contenders() -> list[Document]:
    """Ours, a peer that is slower, one that is faster, one that did different work, and one that is not here."""
    return [
        row("ours", 0.5, share=0.6),
        row("slow | peer", 4.0, ratio={c: ratio(8.0, 7.5, 8.5) for c in ("cpu_s", "wall_s")}, goal=7.0),
        row("quick peer", 0.25, ratio={c: ratio(0.5, 0.45, 0.6) for c in ("cpu_s", "wall_s")}, goal=2.0),
        row("other work", 1.0, difference=0.3, note="different work"),
        row("absent", None, difference=None, rounds=0, note="not run: hpsv2 is not installed"),
    ]
