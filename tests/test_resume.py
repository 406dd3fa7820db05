from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from evalsuite import generate_images
from evalsuite.spec import RunSpec
from evalsuite.store import RunStore


def arguments(spec: RunSpec) -> list[str]:
    words = [sys.executable, "-m", "evalsuite", "generate", "--format", "json"]
    words += ["--model", spec.models[0], "--prompts", spec.prompts, "--aspects", ",".join(spec.aspects)]
    for name in ("pixels", "steps", "batch_size", "threads", "device", "output_dir"):
        words += [f"--{name.replace('_', '-')}", str(getattr(spec, name))]
    return words


def records_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("records/*.json") if path.name[0] != "."}


def content(folder: Path) -> dict[str, object]:
    """Every image's bytes, and every record without the time it took."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in folder.glob("images/*/*.png")}
    for path in folder.glob("records/*.json"):
        record = json.loads(path.read_bytes())
        found[path.name] = {key: value for key, value in record.items() if key not in ("seconds", "sha256")}
    return found


def started(spec: RunSpec, environment: Mapping[str, str], tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments(spec),
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )


def hear_interrupts() -> None:
    """A shell starts background jobs deaf to SIGINT, and children inherit that; so does a test run from one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for_more(folder: Path, before: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(records_of(folder)) <= before and process.poll() is None:
        assert time.monotonic() < deadline, "no unit in a minute"
        time.sleep(0.01)


@pytest.fixture
def slow(tiny: Callable[..., RunSpec]) -> RunSpec:
    """16 units of a fifth of a second or more."""
    return tiny(prompts=16, models=("tiny_models:slow",), batch_size=2, steps=4)


def test_any_kills_and_resumes_give_the_bytes_of_a_run_in_one_go_and_make_nothing_twice(
    slow: RunSpec, environment: Mapping[str, str], tmp_path: Path
):
    folder, whole = Path(slow.output_dir), tmp_path / "whole"
    generate_images(RunSpec(**{**slow.to_json(), "output_dir": str(whole)}))
    expected = content(whole)
    rng = random.Random(20)
    kept: dict[str, int] = {}
    for _ in range(4):
        process = started(slow, environment, tmp_path)
        wait_for_more(folder, len(kept), process)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        now = records_of(folder)
        assert kept.items() <= now.items(), "a finished unit was made again"
        assert len(kept) < len(now) < 16
        kept = now
    process = started(slow, environment, tmp_path)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out) == {"folder": str(folder)}
    final = records_of(folder)
    assert kept.items() <= final.items(), "a finished unit was made again"
    assert len(final) == 16
    assert content(folder) == expected
    assert not [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_at_once_with_its_code_and_the_run_can_go_on(
    slow: RunSpec, environment: Mapping[str, str], tmp_path: Path, number: signal.Signals, code: int
):
    folder = Path(slow.output_dir)
    process = started(slow, environment, tmp_path)
    wait_for_more(folder, 0, process)
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < 10
    assert process.returncode == code
    assert err.splitlines()[-1] == "error: stopped; repeat the command to go on"
    assert "Traceback" not in err
    assert not [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]
    with RunStore.open(folder) as store:
        assert 0 < len(store.pending()) < 16


def test_a_repeated_run_makes_nothing_and_a_damaged_image_alone_is_remade(tiny: Callable[..., RunSpec]):
    spec = tiny()
    folder = generate_images(spec)
    before, times = content(folder), records_of(folder)
    generate_images(spec)
    assert records_of(folder) == times
    victim = sorted(folder.glob("images/*/*.png"))[0]
    victim.write_bytes(victim.read_bytes()[:-7])
    generate_images(spec)
    assert content(folder) == before
    assert len([name for name, when in records_of(folder).items() if times[name] != when]) == 1


def test_a_second_run_of_the_folder_is_turned_away_while_the_first_goes_on(
    slow: RunSpec, environment: Mapping[str, str], tmp_path: Path
):
    folder = Path(slow.output_dir)
    first = started(slow, environment, tmp_path)
    wait_for_more(folder, 0, first)
    first.send_signal(signal.SIGSTOP)  # so that it cannot be done before the second is there
    second = started(slow, environment, tmp_path)
    out, err = second.communicate(timeout=60)
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 2)
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"error: {folder} is in use by pid {first.pid} on ")
