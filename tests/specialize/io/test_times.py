"""Times of stages: what is noted, what is added up, and that no run fails for a clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.io.times import FILE, Took, now, read_times, timed


def test_calls_of_one_stage_add_up(tmp_path: Path) -> None:
    for _ in range(2):
        with timed(tmp_path, "train"), timed(tmp_path, "rows"):
            sum(range(200_000))
    found = read_times(tmp_path)
    assert list(found) == ["rows", "train"]
    assert 0 < found["rows"].seconds <= found["train"].seconds
    assert found["train"].processor_seconds >= 0


def test_what_fails_is_not_noted(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), timed(tmp_path, "train"):
        print(1 / 0)
    with timed(tmp_path, "other", process=1):  # the first process notes for all
        pass
    assert read_times(tmp_path) == {}


def test_no_folder_and_no_sense_are_no_reason_to_stop(tmp_path: Path) -> None:
    with timed(tmp_path / "missing", "train"):
        pass
    assert read_times(tmp_path / "missing") == {}
    (tmp_path / FILE).write_text('{"stage": "train", "seconds": 2, "processor_seconds": 3}\n{"st')
    assert read_times(tmp_path) == {"train": Took(2.0, 3.0)}


def test_arithmetic() -> None:
    assert Took(1, 2) + Took(3, 4) - Took(1, 1) == Took(3, 5)
    assert Took(1, 2) * 2 == Took(2, 4)
    assert Took(-1, 2).at_least(0) == Took(0, 2)
    assert now().seconds <= now().seconds
