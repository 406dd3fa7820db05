from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import vote_runs

from evalsuite import sources
from evalsuite.vote.database import VoteBook
from evalsuite.vote.study import Study, plan_study


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    return vote_runs.write_runs(tmp_path / "runs")


@pytest.fixture
def study(runs: list[str]) -> Study:
    return plan_study(sources.read_all(runs))


@pytest.fixture
def book(study: Study, tmp_path: Path) -> Iterator[VoteBook]:
    with VoteBook.begin(tmp_path / "votes", study) as opened:
        yield opened
