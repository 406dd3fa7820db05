"""Subjects and counts that several tests share, counted once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from evalsuite.cost.count import Counts
from evalsuite.cost.find import find
from evalsuite.cost.plan import Plan
from evalsuite.cost.size import parse
from evalsuite.cost.survey import Survey, survey
from evalsuite.progress import Silent


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


TEXT = {"ids": 9, "length": 3, "width": 8, "depth": 1, "heads": 2, "mlp_hidden": 8}
CARDS: dict[str, dict[str, object]] = {
    "dit": {"width": 16, "depth": 1, "heads": 2, "mlp_hidden": 64, "text_width": 8},
    "unet": {
        "widths": [8, 16], "attention": [False, True], "head_width": 4, "text_width": 8, "embedding": 8, "stem": 2,
    },
}  # fmt: skip
"""Of networks of ours with a block each: counting them takes hundredths of a second. Tokens are 32 pixels wide."""


@pytest.fixture(scope="session")
def card(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Path of a card of CARDS."""
    folder = tmp_path_factory.mktemp("cards")

    def write(kind: str = "dit") -> str:
        path = folder / f"tiny-{kind}.json"
        path.write_text(json.dumps({"kind": kind, "config": CARDS[kind], "text": TEXT}))
        return str(path)

    return write


@pytest.fixture(scope="session")
def counts() -> Callable[[str], Counts]:
    """Counts of a subject in fp32."""
    return cache(lambda name: Counts(find(name), torch.float32))


@pytest.fixture(scope="session")
def counted() -> Callable[..., Survey]:
    """A survey without measuring; the same one is made once."""

    @cache
    def make(models: str, sizes: str = "64,512,1024", **changes: Any) -> Survey:
        return survey(models.split(), Plan(sizes=parse(sizes), **changes), None, Silent())

    return make
