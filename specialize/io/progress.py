"""Progress on standard error: a bar on a terminal, a line now and then elsewhere.

    train: 120 of 300, 2.1/s, 1 min 26 s left

Off a terminal a stage says that it begins, how far it is, and that it is done: a log is never
silent for half a minute, also where the machine has much else to do, and stays readable.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Advance = Callable[[int], None]
Verbosity = Literal["quiet", "normal", "verbose"]
_EVERY: dict[Verbosity, float] = {"normal": 25.0, "verbose": 5.0}  # seconds between lines


class _Setting:
    """How much this process says."""

    verbosity: Verbosity = "normal"


def set_verbosity(verbosity: Verbosity) -> None:
    """Say nothing, what is usual, or a line every few seconds, from now on in this process."""
    _Setting.verbosity = verbosity
    # the kernels' package says that it compiles, and knows nothing of this one
    logging.getLogger("align").setLevel(logging.ERROR if verbosity == "quiet" else logging.NOTSET)


def verbosity() -> Verbosity:
    """How much this process says."""
    return _Setting.verbosity


@contextmanager
def progress(description: str, total: int, *, done: int = 0) -> Iterator[Advance]:
    """Show how far a stage of ``total`` units is, of which ``done`` were finished earlier.

    Yields:
        A function to call with the number of units just finished.
    """
    if _Setting.verbosity == "quiet":
        yield lambda _units: None
    elif sys.stderr.isatty():
        from specialize.io.bar import shown_bar

        with shown_bar(description, total, done) as advance:
            yield advance
    else:
        lines = _Lines(description, total, done)
        with _beating(lines.say):
            lines.say()
            yield lines.advance
        lines.say()


@contextmanager
def waiting(description: str) -> Iterator[None]:
    """Say what is being waited for while something runs whose length is not known."""
    if _Setting.verbosity == "quiet":
        yield
    elif sys.stderr.isatty():
        from specialize.io.bar import shown_waiting

        with shown_waiting(description):
            yield
    else:
        started = time.monotonic()
        print(f"{description} ...", file=sys.stderr, flush=True)
        with _beating(
            lambda: print(
                f"{description}: {_duration(time.monotonic() - started)} so far",
                file=sys.stderr,
                flush=True,
            )
        ):
            yield


def notice(message: str) -> None:
    """One line on standard error, unless the process is to be quiet."""
    if _Setting.verbosity != "quiet":
        print(message, file=sys.stderr, flush=True)


class _Lines:
    """The lines of one stage off a terminal."""

    def __init__(self, description: str, total: int, done: int) -> None:
        self.description, self.total = description, total
        self.begun, self.done = done, done
        self.started = time.monotonic()

    def advance(self, units: int) -> None:
        self.done += units

    def say(self) -> None:
        """One line: how far, how fast, how long still."""
        seconds, made = time.monotonic() - self.started, self.done - self.begun
        parts = [f"{self.description}: {self.done:,} of {self.total:,}"]
        if made and seconds > 0:
            parts.append(f"{made / seconds:,.1f}/s")
            left = (self.total - self.done) * seconds / made
            parts.append(f"{_duration(left)} left" if left > 0 else f"in {_duration(seconds)}")
        print(", ".join(parts), file=sys.stderr, flush=True)


@contextmanager
def _beating(say: Callable[[], None]) -> Iterator[None]:
    """Call ``say`` now and then from a thread of its own while the body runs."""
    over = threading.Event()
    every = _EVERY[_Setting.verbosity]

    def beat() -> None:
        while not over.wait(every):
            say()

    thread = threading.Thread(target=beat, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
