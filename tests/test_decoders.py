from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite import decoders as module
from evalsuite.decoders import FILES, Decoders, are_worth_it, questions
from evalsuite.image_sources import Folder
from evalsuite.images import BadImage, read_rgb

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="processes share memory on Linux alone")


def written(folder: Path, number: int = 5) -> list[Path]:
    """Image files of several kinds, and two that are none."""
    random = np.random.default_rng(0)
    for index in range(number):
        pixels = random.integers(0, 256, (4 + index, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.{('png', 'jpg', 'webp')[index % 3]}")
    (folder / "cut.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (folder / "odd \n\udcff ü.png").write_bytes((folder / "0.png").read_bytes())
    return [*sorted(folder.iterdir()), folder / "none.png"]


def told(found: list[np.ndarray | BadImage]) -> list[str]:
    return [
        str(one) if isinstance(one, BadImage) else f"{one.dtype} {one.shape} {one.tobytes().hex()}" for one in found
    ]


def test_a_process_gives_the_pixels_and_the_reasons_that_this_one_gives(tmp_path: Path):
    files = written(tmp_path)
    with Decoders(1) as decoders:
        assert told(decoders.read(files)) == told(module.read_here(files))
        assert told(decoders.read(files[::-1])) == told(module.read_here(files[::-1]))


def test_pixels_outlive_the_next_answer(tmp_path: Path):
    files = written(tmp_path)
    with Decoders(1) as decoders:
        (first,) = decoders.read(files[:1])
        decoders.read(files[1:])
    np.testing.assert_array_equal(first, read_rgb(files[0]))


def test_an_image_without_room_is_decoded_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = written(tmp_path)
    monkeypatch.setattr(module, "AREA", 9 * 3 * 7)
    with Decoders(1) as decoders:
        assert told(decoders.read(files)) == told(module.read_here(files))


def test_more_askers_than_processes_all_have_their_answers(tmp_path: Path):
    files = written(tmp_path)
    with Decoders(1) as decoders, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(decoders.read, [files] * 12))
    assert all(told(one) == told(module.read_here(files)) for one in found)


def test_a_process_that_is_killed_is_done_without(tmp_path: Path):
    files = written(tmp_path)
    with Decoders(1) as decoders:
        (worker,) = decoders._workers
        worker._process.kill()
        worker._process.wait()
        for _ in range(2):
            assert told(decoders.read(files)) == told(module.read_here(files))


def test_where_no_process_can_be_started_files_are_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.sys, "executable", str(tmp_path / "no python"))
    files = written(tmp_path)
    with Decoders(2) as decoders:
        assert told(decoders.read(files)) == told(module.read_here(files))


def test_a_process_ends_with_the_one_that_asks():
    start = "from evalsuite.decoders import Decoders; d = Decoders(1); print(d._workers[0]._process.pid, flush=True); "
    with subprocess.Popen([sys.executable, "-c", start + "input()"], stdin=-1, stdout=-1) as asker:
        assert asker.stdout is not None
        worker = int(asker.stdout.readline())
        assert is_running(worker)
        asker.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(worker)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_folder_for_a_gpu_gives_what_it_gives_for_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written(tmp_path, 2 * FILES + 3)
    with Decoders(2) as decoders:
        asked: list[int] = []
        monkeypatch.setattr(module, "are_worth_it", lambda files, device: device == "cuda")
        monkeypatch.setattr(module, "decoders", lambda: decoders)
        monkeypatch.setattr(decoders, "read", lambda files: asked.append(len(files)) or Decoders.read(decoders, files))
        found = list(Folder(tmp_path, "cuda"))
    here = list(Folder(tmp_path))
    assert sorted(asked) == [5, FILES, FILES]
    assert [item.name for item in found] == [item.name for item in here]
    assert told([item.pixels for item in found]) == told([item.pixels for item in here])


def test_a_question_has_few_files_and_few_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = [tmp_path / name for name in "abcdefghij"]
    for number, file in enumerate(files):
        file.write_bytes(bytes(100 if number == 3 else 30))
    assert [len(part) for part in questions(files)] == [FILES, 2]
    monkeypatch.setattr(module, "BYTES", 90)
    assert [len(part) for part in questions(files)] == [3, 1, 3, 3]
    assert [file for part in questions(files) for file in part] == files


def test_processes_are_for_many_files_and_a_gpu_beside_many_cpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "readers", lambda: 16)
    assert are_worth_it(module.LEAST, "cuda")
    assert not are_worth_it(module.LEAST, "cpu")
    assert not are_worth_it(module.LEAST - 1, "cuda")
    monkeypatch.setattr(module, "readers", lambda: module.MANY_CPUS)
    assert not are_worth_it(module.LEAST, "cuda")
