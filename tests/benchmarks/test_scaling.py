from __future__ import annotations

from pathlib import Path

import bookkeeping
import commands
import pytest
from pairing import Timing
from scaling import line, points, quotient


def test_the_line_has_start_up_as_height_and_an_image_as_slope():
    arms = {8: "a", 32: "b", 128: "c"}
    times = [
        Timing(arm, number, 10 + 2 * n, start + slope * n)
        for number, (start, slope) in enumerate([(2.0, 0.5), (3.0, 0.25)])
        for n, arm in arms.items()
    ]
    found = line(times, arms, "cpu_s")
    assert found.start == pytest.approx([2, 3])
    assert found.slope == pytest.approx([0.5, 0.25])
    assert line(times, arms, "wall_s").slope == pytest.approx([2, 2])
    assert [point["cpu_s"] for point in points(times, {8: "a"}, per=8)] == pytest.approx([(6 + 5) / 2 / 8])


def test_a_quotient_of_noise_is_none():
    assert quotient([4.0, 6.0], [2.0, 3.0]).value == pytest.approx(2)
    assert quotient([4.0, 6.0], [2.0, -0.1]) is None


def test_a_plan_shares_out_every_image_once():
    parts = bookkeeping.planned(50)
    ids = [job.id for part in parts for unit in part for job in unit.jobs]
    assert (len(parts), len(ids), len(set(ids))) == (bookkeeping.WORLD, 50, 50)


def test_a_finished_run_has_nothing_left_whether_or_not_it_knows_its_files(tmp_path: Path, one_thread: None):
    run = bookkeeping.finished_run(2, tmp_path)
    assert bookkeeping.reopen(run, seen=False) == 0
    assert (run / "seen.json").is_file()
    assert bookkeeping.reopen(run, seen=True) == 0
    next(run.glob("records/*.json")).unlink()
    assert bookkeeping.reopen(run, seen=True) == 1


def test_two_processes_are_started_by_torchrun_and_one_is_not():
    alone, team = (commands.Job("generate", 8, count, "toy", 64, 2) for count in (1, 2))
    assert "torch.distributed.run" not in alone.words("p.jsonl", Path("run"))
    words = team.words("p.jsonl", Path("run"))
    assert words[words.index("--nproc-per-node") + 1] == "2"
    assert words[words.index("--pixels") + 1] == "4096"
    assert str(team) == "generate, 2 processes, 8 images"
