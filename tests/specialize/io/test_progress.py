"""A log is never silent: a line at the start, now and then, and at the end."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from types import SimpleNamespace

import pytest

from align.kernels.jit import announce
from specialize.io import progress as module
from specialize.io.progress import Verbosity, notice, progress, set_verbosity, waiting

EVERY = dict(module._EVERY)


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
    now_and_then = re.compile(r"train: 6 of 10, [\d.,]+/s, \d+ s left")
    assert any(map(now_and_then.fullmatch, between))
    assert re.fullmatch(r"train: 10 of 10, [\d.,]+/s, in \d+ s", last)


def test_waiting_says_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("loading the student"):
        time.sleep(0.2)
    first, *rest = capsys.readouterr().err.splitlines()
    assert first == "loading the student ..."
    assert rest
    assert all(line.startswith("loading the student: ") for line in rest)


@pytest.mark.parametrize(("verbosity", "said"), [("quiet", 0), ("normal", 1)])
def test_kernels_are_compiled_quietly(
    verbosity: Verbosity, said: int, caplog: pytest.LogCaptureFixture
) -> None:
    set_verbosity(verbosity)
    announce.cache_clear()
    announce()
    assert [record.message[:18] for record in caplog.records] == ["compiling kernels,"] * said


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity("quiet")
    with progress("train", 3) as advance, waiting("for nothing"):
        advance(3)
        notice("a line")
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


class _Clock:
    """Time that passes only where something waits; at two minutes it stops."""

    def __init__(self) -> None:
        self.now, self.over = 0.0, threading.Event()

    def wait(self, seconds: float) -> bool:
        if self.now + seconds > 120:
            self.over.set()
            return True
        self.now += seconds
        return False

    def set(self) -> None:
        """The stage is done, which ``over`` was waited for already."""


@pytest.mark.parametrize("stage", [lambda: progress("align", 10), lambda: waiting("compiling")])
def test_two_minutes_have_a_line_in_every_30_seconds(
    stage: Callable[[], AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, said = _Clock(), [0.0]
    monkeypatch.setattr(module, "_EVERY", EVERY)
    threads = SimpleNamespace(Event=lambda: clock, Thread=threading.Thread)
    monkeypatch.setattr(module, "threading", threads)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(module, "print", lambda *_, **__: said.append(clock.now), raising=False)
    with stage():
        clock.over.wait(10)
    gaps = [later - sooner for sooner, later in pairwise([*said, 120.0])]
    assert len(said) >= 5
    # a machine with much else to do is late
    assert max(gaps) <= 27


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
