"""A log is never silent: a line at the start, now and then, and at the end."""

from __future__ import annotations

import re
import time

import pytest

from specialize.io import progress as module
from specialize.io.progress import notice, progress, set_verbosity, waiting


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(module._EVERY, "normal", 0.05)
    yield
    set_verbosity("normal")


def test_a_stage_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 10, done=2) as advance:
        advance(4)
        time.sleep(0.2)
        advance(4)
    first, *between, last = capsys.readouterr().err.splitlines()
    assert first == "train: 2 of 10"
    assert between
    assert all(re.fullmatch(r"train: 6 of 10, [\d.,]+/s, \d+ s left", line) for line in between)
    assert re.fullmatch(r"train: 10 of 10, [\d.,]+/s, in \d+ s", last)


def test_waiting_says_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("loading the student"):
        time.sleep(0.2)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first == "loading the student ..."
    assert rest
    assert all(line.startswith("loading the student: ") for line in rest)


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity("quiet")
    with progress("train", 3) as advance, waiting("for nothing"):
        advance(3)
        notice("a line")
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


def test_an_error_ends_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="broken"), progress("dump", 5):
        raise RuntimeError("broken")
    capsys.readouterr()
    time.sleep(0.15)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3661, "1 h 1 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert module._duration(seconds) == text
