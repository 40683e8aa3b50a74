"""Forked processes: results in order, errors where they belong, nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
from contextlib import closing

import pytest

from specialize.errors import SpecializeError, StoreError
from specialize.io.forked import can_fork, forked

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked on Linux alone")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_order_from_as_many_processes(count: int) -> None:
    made = list(forked(lambda number: (number * number, os.getpid()), range(3, 10), count))
    assert [(number, square) for number, (square, _) in made] == [(n, n * n) for n in range(3, 10)]
    workers = [process for _, (_, process) in made]
    assert len({*workers}) == count
    assert os.getpid() not in workers
    assert workers[:count] == workers[count : 2 * count]
    assert multiprocessing.active_children() == []


def test_an_error_is_raised_when_its_turn_comes() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise StoreError("shard 2 is damaged")
        return number

    made = forked(work, range(5), 2)
    assert [next(made), next(made)] == [(0, 0), (1, 1)]
    with pytest.raises(StoreError, match="shard 2 is damaged"):
        next(made)
    assert multiprocessing.active_children() == []


def test_a_killed_process_is_named_by_what_it_worked_on() -> None:
    def work(number: int) -> int:
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(SpecializeError, match=re.escape("worked on shard 1 was killed")):
        list(forked(work, range(4), 2))


def test_who_stops_reading_leaves_no_process_and_no_lock_behind() -> None:
    reader, writer = os.pipe()
    with closing(forked(lambda number: b"x" * 10**6, range(100), 2)) as made:
        next(made)
        os.close(writer)
        assert os.read(reader, 1) == b""  # no process holds the other end open
    os.close(reader)
    assert multiprocessing.active_children() == []
