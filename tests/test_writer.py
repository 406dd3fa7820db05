from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from evalsuite import writer
from evalsuite.errors import Incomplete
from evalsuite.plan import Unit
from evalsuite.records import UNTOLD, Picture
from evalsuite.writer import Writer

PICTURES = [Picture("ok", np.zeros((8, 8, 3), np.uint8), None)]


class Disk:
    """A store that writes when it is let, and knows how many write at once."""

    def __init__(self, device: str) -> None:
        self.manifest = SimpleNamespace(spec=SimpleNamespace(device=device))
        self.free = threading.Event()
        self.lock = threading.Lock()
        self.at_once = self.most = 0
        self.written: list[str] = []

    def add(self, unit: Unit, *_: object) -> None:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.free.wait(10)
        if unit.key == "full":
            raise Incomplete("the disk is full")
        with self.lock:
            self.at_once -= 1
            self.written.append(unit.key)


def unit(key: str) -> Unit:
    return Unit(key, "m", 8, 8, (), 1)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "cores", lambda: 4)


@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("cuda", 4), ("cuda:1", 4)])
def test_a_machine_with_a_gpu_writes_with_many_cores_and_a_cpu_with_one(cores: None, device: str, threads: int):
    disk, told = Disk(device), list[str]()
    with Writer(disk, lambda unit: told.append(unit.key)) as found:  # type: ignore[arg-type]
        for key in range(2):
            found.put(unit(str(key)), PICTURES, 0.0, UNTOLD)
        disk.free.set()
        for key in range(2, 20):
            found.put(unit(str(key)), PICTURES, 0.0, UNTOLD)
    assert sorted(disk.written) == sorted(told)
    assert len(told) == 20
    assert min(2, threads) <= disk.most <= threads


@pytest.mark.parametrize(("limit", "waits"), [(3 * 192, 4), (2**30, 6)])
def test_units_wait_up_to_a_number_and_up_to_their_bytes(
    cores: None, monkeypatch: pytest.MonkeyPatch, limit: int, waits: int
):
    """Four threads and one unit more; fewer where their pixels, 192 bytes each, are too many."""
    monkeypatch.setattr(writer, "QUEUED_BYTES", limit)
    disk, queued = Disk("cuda"), list[int]()
    with Writer(disk, lambda _: None) as found:  # type: ignore[arg-type]

        def put() -> None:
            for key in range(10):
                queued.append(key)
                found.put(unit(str(key)), PICTURES, 0.0, UNTOLD)

        maker = threading.Thread(target=put)
        maker.start()
        maker.join(0.3)
        assert len(queued) == waits, "the one that waits is counted"
        disk.free.set()
        maker.join(10)
        found.flush()
    assert len(disk.written) == 10


def test_an_error_of_the_disk_is_raised_by_the_next_who_asks(cores: None):
    disk = Disk("cuda")
    with Writer(disk, lambda _: None) as found:  # type: ignore[arg-type]
        found.put(unit("full"), PICTURES, 0.0, UNTOLD)
        disk.free.set()
        with pytest.raises(Incomplete, match="full"):
            found.flush()
