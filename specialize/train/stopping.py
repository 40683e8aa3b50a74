"""A signal that asks for an end is heard, and the step under way is finished and saved first.

    with listening() as asked:   # SIGTERM, SIGINT (Ctrl-C)
        ...                      # asked() is True from the first signal on

A second signal has its usual effect at once. Outside of the main thread nothing is heard: signals
arrive in the main thread only.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def never() -> bool:
    return False


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """A function that says whether a signal came; the old handlers return afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def hear(number: int, _: FrameType | None) -> None:
        came.append(number)
        # written past Python's buffers: a handler may come in the middle of another write
        os.write(2, b"finishing the step, then saving; press Ctrl-C again to leave at once\n")
        for other, handler in before.items():
            signal.signal(other, handler)

    for number in _SIGNALS:
        signal.signal(number, hear)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
