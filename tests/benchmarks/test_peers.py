"""Peers that are here are compared with; those that are not are rows too, and no error."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import frechet
import hps
import numpy as np
import pytest
import results
import sampling
from fid_peers import MODULES
from publish import FULL, HERE, QUICK


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    there = results.installed
    monkeypatch.setattr(results, "installed", lambda module: module not in missing and there(module))


@pytest.mark.usefixtures("one_thread")
def test_every_frechet_distance_is_the_same_number(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "torchmetrics")
    case = frechet.cases(d=12, full=60, few=[])[0]
    rows, timings = frechet.measure(case, rounds=1)
    found = {row["arm"]: row for row in rows}
    assert found.keys() == {"ours", frechet.SEEN, *frechet.PEERS}
    assert found["torchmetrics"]["note"] == "not run: torchmetrics is not installed"
    assert found["torchmetrics"]["ratio"] is None
    for name in ("scipy sqrtm", "torch-fidelity"):
        assert found[name]["difference"] < 1e-9
        assert found[name]["ratio"]["cpu_s"]["rounds"] == 1
    assert all(timing.arm.startswith("full rank: ") for timing in timings)


def test_an_answer_that_differs_is_different_work():
    case = frechet.Case("n=2", {"ours": lambda: 1.0, "peer": lambda: 1.1}, tolerance=0.05)
    rows, timings = frechet.measure(case, rounds=1)
    assert (rows[1]["note"], rows[1]["ratio"], rows[1]["cpu_s"]) == ("different work", None, None)
    assert rows[1]["difference"] == pytest.approx(0.1)
    assert [timing.arm for timing in timings] == ["n=2: ours"]


def test_features_fall_off_as_their_spectrum_says():
    rows = frechet.draw(4000, 3, 0.5, seed=1, turn=np.eye(3))
    assert rows.mean(axis=0) == pytest.approx([0.5] * 3, abs=0.05)
    assert rows.var(axis=0) == pytest.approx([1, 1 / 2, 1 / 3], rel=0.1)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("script", "package"), [(hps, "hpsv2"), (sampling, "diffusers")])
def test_a_benchmark_without_its_peer_says_so(
    script: Any, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    without(monkeypatch, package)
    monkeypatch.setattr(sys, "argv", [script.__name__, "--threads", "1", "--json", str(tmp_path / "out.json")])
    script.main()
    (row,) = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert row["note"] == f"not run: {package} is not installed"
    assert row["peer"]


def test_every_script_is_run_in_full_and_in_a_rehearsal():
    scripts = {file.stem for file in HERE.glob("*.py") if "results.write(" in file.read_text(encoding="utf-8")}
    on_a_gpu = set(re.findall(r"[a-z_]+", (HERE / "gpu.sh").read_text(encoding="utf-8")))
    assert FULL.keys() == QUICK.keys() <= scripts
    assert scripts - FULL.keys() <= on_a_gpu
    assert MODULES.keys() == {"torch-fidelity", "torchmetrics", "pytorch-fid", "clean-fid"}
