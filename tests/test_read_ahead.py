from __future__ import annotations

import threading
import time

import pytest

from evalsuite import read_ahead as module
from evalsuite.read_ahead import EACH, read_ahead, readers


def test_results_come_in_the_order_of_the_items_though_some_take_longer():
    def read(number: int) -> int:
        time.sleep(0.002 * (number % 3 == 0))
        return number * number

    assert list(read_ahead(read, range(50))) == [number * number for number in range(50)]
    assert list(read_ahead(read, [])) == []


def test_a_failure_is_raised_at_its_turn():
    found = read_ahead(lambda number: 1 // (number - 2), range(5))
    assert [next(found), next(found)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_only_so_many_are_read_before_they_are_wanted():
    taken: list[int] = []
    found = read_ahead(str, (taken.append(number) or number for number in range(1000)))  # type: ignore[func-returns-value]
    assert next(found) == "0"
    assert len(taken) == EACH * readers() + 1
    found.close()


def test_large_files_are_read_one_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LARGEST", 10)
    taken: list[int] = []
    items = (taken.append(number) or number for number in range(100))  # type: ignore[func-returns-value]
    found = read_ahead(str, items, size=lambda text: 10)
    first = EACH * readers()
    for number in range(first):
        assert next(found) == str(number)
    assert len(taken) == first + 1


def test_who_stops_early_waits_for_no_more_than_is_being_read():
    gate, begun = threading.Event(), list[int]()

    def read(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(5)
        return number

    found = read_ahead(read, range(1000))
    next(found)
    gate.set()
    found.close()
    assert len(begun) <= EACH * readers() + 1
