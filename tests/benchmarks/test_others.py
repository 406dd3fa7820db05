from __future__ import annotations

import os
from pathlib import Path

import others
import pytest


def test_work_and_stolen_time_count_and_idle_time_does_not(tmp_path: Path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 9999 888 4 5 6 0 0\ncpu0 1 1 1 1\n")
    assert others.busy(stat) == pytest.approx(165 / os.sysconf("SC_CLK_TCK"))


@pytest.mark.parametrize("text", ["", "cpu 0 0 0 0 0 0 0 0 0 0\n", "cpu 1 2\n", "cpu a b c\n"])
def test_a_system_that_does_not_tell_is_no_quiet_one(tmp_path: Path, text: str):
    stat = tmp_path / "stat"
    stat.write_text(text)
    assert others.busy(stat) is None
    assert others.busy(tmp_path / "missing") is None


def test_what_this_process_does_is_not_the_others(monkeypatch: pytest.MonkeyPatch):
    clock = {"all": 100.0, "own": 40.0, "now": 7.0}
    monkeypatch.setattr(others, "busy", lambda: clock["all"])
    monkeypatch.setattr(others, "_own", lambda: clock["own"])
    monkeypatch.setattr(others.time, "monotonic", lambda: clock["now"])
    watch = others.Watch()
    clock.update(all=130.0, own=65.0, now=17.0)  # 30 s of work in 10 s, 25 of them ours
    assert watch.others() == pytest.approx(0.5)
    clock.update(own=90.0)
    assert watch.others() == 0.0
